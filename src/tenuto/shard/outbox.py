"""Delivers what chains owe other chains, at least once, until the receiver has answered.

Deliveries are re-derived from state whenever a chain is loaded, so nothing here needs to be durable.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tenuto.matching.types import Clock
from tenuto.shard.waiters import pause
from tenuto.engine import outgoing
from tenuto.engine.chain import Outgoing
from tenuto.engine.types import Delivered, Namespace, Reason, Rejected
from tenuto.limits import SECOND
from tenuto.store.spi import ChainKey

Submit = Callable[[ChainKey, Any], Awaitable[Any]]

FIRST_RETRY_NS = SECOND // 20
LAST_RETRY_NS = 10 * SECOND
TRANSIENT = frozenset({Reason.UNAVAILABLE, Reason.BUSY, Reason.CONCURRENT, Reason.STALE})


class Outbox:
    """Deliveries in flight."""

    def __init__(self, clock: Clock, submit: Submit, namespaces: Callable[[str], Namespace | None]) -> None:
        self._clock = clock
        self._submit = submit
        self._namespaces = namespaces
        self._flying: dict[tuple[ChainKey, int], asyncio.Task[None]] = {}

    def send(self, source: ChainKey, message: Outgoing) -> None:
        """Start delivering, unless it is under way."""
        name = (source, message.out_id)
        if name in self._flying:
            return
        task = asyncio.get_running_loop().create_task(self._deliver(source, message))
        self._flying[name] = task
        task.add_done_callback(lambda done: self._landed(name, done))

    def _landed(self, name: tuple[ChainKey, int], task: "asyncio.Task[None]") -> None:
        if self._flying.get(name) is task:
            del self._flying[name]
        if not task.cancelled() and task.exception() is not None:
            asyncio.get_running_loop().call_exception_handler(
                {"message": f"delivery {name} failed", "exception": task.exception()}
            )

    async def _deliver(self, source: ChainKey, message: Outgoing) -> None:
        namespace = self._namespaces(source.namespace_id)
        if namespace is None:
            return
        wait_ns = FIRST_RETRY_NS
        while True:
            reply, refusal = await self._ask(source, message, namespace)
            if refusal is None or refusal.reason not in TRANSIENT:
                try:
                    await self._submit(source, Delivered(message.out_id, reply, refusal))
                    return
                except Rejected as rejected:
                    if rejected.reason not in TRANSIENT:
                        return
            await pause(self._clock, wait_ns)
            wait_ns = min(wait_ns * 2, LAST_RETRY_NS)

    async def _ask(
        self, source: ChainKey, message: Outgoing, namespace: Namespace
    ) -> tuple[Any, Rejected | None]:
        target, request = outgoing.to_request(message, source, namespace)
        try:
            return await self._submit(ChainKey(*target), request), None
        except Rejected as rejected:
            return None, rejected

    def clear(self) -> None:
        """Forget all: the shard has lost its memory and will derive them again."""
        for task in list(self._flying.values()):
            task.cancel()
        self._flying.clear()
