"""Delivers what chains owe other chains, at least once, until the receiver has answered.

Deliveries are re-derived from state whenever a chain is loaded, so nothing here needs to be durable.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tenuto.engine import outgoing
from tenuto.engine.chain import Out, Outgoing
from tenuto.engine.nexus_types import NexusAnswer, is_for_handler
from tenuto.engine.types import Delivered, Namespace, Reason, Rejected
from tenuto.limits import SECOND
from tenuto.matching.types import Clock
from tenuto.shard.waiters import pause
from tenuto.store.spi import ChainKey

Submit = Callable[[ChainKey, Any], Awaitable[Any]]
Courier = Callable[[ChainKey, Outgoing], Awaitable[NexusAnswer]]
"""One attempt to tell a Nexus handler what a chain owes it. Raises `Rejected` (UNAVAILABLE) when it was none."""

FIRST_RETRY_NS = SECOND // 20
LAST_RETRY_NS = 10 * SECOND
TRANSIENT = frozenset({Reason.UNAVAILABLE, Reason.BUSY, Reason.CONCURRENT, Reason.STALE})


class _Delivery:
    """One message under way. Its chain may replace what it says while it flies."""

    __slots__ = ("message", "task")

    def __init__(self, message: Outgoing) -> None:
        self.message = message
        self.task: asyncio.Task[None] | None = None


class Outbox:
    """Deliveries in flight."""

    def __init__(self, clock: Clock, submit: Submit, namespaces: Callable[[str], Namespace | None]) -> None:
        self._clock = clock
        self._submit = submit
        self._namespaces = namespaces
        self.courier: Courier | None = None
        self._flying: dict[tuple[ChainKey, int], _Delivery] = {}

    def send(self, source: ChainKey, message: Outgoing) -> None:
        """Start delivering; a message that is under way already is replaced, and delivered again as it reads now."""
        name = (source, message.out_id)
        known = self._flying.get(name)
        if known is not None:
            known.message = message
            return
        delivery = _Delivery(message)
        self._flying[name] = delivery
        delivery.task = asyncio.get_running_loop().create_task(self._deliver(source, delivery))
        delivery.task.add_done_callback(lambda done: self._landed(name, delivery, done))

    def _landed(self, name: tuple[ChainKey, int], delivery: _Delivery, task: "asyncio.Task[None]") -> None:
        if self._flying.get(name) is delivery:
            del self._flying[name]
        if not task.cancelled() and task.exception() is not None:
            asyncio.get_running_loop().call_exception_handler(
                {"message": f"delivery {name} failed", "exception": task.exception()}
            )

    async def _deliver(self, source: ChainKey, delivery: _Delivery) -> None:
        namespace = self._namespaces(source.namespace_id)
        if namespace is None:
            return
        wait_ns = FIRST_RETRY_NS
        while True:
            sent = delivery.message
            reply, refusal = await self._ask(source, sent, namespace)
            if refusal is None or refusal.reason not in TRANSIENT:
                try:
                    # What became of a callback is shown with its run, which may not be the current one any more.
                    run_id = sent.run_id if sent.kind == Out.CALLBACK else ""
                    settled = await self._submit(source, Delivered(sent.out_id, reply, refusal, run_id))
                except Rejected as rejected:
                    settled = rejected.reason not in TRANSIENT
                if settled:
                    return
                if delivery.message is not sent:
                    continue
            await pause(self._clock, wait_ns)
            wait_ns = min(wait_ns * 2, LAST_RETRY_NS)

    async def _ask(
        self, source: ChainKey, message: Outgoing, namespace: Namespace
    ) -> tuple[Any, Rejected | None]:
        try:
            if is_for_handler(message):
                if self.courier is None:
                    raise Rejected(Reason.UNAVAILABLE, "nobody carries messages to Nexus handlers yet")
                return await self.courier(source, message), None
            target, request = outgoing.to_request(message, source, namespace)
            return await self._submit(ChainKey(*target), request), None
        except Rejected as rejected:
            return None, rejected

    def clear(self) -> None:
        """Forget all: the shard has lost its memory and will derive them again."""
        for delivery in list(self._flying.values()):
            if delivery.task is not None:
                delivery.task.cancel()
        self._flying.clear()
