"""Calls a service over the network with grpc.aio. The only module of the framework that knows grpc.

A channel belongs to the event loop that first uses it; every loop gets its own. A process forked from one that has called
cannot call (grpc cannot be started twice), and is told so instead of hanging. Must never retry, nor look into a message.
"""

import asyncio
import base64
import os
import weakref
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio

from tenuto.transport import grpc_gevent, routes
from tenuto.transport.base import NO_HEADERS, Headers
from tenuto.transport.config import ConnectConfig, GrpcCompression, TLSConfig
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.wire import DecodeError, Message

PORT = 7233
RECEIVE_BYTES = 128 * 1024 * 1024
"""The largest answer that is accepted."""
COMPRESS_BYTES = 1024
"""Smaller requests are sent as they are: what compressing them saves, headers eat up."""
_DETAILS = "grpc-status-details-bin"
_LOCAL = ("localhost", "127.", "[::1]", "unix:")
_Call = Callable[..., Any]
_left_by_parent: list[Any] = []
"""Channels a forked process has inherited: they must be neither used nor closed there."""
_first_caller: list[int] = []
"""The process that has started grpc, if one has."""


class _Lines:
    """One event loop's channel and its calls by method."""

    __slots__ = ("__weakref__", "calls", "channel")

    def __init__(self, channel: Any) -> None:
        self.channel = channel
        self.calls: dict[str, tuple[_Call, Callable[[bytes], Message]]] = {}


class GrpcTransport:
    """A way to ``config.target_host``. Connects with the first call, and again by itself when a connection breaks."""

    def __init__(self, config: ConnectConfig) -> None:
        self._target, secure = _address(config.target_host)
        self._tls = _wanted_tls(config, secure)
        self._options = _options(config, self._target, self._tls)
        self._compress = config.grpc_compression is GrpcCompression.GZIP and not self._target.startswith(
            _LOCAL
        )
        self._lines: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Lines] = (
            weakref.WeakKeyDictionary()
        )
        self._process = os.getpid()
        self._closed = False

    async def open(self) -> None:
        """Nothing to do: the first call connects, and says so when it cannot."""

    async def call(
        self, method: str, request: Message, *, timeout: float | None = None, headers: Headers = NO_HEADERS
    ) -> Message:
        """See `Transport.call`."""
        start, parse = self._call_of(method)
        raw = request.SerializeToString()
        compression = grpc.Compression.Gzip if self._compress and len(raw) >= COMPRESS_BYTES else None
        call = start(raw, timeout=timeout, metadata=tuple(headers.items()), compression=compression)
        try:
            answer: bytes = await call
        except grpc.aio.AioRpcError as error:
            if compression is not None and _dislikes_compression(error):
                self._compress = False
                return await self.call(method, request, timeout=timeout, headers=headers)
            raise _failure(error, self._target) from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # Not ours: the peer, or a channel that was closed meanwhile, has ended the call.
            raise RPCError(call.details() or "the call was cancelled", RPCStatusCode.CANCELLED, b"") from None
        try:
            return parse(answer)
        except DecodeError as error:
            raise RPCError(f"the answer to {method} cannot be read", RPCStatusCode.INTERNAL, b"") from error

    def _call_of(self, method: str) -> tuple[_Call, Callable[[bytes], Message]]:
        loop = asyncio.get_running_loop()
        lines = self._lines.get(loop)
        if lines is None or self._process != os.getpid():
            lines = self._connect(loop)
        found = lines.calls.get(method)
        if found is None:
            try:
                route = routes.route(method)
            except LookupError as error:
                raise RPCError(str(error), RPCStatusCode.UNIMPLEMENTED, b"") from None
            found = lines.calls[method] = (lines.channel.unary_unary(route.path), route.parse)
        return found

    def _connect(self, loop: asyncio.AbstractEventLoop) -> _Lines:
        if self._closed:
            raise RPCError("the client is closed", RPCStatusCode.CANCELLED, b"")
        here = os.getpid()
        if self._process != here:
            self._process = here
            _left_by_parent.append(self._lines)
            self._lines = weakref.WeakKeyDictionary()
        if _first_caller and _first_caller[0] != here:
            raise RuntimeError(
                "gRPC cannot be used in a process that was forked from one that uses it:"
                ' start processes with multiprocessing.get_context("spawn")'
            )
        _first_caller[:] = [here]
        grpc_gevent.prepare()
        if self._tls is None:
            channel = grpc.aio.insecure_channel(self._target, options=self._options)
        else:
            credentials = grpc.ssl_channel_credentials(
                self._tls.server_root_ca_cert, self._tls.client_private_key, self._tls.client_cert
            )
            channel = grpc.aio.secure_channel(self._target, credentials, options=self._options)
        lines = self._lines[loop] = _Lines(channel)
        return lines

    async def close(self) -> None:
        """Close this loop's connection at once, those of other loops soon; calls in flight are cancelled."""
        self._closed = True
        running = asyncio.get_running_loop()
        lines = dict(self._lines)
        self._lines.clear()
        for loop, line in lines.items():
            if loop is running:
                await line.channel.close()
            elif loop.is_running():
                asyncio.run_coroutine_threadsafe(line.channel.close(), loop)


def _address(target: str) -> tuple[str, bool | None]:
    """Where to dial, and whether the target itself says with or without TLS."""
    secure: bool | None = None
    scheme, mark, rest = target.partition("://")
    if mark:
        secure = scheme == "https"
        target = rest.rstrip("/")
    if not target or any(character.isspace() for character in target):
        raise ValueError(f"the target {target!r} is no address; write host:port")
    if target.startswith("unix:"):
        return target, secure
    host, colon, port = target.rpartition(":")
    if (
        not colon
        or (target.startswith("[") and target.endswith("]"))
        or (":" in host and not host.endswith("]"))
    ):
        bare_v6 = target.count(":") > 1 and not target.startswith("[")
        return (f"[{target}]:{PORT}" if bare_v6 else f"{target}:{PORT}"), secure
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(
            f"the target {target!r} is no address; write host:port, with a port between 1 and 65535"
        )
    return target, secure


def _wanted_tls(config: ConnectConfig, secure: bool | None) -> TLSConfig | None:
    if isinstance(config.tls, TLSConfig):
        tls = config.tls
        if (tls.client_cert is None) != (tls.client_private_key is None):
            raise ValueError("client_cert and client_private_key go together: give both or neither")
        if tls.verification_server_name and tls.server_root_ca_cert is None:
            raise ValueError("verification_server_name needs a server root CA cert: give server_root_ca_cert")
        return tls
    wanted = config.tls if config.tls is not None else secure
    if wanted is None:
        wanted = config.api_key is not None
    return TLSConfig() if wanted else None


def _options(config: ConnectConfig, target: str, tls: TLSConfig | None) -> list[tuple[str, Any]]:
    options: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", RECEIVE_BYTES),
        ("grpc.max_send_message_length", -1),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 1000),
        ("grpc.max_reconnect_backoff_ms", 5000),
        # Two clients are two connections, so that one's large answers do not hold up the other's calls.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.primary_user_agent", "tenuto"),
        ("grpc.enable_retries", 0),
    ]
    if config.keep_alive_config is not None:
        options += [
            ("grpc.keepalive_time_ms", config.keep_alive_config.interval_millis),
            ("grpc.keepalive_timeout_ms", config.keep_alive_config.timeout_millis),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_pings_without_data", 0),
        ]
    proxy = config.http_connect_proxy_config
    if proxy is None:
        options.append(("grpc.enable_http_proxy", 0))
    else:
        user = "{}:{}@".format(*proxy.basic_auth) if proxy.basic_auth else ""
        options.append(("grpc.http_proxy", f"http://{user}{proxy.target_host}"))
    balancing = config.dns_load_balancing_config
    if balancing is not None and proxy is None and not target.startswith(_LOCAL):
        options += [
            ("grpc.lb_policy_name", "round_robin"),
            ("grpc.dns_min_time_between_resolutions_ms", balancing.resolution_interval_millis),
        ]
    if tls is not None:
        if tls.domain:
            options.append(("grpc.default_authority", tls.domain))
        name = tls.verification_server_name or tls.domain
        if name:
            options.append(("grpc.ssl_target_name_override", name))
    return options


def _dislikes_compression(error: Any) -> bool:
    if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
        return False
    text = (error.details() or "").lower()
    return "compress" in text or "grpc-encoding" in text


def _failure(error: Any, target: str) -> RPCError:
    status = RPCStatusCode(error.code().value[0])
    raw = b""
    for name, value in error.trailing_metadata() or ():
        if name == _DETAILS:
            raw = value if isinstance(value, bytes) else base64.b64decode(value + "=" * (-len(value) % 4))
            break
    message = error.details() or ""
    if status is RPCStatusCode.UNAVAILABLE and not raw and target not in message:
        message = f"{target}: {message}"
    return RPCError(message, status, raw)
