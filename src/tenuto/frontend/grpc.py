"""The gRPC frontend on grpcio: one generic handler for every method, raw bytes in and out, health and reflection.

It must never know what a method means; `answers` and the service do.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc
import grpc.aio

from tenuto.frontend.answers import (
    DETAILS_KEY,
    HEALTH_SERVICE,
    OPERATOR_SERVICE,
    WORKFLOW_SERVICE,
    Answers,
    Refusal,
)
from tenuto.limits import LIMITS, SECOND
from tenuto.service.call import Call
from tenuto.service.service import Service
from tenuto.wire import load_services

OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", LIMITS.message_bytes),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_concurrent_streams", 100_000),
)
CODES = {code.value[0]: code for code in grpc.StatusCode}
SERVING, NOT_SERVING = 1, 2


class Handlers(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Finds, and caches, the handler of a path."""

    def __init__(self, answers: Answers, now: Callable[[], int]) -> None:
        self._answers = answers
        self._now = now
        self._known: dict[str, Any] = {}

    def service(self, details: Any) -> Any:
        path = details.method
        handler = self._known.get(path)
        if handler is None:
            answer = self._answers.unary(path)
            if answer is None:
                return None
            handler = grpc.unary_unary_rpc_method_handler(self._wrap(answer))
            self._known[path] = handler
        return handler

    def _wrap(self, answer: Any) -> Any:
        now = self._now

        async def handle(raw: bytes, context: Any) -> bytes:
            left = context.time_remaining()
            deadline_at = None if left is None else now() + int(left * SECOND)

            def headers() -> Mapping[str, str]:
                return {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}

            try:
                response: bytes = await answer(raw, Call(deadline_at, headers, lambda: not context.done()))
                return response
            except Refusal as refusal:
                trailers = ((DETAILS_KEY, refusal.details),) if refusal.details else ()
                await context.abort(CODES[refusal.code], refusal.message, trailers)
                raise AssertionError("abort raises") from refusal

        return handle


class Frontend:
    """A listening gRPC server over a `Service`."""

    def __init__(self, service: Service) -> None:
        self._server = grpc.aio.server(options=OPTIONS)
        self._server.add_generic_rpc_handlers((Handlers(Answers(service), service.core.clock.now),))
        self._health = _Health(self._server)
        _reflect(self._server)

    async def start(self, host: str, port: int, credentials: Any = None) -> int:
        """Listen; the port. Raises OSError when the address is taken."""
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if credentials is None:
                bound = self._server.add_insecure_port(address)
            else:
                bound = self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {address}: {error}") from error
        await self._server.start()
        await self._health.tell(SERVING)
        return int(bound)

    async def drain(self, grace_s: float) -> None:
        """Take no more calls, let those in flight finish for ``grace_s`` seconds."""
        await self._health.tell(NOT_SERVING)
        await self._server.stop(grace_s)


def credentials(key: bytes, certificate: bytes, client_ca: bytes | None = None) -> Any:
    """TLS, and with ``client_ca`` mutual TLS; all PEM."""
    return grpc.ssl_server_credentials(
        [(key, certificate)], client_ca, require_client_auth=client_ca is not None
    )


class _Health:
    """grpc.health.v1.Health for the services of this port."""

    _NAMES = ("", WORKFLOW_SERVICE, OPERATOR_SERVICE, "temporal.server.api.adminservice.v1.AdminService")

    def __init__(self, server: Any) -> None:
        from grpc_health.v1 import health, health_pb2_grpc

        self._servicer = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def tell(self, status: int) -> None:
        for name in self._NAMES:
            await self._servicer.set(name, status)


def _reflect(server: Any) -> None:
    """Server reflection, with the descriptors of the official package."""
    from grpc_reflection.v1alpha import reflection

    load_services()

    names: Sequence[str] = (WORKFLOW_SERVICE, OPERATOR_SERVICE, HEALTH_SERVICE, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
