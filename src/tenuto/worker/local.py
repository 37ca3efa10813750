"""Local activities at work for one run: attempts, retries, timeouts, cancellation.

The activity itself is run by somebody else (`LocalRunner`), one attempt at a time. What became of each is kept until the
run is told. This file must never touch the run or the server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tenuto.activity.flag import Flag
from tenuto.run.types import LocalActivityResult, LocalActivityStart
from tenuto.wire import enums_workflow, failure

if TYPE_CHECKING:
    from tenuto.wire import common

SECOND = 1_000_000_000
_MAXIMUM_OF_INITIAL = 100


@dataclass(slots=True, kw_only=True)  # frozen takes twice as long to make, and there is one for every step
class LocalAttempt:
    """One attempt of a local activity, not to be changed. Instants and durations in ns; 0: no timeout."""

    start: LocalActivityStart
    attempt: int
    namespace: str
    task_queue: str
    workflow_id: str
    run_id: str
    workflow_type: str
    original_schedule_at: int
    scheduled_at: int
    """Of this attempt."""
    start_to_close_ns: int
    """What is left of all timeouts that end an attempt."""
    cancelled: Flag
    """Set when the workflow wants it to end."""
    on_started: Callable[[], None]
    """To be called when the attempt really begins, after it got its slot."""
    expired: Callable[[], bool]
    """Whether its time is up: its task is cancelled then."""


@dataclass(slots=True, kw_only=True)
class LocalOutcome:
    """How an attempt ended: with a ``result`` (None for a void one), or ``failure``. Payloads are not encoded."""

    result: common.Payload | None = None
    failure: failure.Failure | None = None


class LocalRunner(Protocol):
    """Runs activities: `Activities.run_local`."""

    @property
    def local_names(self) -> frozenset[str] | None:
        """The types there are; None: any."""
        ...

    async def run_local(self, attempt: LocalAttempt) -> LocalOutcome:
        """Run one attempt to its end. Raises nothing but CancelledError; then the activity is told to end as timed out."""
        ...


class Locals:
    """The local activities of one run, to be made on the loop they live on. ``clock`` gives ns since the epoch."""

    def __init__(
        self,
        runner: LocalRunner,
        clock: Callable[[], int],
        *,
        namespace: str,
        task_queue: str,
        workflow_id: str,
        run_id: str,
        workflow_type: str,
    ) -> None:
        self._runner = runner
        self._clock = clock
        self.loop = asyncio.get_running_loop()
        self._place = (namespace, task_queue, workflow_id, run_id, workflow_type)
        self._series: dict[int, _Series] = {}
        self._done: list[LocalActivityResult] = []
        self._news: asyncio.Future[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        """Ends the wait for news, whichever it is."""
        self._until = 0.0
        self._deadline: asyncio.TimerHandle | None = None
        """Rings when the first attempt may be out of time: one for all, as hardly any ever is."""
        self.retries = 0
        """Attempts that were not the first of theirs, since somebody last set it to 0."""

    @property
    def pending(self) -> bool:
        """Whether any is at work, or its end untold."""
        return bool(self._series or self._done)

    def start(self, start: LocalActivityStart) -> None:
        """Run it."""
        self._series[start.seq] = _Series(self, start)

    def cancel(self, seq: int) -> None:
        """Ask it to end; harmless when it has."""
        series = self._series.get(seq)
        if series is not None:
            series.cancel()

    def close(self) -> None:
        """Stop all; nothing is told any more."""
        for series in self._series.values():
            series.task.cancel()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._series.clear()
        self._done.clear()

    async def ended(self, until: float) -> list[LocalActivityResult]:
        """What has ended since asked last, in order; waits for the first until the loop's time is ``until``."""
        loop = self.loop
        if not self._done and loop.time() < until:
            self._news = loop.create_future()
            # Waits follow upon each other closely, and end together: when their workflow task must be answered.
            if self._alarm is None or self._until != until:
                if self._alarm is not None:
                    self._alarm.cancel()
                self._until, self._alarm = until, loop.call_at(until, self._wake)
            try:
                await self._news
            finally:
                self._news = None
        done, self._done = self._done, []
        return done

    def arm(self, delay: float) -> float:
        """See to it that attempts are looked at ``delay`` seconds from now; returns that instant."""
        loop = self.loop
        due = loop.time() + delay
        if self._deadline is None or due < self._deadline.when():
            if self._deadline is not None:
                self._deadline.cancel()
            self._deadline = loop.call_at(due, self._look)
        return due

    def _look(self) -> None:
        """Strike what is out of time."""
        assert self._deadline is not None
        now, self._deadline = self._deadline.when(), None
        for series in tuple(self._series.values()):
            if 0.0 < series.due <= now:
                series.strike()
        waiting = [series.due for series in self._series.values() if series.due]
        if waiting:
            self._deadline = self.loop.call_at(min(waiting), self._look)

    def _wake(self) -> None:
        self._alarm = None
        if self._news is not None:
            _settle(self._news)

    def _ended(self, result: LocalActivityResult) -> None:
        if self._series.pop(result.seq, None) is not None:
            self._done.append(result)
            if self._news is not None:
                _settle(self._news)


def _settle(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


class _Series:
    """The attempts of one local activity."""

    __slots__ = ("_kind", "_struck", "cancelled", "due", "original_at", "owner", "start", "task")

    def __init__(self, owner: Locals, start: LocalActivityStart) -> None:
        self.owner = owner
        self.start = start
        self.cancelled = Flag()
        self.original_at = start.original_schedule_at or owner._clock()
        self.due = 0.0
        """When the attempt that is at work is out of time, on the loop's clock; 0: never, or none is."""
        self._kind = 0
        """The `TimeoutType` that this would be."""
        self._struck = False
        self.task = owner.loop.create_task(self._run())

    def cancel(self) -> None:
        self.cancelled.set()

    async def _run(self) -> None:
        start, owner = self.start, self.owner
        attempt = start.attempt
        while True:
            if attempt > 1:
                owner.retries += 1
            outcome = await self._attempt(attempt)
            delay = None if outcome.failure is None else self._delay(attempt, outcome.failure)
            if delay is None:
                return self._end(attempt, outcome)
            if delay > start.local_retry_threshold_ns:
                return self._end(attempt, outcome, delay)
            if await self._cancelled_within(delay):
                return self._end(attempt, LocalOutcome(failure=_cancelled()))
            attempt += 1

    def _end(self, attempt: int, outcome: LocalOutcome, backoff_ns: int | None = None) -> None:
        failed = outcome.failure
        self.owner._ended(
            LocalActivityResult(
                seq=self.start.seq,
                attempt=attempt,
                complete_at=self.owner._clock(),
                original_schedule_at=self.original_at,
                result=outcome.result,
                failure=failed,
                cancelled=failed is not None and failed.HasField("canceled_failure_info"),
                backoff_ns=backoff_ns,
            )
        )

    # ---- one attempt ------------------------------------------------------------------------------------------------

    async def _attempt(self, attempt: int) -> LocalOutcome:
        start, owner = self.start, self.owner
        now = owner._clock() if attempt > 1 or start.schedule_to_close_ns else self.original_at
        left = self._left(now)
        if left is not None and left <= 0:
            return LocalOutcome(failure=_timed_out(enums_workflow.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE))
        namespace, task_queue, workflow_id, run_id, workflow_type = owner._place
        self._struck = False
        wait = start.schedule_to_start_ns
        if left is not None and (not wait or left < wait):
            self._arm(left, enums_workflow.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE)
        elif wait:
            self._arm(wait, enums_workflow.TIMEOUT_TYPE_SCHEDULE_TO_START)
        own = start.start_to_close_ns
        bound = own if not left else min(left, own) if own else left
        asked = LocalAttempt(
            start=start,
            attempt=attempt,
            namespace=namespace,
            task_queue=task_queue,
            workflow_id=workflow_id,
            run_id=run_id,
            workflow_type=workflow_type,
            original_schedule_at=self.original_at,
            scheduled_at=now,
            start_to_close_ns=bound,
            cancelled=self.cancelled,
            on_started=self._started,
            expired=self._expired,
        )
        try:
            return await owner._runner.run_local(asked)
        except asyncio.CancelledError:
            if not self._expired():
                raise
            self.task.uncancel()
            return LocalOutcome(failure=_timed_out(self._kind))
        finally:
            self.due = 0.0

    def _started(self) -> None:
        """The attempt has got its slot."""
        start = self.start
        own = start.start_to_close_ns
        still = self._left(self.owner._clock()) if start.schedule_to_close_ns else None
        if still is not None and (not own or still < own):
            self._arm(still, enums_workflow.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE)
        elif own:
            self._arm(own, enums_workflow.TIMEOUT_TYPE_START_TO_CLOSE)
        else:
            self.due = 0.0

    def _expired(self) -> bool:
        return self._struck

    def _arm(self, delay_ns: int, kind: int) -> None:
        self._kind = kind
        self.due = self.owner.arm(delay_ns / SECOND)

    def strike(self) -> None:
        """The attempt's time is up: cancel it."""
        self.due = 0.0
        self._struck = True
        self.task.cancel()

    def _left(self, now: int) -> int | None:
        """What is left of the time for all attempts; None: no limit."""
        limit = self.start.schedule_to_close_ns
        return self.original_at + limit - now if limit else None

    async def _cancelled_within(self, delay_ns: int) -> bool:
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            loop.call_soon_threadsafe(_settle, over)

        if not self.cancelled.on_set(wake):
            return True
        alarm = loop.call_later(delay_ns / SECOND, _settle, over)
        try:
            await over
        finally:
            alarm.cancel()
            self.cancelled.forget(wake)
        return self.cancelled.is_set()

    # ---- trying again -----------------------------------------------------------------------------------------------

    def _delay(self, attempt: int, failed: failure.Failure) -> int | None:
        """ns until the next attempt; None: there is none."""
        policy = self.start.retry_policy
        if self.cancelled.is_set() or (policy.maximum_attempts and attempt >= policy.maximum_attempts):
            return None
        kind = failed.WhichOneof("failure_info")
        delay = _backoff(policy, attempt)
        if kind == "timeout_failure_info":
            if failed.timeout_failure_info.timeout_type != enums_workflow.TIMEOUT_TYPE_START_TO_CLOSE:
                return None
        elif kind == "application_failure_info":
            told = failed.application_failure_info
            never = {name.lower() for name in policy.non_retryable_error_types}
            if told.non_retryable or told.type.lower() in never:
                return None
            if told.HasField("next_retry_delay"):
                delay = told.next_retry_delay.ToNanoseconds()
        elif kind == "canceled_failure_info":
            return None
        left = self._left(self.owner._clock())
        return None if left is not None and delay >= left else delay


def _backoff(policy: common.RetryPolicy, attempt: int) -> int:
    """ns to wait after ``attempt``, as the policy says, with the usual defaults."""
    initial = policy.initial_interval.ToNanoseconds() if policy.HasField("initial_interval") else SECOND
    coefficient = policy.backoff_coefficient or 2.0
    most = policy.maximum_interval.ToNanoseconds() if policy.HasField("maximum_interval") else 0
    most = most or initial * _MAXIMUM_OF_INITIAL
    try:
        return min(int(initial * coefficient ** (attempt - 1)), most)
    except OverflowError:
        return most


def _timed_out(kind: int) -> failure.Failure:
    made = failure.Failure(message="Activity timed out")
    made.timeout_failure_info.timeout_type = kind  # type: ignore[assignment]
    return made


def _cancelled() -> failure.Failure:
    made = failure.Failure(message="Cancelled")
    made.canceled_failure_info.SetInParent()
    return made
