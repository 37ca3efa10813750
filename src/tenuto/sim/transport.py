"""The way of the framework's clients and workers to the simulated service: troubles in the words of a transport.

This file must never decide what gets lost; the `Network` does.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import Any, cast

from tenuto.sim.network import CallFailed
from tenuto.transport import routes
from tenuto.transport.base import NO_HEADERS, Headers
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.transport.local import refused
from tenuto.transport.retry import CALL_SECONDS, POLL_SECONDS, Kind, kind_of
from tenuto.wire import Message, errordetails
from tenuto.wire import workflowservice as ws

Ask = Callable[[str, str, Any, int, Mapping[str, str]], Awaitable[Any]]
"""(caller, method, request, timeout in ns, headers) -> the answer. Raises `CallFailed`."""
Heard = Callable[[str, str, Any, Any], None]
"""(caller, method, request, answer): somebody got an answer."""

_FAILED_STATE = "Workflow Task in failed state"
PATIENCE_SECONDS = (0.5, 5.0)
"""How long it takes until a broken connection is noticed."""
_GONE = frozenset({RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED})
_ONE_WAY = frozenset(
    {"SignalWorkflowExecution", "RequestCancelWorkflowExecution", "TerminateWorkflowExecution"}
)
"""What may have worked although its answer got lost, and whose second try then finds the workflow ended by it."""


def _run_id_of(error: RPCError) -> str:
    found = error.details(errordetails.WorkflowExecutionAlreadyStartedFailure)
    return found.run_id if found is not None else ""


class SimTransport:
    """One caller's way. ``patient``: calls that get lost are made again for as long as it takes, as a user would."""

    def __init__(self, name: str, ask: Ask, chance: Random, heard: Heard, *, patient: bool = False) -> None:
        self._name = name
        self._ask = ask
        self._chance = chance
        self._heard = heard
        self._patient = patient

    async def open(self) -> None:
        """There is nothing to open."""

    async def close(self) -> None:
        """There is nothing to close."""

    async def call(
        self, method: str, request: Message, *, timeout: float | None = None, headers: Headers = NO_HEADERS
    ) -> Message:
        """See `Transport.call`."""
        try:
            route = routes.route(method)
        except LookupError as error:
            raise RPCError(str(error), RPCStatusCode.UNIMPLEMENTED, b"") from None
        if not route.bare:
            raise RPCError(f"unknown method {route.path}", RPCStatusCode.UNIMPLEMENTED, b"")
        texts = {name: value for name, value in headers.items() if isinstance(value, str)}
        if kind_of(method, request) is not Kind.CALL:
            answer: Message = await self._long(route.method, request, timeout or POLL_SECONDS, texts)
            return answer
        if not self._patient or timeout != CALL_SECONDS:
            return await self._soon(route.method, request, timeout or CALL_SECONDS, texts)  # type: ignore[no-any-return]
        tries = 0
        while True:
            tries += 1
            try:
                return await self._soon(route.method, request, CALL_SECONDS, texts)  # type: ignore[no-any-return]
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND and tries > 1 and method in _ONE_WAY:
                    return route.parse(b"")
                run_id = _run_id_of(error)
                if run_id and tries > 1 and method == "StartWorkflowExecution":
                    # The first try got through, and the workflow has begun its next run since.
                    return ws.StartWorkflowExecutionResponse(run_id=run_id, started=True)
                passing = error.status in _GONE or error.status is RPCStatusCode.RESOURCE_EXHAUSTED
                if not passing and _FAILED_STATE not in error.message:
                    raise
            await asyncio.sleep(self._chance.uniform(0.05, 1.0))

    async def _long(self, method: str, request: Any, timeout: float, headers: Mapping[str, str]) -> Any:
        while True:
            try:
                return await self._once(method, request, timeout, headers)
            except RPCError as error:
                # No worker gets on with the workflow just now.
                if not self._patient or _FAILED_STATE not in error.message:
                    raise
            await asyncio.sleep(1.0)

    async def _soon(self, method: str, request: Any, timeout: float, headers: Mapping[str, str]) -> Any:
        """One try. When nothing comes back, the connection is mostly found broken long before the time is over."""
        patience = self._chance.uniform(*PATIENCE_SECONDS)
        if patience >= timeout or self._chance.random() < 0.2:
            return await self._once(method, request, timeout, headers)
        try:
            return await self._once(method, request, patience, headers)
        except RPCError as error:
            if error.status is RPCStatusCode.DEADLINE_EXCEEDED:
                raise RPCError("connection reset", RPCStatusCode.UNAVAILABLE, b"") from None
            raise

    async def _once(self, method: str, request: Any, timeout: float, headers: Mapping[str, str]) -> Any:
        try:
            answer = await self._ask(self._name, method, request, int(timeout * 1e9), headers)
        except CallFailed as failed:
            raise refused(cast("Any", failed)) from None
        self._heard(self._name, method, request, answer)
        return answer
