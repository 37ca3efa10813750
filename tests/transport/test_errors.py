"""The one error of all transports: what it tells, and how the typed details come out of it."""

import pickle

from tenuto.exceptions import TemporalError
from tenuto.transport.errors import ConnectError, RPCError, RPCStatusCode
from tenuto.wire import any_pb2, errordetails, grpc_status


def refusal() -> RPCError:
    packed = any_pb2.Any()
    packed.Pack(errordetails.NamespaceNotFoundFailure(namespace="shop"))
    status = grpc_status.GrpcStatus(code=5, message="no such namespace", details=[packed])
    return RPCError("no such namespace", RPCStatusCode.NOT_FOUND, status.SerializeToString())


def test_it_tells_code_text_and_the_status_as_bytes_and_as_a_message() -> None:
    error = refusal()
    assert isinstance(error, TemporalError)
    assert (str(error), error.message, error.status) == (
        "no such namespace",
        "no such namespace",
        RPCStatusCode.NOT_FOUND,
    )
    assert error.grpc_status.SerializeToString() == error.raw_grpc_status
    assert error.grpc_status is error.grpc_status


def test_a_detail_is_found_by_its_type() -> None:
    found = refusal().details(errordetails.NamespaceNotFoundFailure)
    assert found is not None
    assert found.namespace == "shop"
    assert refusal().details(errordetails.NotFoundFailure) is None


def test_without_details_the_status_still_has_code_and_text() -> None:
    error = RPCError("gone", RPCStatusCode.UNAVAILABLE, b"")
    assert (error.grpc_status.code, error.grpc_status.message) == (14, "gone")
    assert error.details(errordetails.NotFoundFailure) is None


def test_it_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(refusal()))
    assert (error.status, error.raw_grpc_status) == (RPCStatusCode.NOT_FOUND, refusal().raw_grpc_status)


def test_a_failed_connection_is_a_runtime_error_as_well() -> None:
    assert issubclass(ConnectError, RPCError)
    assert issubclass(ConnectError, RuntimeError)
