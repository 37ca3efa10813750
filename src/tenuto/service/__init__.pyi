"""What programs know this room for; see the module itself."""

from tenuto.transport.config import ConnectConfig as ConnectConfig
from tenuto.transport.config import DnsLoadBalancingConfig as DnsLoadBalancingConfig
from tenuto.transport.config import GrpcCompression as GrpcCompression
from tenuto.transport.config import HttpConnectProxyConfig as HttpConnectProxyConfig
from tenuto.transport.config import KeepAliveConfig as KeepAliveConfig
from tenuto.transport.config import PayloadLimitsConfig as PayloadLimitsConfig
from tenuto.transport.config import RetryConfig as RetryConfig
from tenuto.transport.config import TLSConfig as TLSConfig
from tenuto.transport.errors import ConnectError as ConnectError
from tenuto.transport.errors import RPCError as RPCError
from tenuto.transport.errors import RPCStatusCode as RPCStatusCode
from tenuto.transport.services import CloudService as CloudService
from tenuto.transport.services import HealthService as HealthService
from tenuto.transport.services import OperatorService as OperatorService
from tenuto.transport.services import ServiceClient as ServiceClient
from tenuto.transport.services import TestService as TestService
from tenuto.transport.services import WorkflowService as WorkflowService
