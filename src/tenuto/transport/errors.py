"""The one error every transport raises. Must never depend on how the call travelled."""

from enum import IntEnum
from typing import TYPE_CHECKING, Any, TypeVar

from tenuto.exceptions import TemporalError

if TYPE_CHECKING:
    from tenuto.wire import Message, grpc_status

    M = TypeVar("M", bound=Message)
else:
    M = TypeVar("M")


class RPCStatusCode(IntEnum):
    """Status codes of the protocol; the numbers are gRPC's."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class RPCError(TemporalError):
    """The service refused a call, or could not be reached.

    ``raw_grpc_status`` is a serialized ``google.rpc.Status`` with the typed details, empty when there are none.
    """

    def __init__(self, message: str, status: RPCStatusCode, raw_grpc_status: bytes) -> None:
        super().__init__(message)
        self._message = message
        self._status = status
        self._raw_grpc_status = raw_grpc_status
        self._grpc_status: grpc_status.GrpcStatus | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._message, self._status, self._raw_grpc_status)

    @property
    def message(self) -> str:
        """What the service said."""
        return self._message

    @property
    def status(self) -> RPCStatusCode:
        """The code to branch on."""
        return self._status

    @property
    def raw_grpc_status(self) -> bytes:
        """The status as bytes, empty when the service sent no details."""
        return self._raw_grpc_status

    @property
    def grpc_status(self) -> "grpc_status.GrpcStatus":
        """The status as a message; its ``details`` are packed."""
        if self._grpc_status is None:
            from tenuto.wire import grpc_status

            status = grpc_status.GrpcStatus()
            status.ParseFromString(self._raw_grpc_status)
            if not self._raw_grpc_status:
                status.code, status.message = int(self._status), self._message
            self._grpc_status = status
        return self._grpc_status

    def details(self, kind: "type[M]") -> "M | None":
        """The first detail of the given message type, or None."""
        if not self._raw_grpc_status:
            return None
        for packed in self.grpc_status.details:
            if packed.type_url.rpartition("/")[2] == kind.DESCRIPTOR.full_name:
                found = kind()
                packed.Unpack(found)
                return found
        return None


class ConnectError(RPCError, RuntimeError):
    """The first connection could not be made. Also a RuntimeError, which is what other clients of the protocol raise."""
