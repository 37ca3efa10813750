"""The connection a client and its workers share: headers, credentials, retries, and the services by method.

Must never know how calls travel; `tenuto.transport.connect` finds that out from the target.
"""

import asyncio
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from tenuto import __version__
from tenuto.transport import retry as patience
from tenuto.transport import routes
from tenuto.transport.base import NO_HEADERS, Headers, Transport
from tenuto.transport.config import ConnectConfig, RetryConfig
from tenuto.transport.errors import ConnectError, RPCError, RPCStatusCode
from tenuto.transport.facades import (
    CloudService as CloudService,
)
from tenuto.transport.facades import (
    HealthService as HealthService,
)
from tenuto.transport.facades import (
    OperatorService as OperatorService,
)
from tenuto.transport.facades import (
    TestService as TestService,
)
from tenuto.transport.facades import (
    WorkflowService as WorkflowService,
)
from tenuto.transport.measured import measured
from tenuto.transport.retry import Kind, Tries
from tenuto.transport.sizes import Warner
from tenuto.wire import Message, service_module, workflowservice

CLIENT_NAME = "tenuto"
CONNECT_SECONDS = 10.0
_DEFAULT_RETRY = RetryConfig()
_KNOWN_NAMESPACES = 64
"""For how many namespaces headers are kept ready."""


class ServiceClient:
    """A connection to a service. Safe to share by everything in a process, on any number of event loops."""

    def __init__(self, config: ConnectConfig, transport: Transport | None = None) -> None:
        """``transport`` overrules what ``config.target_host`` names. Nothing is connected before the first call."""
        self.config = config
        if transport is None:
            from tenuto.transport.connect import transport_for

            transport = transport_for(config)
        self._transport = measured(transport, config)
        self._warner = Warner(config.payload_limits)
        self._retry = config.retry_config or _DEFAULT_RETRY
        self._rpc_metadata = dict(config.rpc_metadata)
        self._api_key = config.api_key
        self._headers: dict[str, dict[str, str | bytes]] = {}
        self._fixed: dict[int, tuple[Headers, dict[str, str | bytes], dict[str, str | bytes]]] = {}
        """Headers that never change, by identity: with what they were merged, and the outcome."""
        self._capabilities: workflowservice.GetSystemInfoResponse.Capabilities | None = None
        _check(self._rpc_metadata)
        self.workflow_service = WorkflowService(self)
        self.operator_service = OperatorService(self)
        self.cloud_service = CloudService(self)
        self.test_service = TestService(self)
        self.health_service = HealthService(self)

    @staticmethod
    async def connect(config: ConnectConfig) -> "ServiceClient":
        """Connect, unless ``config.lazy``. Raises `ConnectError` when nobody answers, ValueError for a bad target."""
        client = ServiceClient(config)
        if not config.lazy:
            try:
                await client._meet()
            except BaseException:
                await client.close()
                raise
        return client

    async def _meet(self) -> None:
        limit = self.config.connect_timeout
        seconds = limit.total_seconds() if limit is not None else CONNECT_SECONDS
        try:
            await self._transport.open()
            await self._learn_capabilities(seconds)
        except RPCError as error:
            where = self.config.target_host
            text = error.message if where in error.message else f"{where}: {error.message}"
            text = f"Failed client connect: {text}"
            raise ConnectError(text, error.status, error.raw_grpc_status) from error

    async def _learn_capabilities(
        self, seconds: float
    ) -> "workflowservice.GetSystemInfoResponse.Capabilities":
        request = workflowservice.GetSystemInfoRequest()
        headers = self._headers_of("", NO_HEADERS)
        try:
            answer: Any = await self._transport.call(
                "GetSystemInfo", request, timeout=seconds, headers=headers
            )
            found: workflowservice.GetSystemInfoResponse.Capabilities = answer.capabilities
        except RPCError as error:
            if error.status is not RPCStatusCode.UNIMPLEMENTED:
                raise
            found = workflowservice.GetSystemInfoResponse.Capabilities()
        self._capabilities = found
        return found

    async def capabilities(self) -> "workflowservice.GetSystemInfoResponse.Capabilities":
        """What the service can do; asked once. A service that does not say can do nothing optional."""
        return self._capabilities or await self._learn_capabilities(CONNECT_SECONDS)

    @property
    def transport(self) -> Transport:
        """How calls travel."""
        return self._transport

    @property
    def workers_inside(self) -> bool:
        """Whether the service lives and dies with this process, so that all its workers do."""
        return bool(getattr(self._transport, "workers_inside", False))

    @property
    def worker_service_client(self) -> "ServiceClient":
        """What workers call through: this very connection."""
        return self

    # ---- calls ----------------------------------------------------------------------------------------------------------

    async def call(
        self,
        method: str,
        request: Message,
        *,
        retry: bool = False,
        metadata: Headers = NO_HEADERS,
        timeout: timedelta | None = None,
    ) -> Any:
        """Call ``method`` (see `Transport.call`) and return its answer.

        ``retry`` tries again after failures that may pass, as ``config.retry_config`` says; polls are tried until they are
        cancelled or ``timeout`` is over. Without ``timeout`` a try takes at most 30 seconds, of a poll 70. ``metadata`` adds
        headers to this call. Raises `RPCError`.
        """
        self._warner.look(method, request)
        kind = patience.kind_of(method, request)
        headers = self._headers_of(getattr(request, "namespace", ""), metadata)
        limit = timeout.total_seconds() if timeout is not None else None
        seconds = limit
        if seconds is None:
            seconds = patience.CALL_SECONDS if kind is Kind.CALL else patience.POLL_SECONDS
        if not retry:
            return await self._transport.call(method, request, timeout=seconds, headers=headers)
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            return await self._transport.call(method, request, timeout=seconds, headers=headers)
        except RPCError as error:
            failure = error
        if kind is Kind.WORKER_POLL:
            limit = None
        tries = Tries(self._retry, kind, started, limit)
        while True:
            wait = tries.wait_after(failure, loop.time())
            if wait is None:
                raise failure
            await asyncio.sleep(wait)
            left = seconds if limit is None else max(limit - (loop.time() - started), 0.001)
            # Credentials may have been changed meanwhile.
            headers = self._headers_of(getattr(request, "namespace", ""), metadata)
            try:
                return await self._transport.call(method, request, timeout=left, headers=headers)
            except RPCError as error:
                failure = error

    async def check_health(
        self,
        *,
        service: str = routes.WORKFLOW,
        retry: bool = False,
        metadata: Headers = NO_HEADERS,
        timeout: timedelta | None = None,
    ) -> bool:
        """Whether ``service`` says that it serves. Raises `RPCError`."""
        request = service_module(routes.HEALTH).HealthCheckRequest(service=service)
        method = f"{routes.HEALTH}/Check"
        answer = await self.call(method, request, retry=retry, metadata=metadata, timeout=timeout)
        return bool(answer.status == 1)

    # ---- headers --------------------------------------------------------------------------------------------------------

    def update_rpc_metadata(self, metadata: Headers) -> None:
        """Replace the headers of every call from the next one on. Raises ValueError for one that cannot be sent."""
        _check(metadata)
        self._rpc_metadata = dict(metadata)
        self._headers.clear()

    def update_api_key(self, api_key: str | None) -> None:
        """Use another key from the next call on."""
        self._api_key = api_key
        self._headers.clear()

    def _headers_of(self, namespace: str, metadata: Headers) -> dict[str, str | bytes]:
        ready = self._headers.get(namespace)
        if ready is None:
            if len(self._headers) >= _KNOWN_NAMESPACES:
                self._headers.clear()
            ready = self._headers[namespace] = self._ready_headers(namespace)
        if not metadata:
            return ready
        if type(metadata) is MappingProxyType:
            # Nobody changes these: they are checked and merged once.
            known = self._fixed.get(id(metadata))
            if known is None or known[0] is not metadata or known[1] is not ready:
                _check(metadata)
                known = self._fixed[id(metadata)] = (metadata, ready, {**ready, **metadata})
            return known[2]
        _check(metadata)
        return {**ready, **{name.lower(): value for name, value in metadata.items()}}

    def _ready_headers(self, namespace: str) -> dict[str, str | bytes]:
        headers: dict[str, str | bytes] = {
            "client-name": CLIENT_NAME,
            "client-version": __version__,
            # Without it a service says "continued as new" of any run that another one follows, whatever its end was.
            "supported-features": "follows-next-run-id",
        }
        if namespace:
            headers["temporal-namespace"] = namespace
        if self._api_key:
            headers["authorization"] = f"Bearer {self._api_key}"
        headers.update((name.lower(), value) for name, value in self._rpc_metadata.items())
        return headers

    async def close(self) -> None:
        """Let go of the connection; a second time does nothing."""
        await self._transport.close()


def _check(metadata: Headers) -> None:
    for name, value in metadata.items():
        binary = name.lower().endswith("-bin")
        if binary and not isinstance(value, bytes):
            raise ValueError(
                f"the header {name!r} ends in -bin, so its value must be bytes, not {type(value).__name__}"
            )
        if not binary and not isinstance(value, str):
            raise ValueError(
                f"the header {name!r} must have a text value, not {type(value).__name__}; only -bin is for bytes"
            )
