"""The far side of an activity in another process: its context there, and the call itself.

This file must never know how messages travel between the processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenuto.activity import Activity, ActivityCancellationDetails, Context, Info
from tenuto.activity.context import Signal, current
from tenuto.common import MetricMeter
from tenuto.worker.executors import ThreadCall

if TYPE_CHECKING:
    from tenuto.converter import PayloadConverter
    from tenuto.worker.attempt import Attempt


@dataclass(frozen=True, slots=True)
class Work:
    """A call for another process."""

    target: Any
    """A function or `Activity` that can be found by name there."""
    args: Sequence[Any]
    info: Info
    converter: type[PayloadConverter] | None
    interruptible: bool

    @staticmethod
    def of(attempt: Attempt, fn: Callable[..., Any], args: Sequence[Any]) -> Work:
        """The call of ``fn`` in ``attempt``, with what its context there needs."""
        definition = attempt.definition
        assert definition is not None
        own = fn is definition.fn and definition.target is not None
        return Work(
            definition.target if own else fn,
            args,
            attempt.info(),
            type(attempt.converter.payload_converter),
            not definition.no_thread_cancel_exception,
        )

    def call(self, context: ProcessContext, begun: Callable[[ThreadCall], None] | None = None) -> Any:
        """Make it, with ``context`` in place. ``begun`` is told whom to interrupt."""
        fn = self.target.definition.fn if isinstance(self.target, Activity) else self.target
        call = ThreadCall(fn, self.args)
        token = current.set(context)
        try:
            if begun is not None:
                context.call = call
                begun(call)
            return call()
        finally:
            current.reset(token)


class ProcessContext(Context):
    """What an activity in another process sees. It has no client, and measures nothing."""

    def __init__(
        self,
        work: Work,
        *,
        cancelled: Signal,
        shutdown: Signal,
        heartbeat: Callable[[Sequence[Any]], None],
        details: Callable[[], ActivityCancellationDetails | None],
    ) -> None:
        self._work = work
        self._cancelled = cancelled
        self._shutdown = shutdown
        self._heartbeat = heartbeat
        self._details = details
        self.call: ThreadCall | None = None

    @property
    def cancelled(self) -> Signal:
        return self._cancelled

    @property
    def shutdown(self) -> Signal:
        return self._shutdown

    def info(self) -> Info:
        return self._work.info

    def heartbeat(self, *details: Any) -> None:
        self._heartbeat(details)

    def cancellation_details(self) -> ActivityCancellationDetails | None:
        return self._details()

    def payload_converter(self) -> PayloadConverter:
        from tenuto.converter import DataConverter

        made = self._work.converter
        return made() if made is not None else DataConverter.default.payload_converter

    def metric_meter(self) -> MetricMeter:
        return MetricMeter.noop

    def client(self) -> Any:
        return None

    def shield(self) -> AbstractContextManager[None]:
        return self.call.shield() if self.call is not None else nullcontext()


class EventSignal:
    """An event that several processes share, as a `Signal`."""

    def __init__(self, event: Any) -> None:
        self._event = event

    def is_set(self) -> bool:
        return bool(self._event.is_set())

    async def wait(self) -> None:
        await asyncio.to_thread(self._event.wait)

    def wait_sync(self, timeout: float | None = None) -> bool:
        return bool(self._event.wait(timeout))
