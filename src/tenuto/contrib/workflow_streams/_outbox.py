"""What a publisher has not sent yet: batches, in order, each with a number by which the workflow notices repetitions.

A batch whose fate is unknown is sent again, unchanged, before anything new. This file must never skip one silently.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from tenuto import ambient
from tenuto.client import RPCError
from tenuto.contrib.workflow_streams._wire import PublishEntry, PublishInput, packed
from tenuto.converter import PayloadConverter
from tenuto.transport.errors import RPCStatusCode

WORTH_A_REPEAT = frozenset(
    {
        RPCStatusCode.ABORTED,
        RPCStatusCode.CANCELLED,
        RPCStatusCode.DATA_LOSS,
        RPCStatusCode.INTERNAL,
        RPCStatusCode.OUT_OF_RANGE,
        RPCStatusCode.RESOURCE_EXHAUSTED,
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.UNKNOWN,
    }
)
TOO_LARGE = "larger than max"
"""In messages about a message that is too large, which no repetition makes smaller."""


class Outbox:
    """Values of one publisher. Durations in seconds."""

    def __init__(
        self,
        send: Callable[[PublishInput], Awaitable[None]],
        converter: Callable[[], PayloadConverter],
        interval: float,
        most: int | None,
        patience: float,
    ) -> None:
        self._send = send
        self._converter = converter
        self._interval = interval
        self._most = most
        self._patience = patience
        self._values: list[tuple[str, Any]] = []
        self._batch: PublishInput | None = None
        """On its way, perhaps there already."""
        self._batch_until_ns = 0
        self._sequence = 0
        self._publisher = ambient.new_id().replace("-", "")[:16]
        self._now = ambient.clock()
        self._hurry = asyncio.Event()
        self._turn = asyncio.Lock()

    def put(self, topic: str, value: Any, hurry: bool) -> None:
        """Take a value. ``hurry``: `run` shall not wait for its interval."""
        self._values.append((topic, value))
        if hurry or (self._most is not None and len(self._values) >= self._most):
            self._hurry.set()

    async def run(self) -> None:
        """Send what there is, every interval, until cancelled. Raises what `flush` raises, unless it may pass."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._hurry.wait()
            self._hurry.clear()
            try:
                await self._send_one()
            except RPCError as error:
                if error.status not in WORTH_A_REPEAT or TOO_LARGE in error.message:
                    raise

    async def flush(self) -> None:
        """Send everything that was taken so far. Raises RPCError, and TimeoutError when a batch was tried for too long:
        that one is given up."""
        while self._batch is not None or self._values:
            await self._send_one()

    async def _send_one(self) -> None:
        async with self._turn:
            batch = self._batch
            if batch is None:
                batch = self._next()
                if batch is None:
                    return
            elif self._now() > self._batch_until_ns:
                # Its number is spent: it may have arrived, and then the next one with it would be taken for it.
                self._batch = None
                raise TimeoutError(
                    f"Flush retry exceeded max_retry_duration ({self._patience:g} s). Pending batch dropped: "
                    f"its {len(batch.items)} items are in the stream if one of the attempts arrived"
                )
            await self._send(batch)
            self._batch = None

    def _next(self) -> PublishInput | None:
        if not self._values:
            return None
        converter = self._converter()
        # A value that cannot be converted raises here, and all stay where they are.
        entries = [PublishEntry(topic, packed(converter, value)) for topic, value in self._values]
        self._values.clear()
        self._sequence += 1
        self._batch = PublishInput(entries, self._publisher, self._sequence)
        self._batch_until_ns = self._now() + round(self._patience * 1e9)
        return self._batch
