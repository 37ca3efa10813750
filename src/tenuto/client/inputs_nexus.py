"""What passes through client interceptors about Nexus operations of their own. Mutable on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tenuto.client.inputs import RPCMetadata
from tenuto.common import (
    NexusOperationIDConflictPolicy,
    NexusOperationIDReusePolicy,
    TypedSearchAttributes,
)


@dataclass
class StartNexusOperationInput:
    """Input of `OutboundInterceptor.start_nexus_operation`."""

    operation: str
    arg: Any
    id: str
    endpoint: str
    service: str
    result_type: type | None
    schedule_to_close_timeout: timedelta | None
    schedule_to_start_timeout: timedelta | None
    start_to_close_timeout: timedelta | None
    id_reuse_policy: NexusOperationIDReusePolicy
    id_conflict_policy: NexusOperationIDConflictPolicy
    search_attributes: TypedSearchAttributes | None
    summary: str | None
    headers: Mapping[str, str]
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class DescribeNexusOperationInput:
    """Input of `OutboundInterceptor.describe_nexus_operation`."""

    operation_id: str
    run_id: str | None
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class GetNexusOperationResultInput:
    """Input of `OutboundInterceptor.get_nexus_operation_result`. What the operation is may be unknown: empty then."""

    operation_id: str
    run_id: str | None
    endpoint: str
    service: str
    operation: str
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None
    result_type: type | None


@dataclass
class CancelNexusOperationInput:
    """Input of `OutboundInterceptor.cancel_nexus_operation`."""

    operation_id: str
    run_id: str | None
    reason: str | None
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class TerminateNexusOperationInput:
    """Input of `OutboundInterceptor.terminate_nexus_operation`."""

    operation_id: str
    run_id: str | None
    reason: str | None
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None


@dataclass
class ListNexusOperationsInput:
    """Input of `OutboundInterceptor.list_nexus_operations`."""

    query: str | None
    page_size: int
    next_page_token: bytes | None
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None
    limit: int | None


@dataclass
class CountNexusOperationsInput:
    """Input of `OutboundInterceptor.count_nexus_operations`."""

    query: str | None
    rpc_metadata: RPCMetadata
    rpc_timeout: timedelta | None
