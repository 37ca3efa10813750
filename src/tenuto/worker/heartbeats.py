"""Heartbeats of one attempt: the first at once, then at most one per interval, always the newest details.

This file must never decide what a cancelled activity does; it only passes on what the service answers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from tenuto.activity import ActivityCancellationDetails
from tenuto.transport.errors import RPCError, RPCStatusCode

if TYPE_CHECKING:
    from tenuto.wire import common, workflowservice

    Payloads = Sequence[common.Payload]

logger = logging.getLogger("tenuto.worker")

NOT_FOUND = ActivityCancellationDetails(not_found=True)
TIMED_OUT = ActivityCancellationDetails(timed_out=True)
GRACE_SECONDS = 5.0
"""How much later than the service this side takes an activity for timed out."""


def interval_of(heartbeat_seconds: float, default_seconds: float, max_seconds: float) -> float:
    """Seconds between two heartbeats that are sent; ``heartbeat_seconds`` 0: the activity has no such timeout."""
    wanted = heartbeat_seconds * 0.8 if heartbeat_seconds > 0 else default_seconds
    return min(wanted, max_seconds)


class Heartbeats:
    """What an attempt tells the service while it runs. All methods but ``offer`` are for the loop's thread."""

    def __init__(
        self,
        *,
        send: Callable[[Payloads], Coroutine[Any, Any, workflowservice.RecordActivityTaskHeartbeatResponse]],
        cancel: Callable[[ActivityCancellationDetails], None],
        broken: Callable[[BaseException], None],
        interval: float,
        timeout: float,
        known: Payloads,
    ) -> None:
        """``send`` makes the call; ``cancel`` hears that the activity shall end; ``broken`` that details cannot be sent.
        ``known``: what the attempt before told. ``interval`` and ``timeout`` (0: none) are in seconds."""
        self._loop = asyncio.get_running_loop()
        self._send = send
        self._cancel = cancel
        self._broken = broken
        self._interval = interval
        self._timeout = timeout
        self._newest: Payloads = known
        self._pending = False
        self._waking = False
        self._automatic = False
        self._task: asyncio.Task[None] | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._beat_at = self._loop.time()
        self._closed = False
        if timeout > 0:
            self._watch = self._loop.call_later(timeout + GRACE_SECONDS, self._check_silence)

    def begin_automatic(self) -> None:
        """Repeat the newest details each interval, whether or not the activity heartbeats."""
        self._automatic = True
        if self._pause is None and self._task is None:
            self._pause = self._loop.call_later(self._interval, self._resume)

    def offer(self, details: Payloads, in_loop: bool) -> None:
        """Details to send now or later; from any thread."""
        self._newest = details
        if in_loop:
            self._offered()
        elif not self._waking:
            self._waking = True
            self._loop.call_soon_threadsafe(self._offered)

    def _offered(self) -> None:
        self._waking = False
        if self._closed:
            return
        self._pending = True
        if self._task is None and self._pause is None:
            self._start()

    def _start(self) -> None:
        self._pending = False
        self._task = self._loop.create_task(self._beat(self._newest))

    async def _beat(self, details: Payloads) -> None:
        try:
            answer = await self._send(details)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                self._cancel(NOT_FOUND)
            else:
                logger.warning("Heartbeat could not be sent; the next one will be: %s", error)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - the activity fails with it
            self._broken(error)
        else:
            self._beat_at = self._loop.time()
            if answer.cancel_requested or answer.activity_paused or answer.activity_reset:
                self._cancel(
                    ActivityCancellationDetails(
                        cancel_requested=answer.cancel_requested,
                        paused=answer.activity_paused,
                        reset=answer.activity_reset,
                    )
                )
        self._task = None
        if not self._closed:
            self._pause = self._loop.call_later(self._interval, self._resume)

    def _resume(self) -> None:
        self._pause = None
        if not self._closed and (self._pending or self._automatic):
            self._start()

    def _check_silence(self) -> None:
        """The service has given the activity up when it heard nothing for so long."""
        left = self._beat_at + self._timeout + GRACE_SECONDS - self._loop.time()
        if left > 0.001:  # less may be too little for a clock to move
            self._watch = self._loop.call_later(left, self._check_silence)
            return
        self._watch = None
        self._cancel(TIMED_OUT)

    def close(self) -> Payloads | None:
        """The attempt is over: send nothing more. Returns the details that were not sent, None if all were."""
        self._closed = True
        unsent = self._pending or self._waking or self._task is not None
        for handle in (self._pause, self._watch):
            if handle is not None:
                handle.cancel()
        if self._task is not None:
            self._task.cancel()
        return self._newest if unsent else None
