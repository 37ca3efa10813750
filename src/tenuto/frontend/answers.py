"""From bytes to a service call and back, whatever carries the bytes: method names, deadlines, errors as statuses.

Both gRPC listeners stand on this; it imports no grpc. The only ``except Exception`` of the frontends is here.
"""

import base64
import logging
from collections.abc import Callable, Mapping
from typing import Any

from tenuto.service.call import Call
from tenuto.service.errors import Code, ServiceError, packed
from tenuto.service.service import Service
from tenuto.wire import DecodeError, Message, grpc_status, operatorservice
from tenuto.wire import workflowservice as ws

log = logging.getLogger("tenuto.frontend")

WORKFLOW_SERVICE = "temporal.api.workflowservice.v1.WorkflowService"
OPERATOR_SERVICE = "temporal.api.operatorservice.v1.OperatorService"
HEALTH_SERVICE = "grpc.health.v1.Health"
DETAILS_KEY = "grpc-status-details-bin"


class Refusal(Exception):
    """A call's failure as a gRPC status: code number, message, and the serialized google.rpc.Status with its details."""

    def __init__(self, code: int, message: str, details: bytes = b"") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


def methods() -> dict[str, tuple[str, type[Message]]]:
    """Path -> method name and request class, for every RPC the protocol has."""
    found: dict[str, tuple[str, type[Message]]] = {}
    for service, module in ((WORKFLOW_SERVICE, ws), (OPERATOR_SERVICE, operatorservice)):
        names = module.DESCRIPTOR.message_types_by_name
        for name in names:
            method = name.removesuffix("Request")
            if method != name and method + "Response" in names:
                found[f"/{service}/{method}"] = (method, getattr(module, name))
    return found


class Answers:
    """Answers raw requests with raw responses."""

    def __init__(self, service: Service) -> None:
        self._call = service.call
        self._new_id = service.core.new_id
        self.methods = methods()

    def unary(self, path: str) -> "Callable[[bytes, Call], Any] | None":
        """The coroutine function that answers this path, or None when there is no such method."""
        known = self.methods.get(path)
        if known is None:
            return None
        method, kind = known
        parse = kind.FromString
        call, new_id = self._call, self._new_id

        async def answer(raw: bytes, frame: Call) -> bytes:
            try:
                request = parse(raw)
            except DecodeError as error:
                raise Refusal(Code.INVALID_ARGUMENT, f"the request is not a {kind.__name__}") from error
            try:
                response = await call(method, request, frame)
            except ServiceError as error:
                raise refusal(error) from error
            except Exception as error:
                raise masked(method, error, new_id()[:8]) from error
            return response if isinstance(response, bytes) else response.SerializeToString()

        return answer


def refusal(error: ServiceError) -> Refusal:
    details = b""
    if error.details:
        status = grpc_status.GrpcStatus(
            code=int(error.code), message=error.message, details=[packed(detail) for detail in error.details]
        )
        details = status.SerializeToString()
    return Refusal(int(error.code), error.message, details)


def masked(method: str, error: Exception, mark: str) -> Refusal:
    """A failure nobody planned: logged here, and told to the caller without its insides."""
    log.error("%s failed (%s)", method, mark, exc_info=error)
    return Refusal(Code.INTERNAL, f"something went wrong, please retry ({mark})")


def percent_encoded(message: str) -> str:
    """``grpc-message``: UTF-8 with all but printable ASCII (and ``%``) percent-encoded."""
    return "".join(chr(b) if 0x20 <= b <= 0x7E and b != 0x25 else f"%{b:02X}" for b in message.encode())


def binary_header(value: bytes) -> str:
    """A ``-bin`` header's value."""
    return base64.b64encode(value).rstrip(b"=").decode()


Headers = Callable[[], Mapping[str, str]]
