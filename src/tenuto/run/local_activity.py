"""Local activities: run by the worker inside the workflow task, remembered by a marker."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenuto.run.activity import RunActivityHandle, await_resolution
from tenuto.run.core import SECOND, mark
from tenuto.run.ledger import Asked, nondeterminism, source
from tenuto.run.types import LocalActivityResult, LocalActivityStart
from tenuto.wire import command, common, enums_command, enums_event, enums_workflow, failure
from tenuto.workflow.enums import ActivityCancellationType
from tenuto.workflow.event_groups import captured

if TYPE_CHECKING:
    from tenuto.run.core import Core
    from tenuto.wire import history
    from tenuto.workflow.handles import ActivityHandle
    from tenuto.workflow.interception import StartLocalActivityInput

_quoted = json.encoder.encode_basestring_ascii
MARKER_NAME = "core_local_activity"
_CANCELLED_AT_ONCE = "Activity cancelled"
_DEFAULT_THRESHOLD_NS = 60 * SECOND
_NO_POLICY = common.RetryPolicy()
"""Only to be read."""
_MARKER_RECORDED = enums_event.EVENT_TYPE_MARKER_RECORDED


def _form() -> command.Command:
    """A marker with all that is the same in each."""
    made = command.Command(command_type=enums_command.COMMAND_TYPE_RECORD_MARKER)
    attributes = made.record_marker_command_attributes
    attributes.marker_name = MARKER_NAME
    attributes.details["data"].payloads.add().metadata["encoding"] = b"json/plain"
    return made


_FORM = _form()


@dataclass(slots=True)
class Marker:
    """A local activity's end as history remembers it. Instants in ns."""

    seq: int
    activity_id: str
    activity_type: str
    attempt: int
    complete_at: int
    original_schedule_at: int
    backoff_ns: int | None
    activation_index: int | None
    result: common.Payload | None
    failure: failure.Failure | None


@dataclass(slots=True)
class Backoff:
    """Resolution of an attempt that is to be tried again by the workflow, after a timer."""

    attempt: int
    delay_ns: int
    original_schedule_at: int


def _ns(stamp: dict[str, int] | None) -> int | None:
    return None if stamp is None else int(stamp.get("seconds", 0)) * SECOND + int(stamp.get("nanos", 0))


def _stamp(ns: int | None) -> str:
    return "null" if ns is None else f'{{"seconds":{ns // SECOND},"nanos":{ns % SECOND}}}'


def read_marker(attributes: history.MarkerRecordedEventAttributes) -> Marker:
    """The marker's content. Raises KeyError or ValueError when it is not a local activity's."""
    told = json.loads(attributes.details["data"].payloads[0].data)
    results = attributes.details["result"].payloads if "result" in attributes.details else []
    return Marker(
        seq=told["seq"],
        activity_id=told["activity_id"],
        activity_type=told["activity_type"],
        attempt=told.get("attempt", 1),
        complete_at=_ns(told.get("complete_time")) or 0,
        original_schedule_at=_ns(told.get("original_schedule_time")) or 0,
        backoff_ns=_ns(told.get("backoff")),
        activation_index=told.get("activation_index"),
        result=results[0] if results else None,
        failure=attributes.failure if attributes.HasField("failure") else None,
    )


class LocalActivityMachine:
    """One attempt series of a local activity, from its start to its marker."""

    __slots__ = (
        "activity_id",
        "activity_type",
        "asked",
        "attempt",
        "began",
        "cancel_sent",
        "conversion",
        "core",
        "future",
        "given",
        "groups",
        "original_schedule_at",
        "resolved",
        "seq",
        "source",
        "wanted",
        "written",
    )

    def __init__(
        self, core: Core, wanted: StartLocalActivityInput, attempt: int, original_schedule_at: int | None
    ) -> None:
        self.core = core
        self.wanted = wanted
        self.groups = captured(wanted.event_groups)
        self.seq = core.next("activity")
        self.activity_id = wanted.activity_id or str(self.seq)
        self.activity_type = wanted.activity
        self.conversion = core.for_activity(
            self.activity_id, self.activity_type, core.options.task_queue, local=True
        )
        self.attempt = attempt
        self.original_schedule_at = original_schedule_at
        self.future: asyncio.Future[Any] = core.loop.create_future()
        self.began = False
        self.given = False
        self.resolved = False
        self.cancel_sent = False
        self.asked: Asked | None = None
        self.written = False
        self.source = source()
        core.locals[self.seq] = self

    def start(self) -> LocalActivityStart:
        """What the worker is to run. Only for activities that history does not know the end of."""
        self.given = True
        wanted, core = self.wanted, self.core
        policy = _NO_POLICY
        if wanted.retry_policy is not None:
            policy = common.RetryPolicy()
            wanted.retry_policy.apply_to_proto(policy)
        return LocalActivityStart(
            seq=self.seq,
            activity_id=self.activity_id,
            activity_type=self.activity_type,
            args=self.conversion.encode(wanted.args),
            headers=wanted.headers,
            attempt=self.attempt,
            original_schedule_at=self.original_schedule_at,
            schedule_to_close_ns=(
                wanted.schedule_to_close_timeout and _duration(wanted.schedule_to_close_timeout)
            )
            or 0,
            schedule_to_start_ns=(
                wanted.schedule_to_start_timeout and _duration(wanted.schedule_to_start_timeout)
            )
            or 0,
            start_to_close_ns=_duration(wanted.start_to_close_timeout),
            retry_policy=policy,
            local_retry_threshold_ns=(
                wanted.local_retry_threshold and _duration(wanted.local_retry_threshold)
            )
            or _DEFAULT_THRESHOLD_NS,
            summary=core.encode_one(wanted.summary) if wanted.summary else None,
        )

    # ---- the end ----------------------------------------------------------------------------------------------------

    def remembered(self, marker: Marker) -> None:
        """History knows the end: resolve as it says, and expect the marker where the command would be."""
        core = self.core
        if marker.activity_type != self.activity_type:
            raise ValueError(
                f"[TMPRL1100] Nondeterminism error: local activity {self.seq} is {marker.activity_type!r} in history,"
                f" but the code asked for {self.activity_type!r}"
            )
        core.now_ns = max(core.now_ns, marker.complete_at)
        self.asked = core.ledger.ask(_MARKER_RECORDED, self, None, self.source)
        self._end(
            marker.attempt, marker.original_schedule_at, marker.backoff_ns, marker.result, marker.failure
        )

    def ended(self, result: LocalActivityResult) -> bool:
        """The worker has run it: write the marker, and resolve. False: it was over already."""
        if self.resolved:
            return False
        core = self.core
        core.now_ns = max(core.now_ns, result.complete_at)
        made = None
        if not core.replaying:
            made = command_of(self, result, core.activation_index)
            self.written = True
        self.asked = core.ledger.ask(_MARKER_RECORDED, self, made, self.source)
        self._end(
            result.attempt, result.original_schedule_at, result.backoff_ns, result.result, result.failure
        )
        return True

    def _end(
        self,
        attempt: int,
        original_schedule_at: int,
        backoff_ns: int | None,
        result: common.Payload | None,
        failed: failure.Failure | None,
    ) -> None:
        self.resolved = True
        self.core.locals.pop(self.seq, None)
        if backoff_ns is not None:
            # What comes back is the attempt to make next, which is one more than the last one made.
            again = Backoff(attempt + 1, backoff_ns, original_schedule_at)
            self.core.local_jobs.append(lambda: self._settle(again))
        elif failed is not None:
            self.core.local_jobs.append(lambda: self._fail(self.wrap(failed)))
        else:
            self.core.local_jobs.append(lambda: self._succeed(result))

    def _settle(self, outcome: Any) -> None:
        if not self.future.done():
            self.future.set_result(outcome)

    def _succeed(self, result: common.Payload | None) -> None:
        if self.future.done():
            return
        try:
            payloads = [result] if result is not None else []
            self.future.set_result(self.conversion.decode_result(payloads, self.wanted.ret_type))
        except Exception as error:  # noqa: BLE001 - whoever waits for the result learns that it cannot be read
            self.future.set_exception(error)

    def _fail(self, sent: failure.Failure) -> None:
        if self.future.done():
            return
        self.future.set_exception(self.conversion.error_of(self.wrap(sent)))

    def wrap(self, sent: failure.Failure) -> failure.Failure:
        """A local activity that failed raises its own error; cancelled or out of time it is an activity's failure, to
        workers of every make. Of the latter kind ours write into the marker what the code sees."""
        kind = sent.WhichOneof("failure_info")
        if kind == "canceled_failure_info":
            message = "Local Activity cancelled"
        elif kind == "timeout_failure_info":
            message = "Local Activity timed out"
        else:
            return sent
        made = failure.Failure(message=message)
        made.activity_failure_info.activity_type.name = self.activity_type
        made.activity_failure_info.activity_id = self.activity_id
        made.activity_failure_info.retry_state = enums_workflow.RETRY_STATE_CANCEL_REQUESTED
        made.cause.CopyFrom(sent)
        return made

    def cancel(self) -> None:
        """Cancel, as its cancellation type says."""
        core = self.core
        if self.cancel_sent or self.resolved or core.evicted:
            return
        core.check("cancel a local activity")
        self.cancel_sent = True
        if self.given and self.wanted.cancellation_type != ActivityCancellationType.ABANDON:
            core.local_cancels.append(self.seq)
            if self.wanted.cancellation_type == ActivityCancellationType.WAIT_CANCELLATION_COMPLETED:
                return
        marker = core.markers.get(self.seq) if core.replaying else None
        if marker is not None:
            if marker.failure is not None and marker.failure.message == _CANCELLED_AT_ONCE:
                # As it was then: the marker stands before whatever the code asks for next.
                del core.markers[self.seq]
                self.remembered(marker)
            return
        cancelled = failure.Failure(message=_CANCELLED_AT_ONCE)
        cancelled.canceled_failure_info.SetInParent()
        self.ended(
            LocalActivityResult(
                seq=self.seq,
                attempt=0,
                complete_at=core.now_ns,
                original_schedule_at=self.original_schedule_at or core.now_ns,
                failure=cancelled,
                cancelled=True,
            )
        )

    # ---- history ----------------------------------------------------------------------------------------------------

    def describe(self) -> str:
        return f"local activity {self.activity_type!r} (id {self.activity_id!r})"

    def recorded(self, event: history.HistoryEvent) -> None:
        attributes = event.marker_recorded_event_attributes
        # What this very run wrote into history need not be read again.
        mine = self.written or read_marker(attributes).seq == self.seq
        if attributes.marker_name != MARKER_NAME or not mine:
            raise nondeterminism(event, self.asked, f"marker {attributes.marker_name!r} is of something else")
        self.asked = None


def _duration(value: Any) -> int:
    if value is None:
        return 0
    seconds = value if isinstance(value, int | float) else value.total_seconds()
    return round(seconds * SECOND)


def command_of(machine: LocalActivityMachine, result: LocalActivityResult, index: int) -> command.Command:
    """The marker that remembers how a local activity ended."""
    made = command.Command()
    made.CopyFrom(_FORM)
    attributes = made.record_marker_command_attributes
    # Written out, because a serializer takes ten times as long, and this is in the way of every step.
    told = (
        f'{{"seq":{machine.seq},"attempt":{result.attempt},"activity_id":{_quoted(machine.activity_id)},'
        f'"activity_type":{_quoted(machine.activity_type)},"complete_time":{_stamp(result.complete_at)},'
        f'"backoff":{_stamp(result.backoff_ns)},"original_schedule_time":{_stamp(result.original_schedule_at)},'
        f'"activation_index":{index}}}'
    )
    attributes.details["data"].payloads[0].data = told.encode()
    if result.failure is not None:
        timed_out = result.failure.HasField("timeout_failure_info") and result.backoff_ns is None
        attributes.failure.CopyFrom(machine.wrap(result.failure) if timed_out else result.failure)
    elif result.result is not None:
        attributes.details["result"].payloads.append(result.result)
    if machine.groups:
        mark(made, machine.groups)
    if machine.wanted.summary:
        machine.core.summarize(made, machine.wanted.summary)
    return made


async def _attempts(
    core: Core, wanted: StartLocalActivityInput, first: LocalActivityMachine, handle: Any
) -> Any:
    machine = first
    while True:
        outcome = await await_resolution(machine)
        if not isinstance(outcome, Backoff):
            return outcome
        delay = outcome.delay_ns / SECOND
        future: asyncio.Future[None] = core.loop.create_future()
        timer = core.loop.call_later(delay, lambda waited=future: waited.done() or waited.set_result(None))
        try:
            await future
        finally:
            timer.cancel()
        machine = LocalActivityMachine(core, wanted, outcome.attempt, outcome.original_schedule_at)
        handle().machine = machine


def start(core: Core, wanted: StartLocalActivityInput) -> ActivityHandle[Any]:
    """Ask for a local activity. Raises ValueError when it has no timeout."""
    core.check("start a local activity")
    if wanted.start_to_close_timeout is None and wanted.schedule_to_close_timeout is None:
        raise ValueError("Activity must have start_to_close_timeout or schedule_to_close_timeout")
    machine = LocalActivityMachine(core, wanted, 1, None)
    made: list[RunActivityHandle] = []
    handle = RunActivityHandle(
        _attempts(core, wanted, machine, lambda: made[0]),
        loop=core.loop,
        name=f"local activity: {wanted.activity} ({machine.activity_id})",
    )
    made.append(handle)
    handle.machine = machine
    core.loop.keep(handle)
    return handle
