"""Nexus as descriptions of a run show it: operations that are pending, callbacks that are registered."""

from tenuto.engine import events as ev
from tenuto.engine.chain import Terms
from tenuto.engine.nexus_callback import states
from tenuto.engine.nexus_state import (
    ASK_AGAIN,
    BACKING_OFF,
    UNASKED,
    CallbackState,
    NexusCancel,
    NexusOperation,
)
from tenuto.wire import common, workflow


def pending(item: NexusOperation) -> workflow.PendingNexusOperationInfo:
    result = workflow.PendingNexusOperationInfo(
        endpoint=item.endpoint,
        service=item.service,
        operation=item.operation,
        operation_id=item.token,
        operation_token=item.token,
        scheduled_event_id=item.scheduled_id,
        state=item.state,  # type: ignore[arg-type]
        attempt=item.attempt,
        scheduled_time=ev.timestamp(item.scheduled_at),
    )
    for field, ns in (
        ("schedule_to_close_timeout", item.schedule_to_close_ns),
        ("schedule_to_start_timeout", item.schedule_to_start_ns),
        ("start_to_close_timeout", item.start_to_close_ns),
    ):
        if ns:
            getattr(result, field).CopyFrom(ev.duration(ns))
    if item.last_completed_at:
        result.last_attempt_complete_time.CopyFrom(ev.timestamp(item.last_completed_at))
    if item.last_failure:
        result.last_attempt_failure.ParseFromString(item.last_failure)
    if item.state == BACKING_OFF:
        result.next_attempt_schedule_time.CopyFrom(ev.timestamp(item.next_at))
    if item.cancel is not None:
        result.cancellation_info.CopyFrom(_cancellation(item.cancel))
    return result


def _cancellation(asked: NexusCancel) -> workflow.NexusOperationCancellationInfo:
    if asked.state == UNASKED:
        return workflow.NexusOperationCancellationInfo()
    result = workflow.NexusOperationCancellationInfo(
        requested_time=ev.timestamp(asked.requested_at),
        state=asked.state,  # type: ignore[arg-type]
        attempt=asked.attempt,
    )
    if asked.last_completed_at:
        result.last_attempt_complete_time.CopyFrom(ev.timestamp(asked.last_completed_at))
    if asked.last_failure:
        result.last_attempt_failure.ParseFromString(asked.last_failure)
    if asked.state == ASK_AGAIN:
        result.next_attempt_schedule_time.CopyFrom(ev.timestamp(asked.next_at))
    return result


def callbacks(terms: Terms) -> list[workflow.CallbackInfo]:
    if not terms.callbacks:
        return []
    return [_callback(raw, state) for raw, state in zip(terms.callbacks, states(terms), strict=True)]


def _callback(raw: bytes, state: CallbackState) -> workflow.CallbackInfo:
    result = workflow.CallbackInfo(
        callback=common.Callback.FromString(raw),
        registration_time=ev.timestamp(state.registered_at),
        state=state.state,  # type: ignore[arg-type]
        attempt=state.attempt,
    )
    result.trigger.workflow_closed.SetInParent()
    if state.last_completed_at:
        result.last_attempt_complete_time.CopyFrom(ev.timestamp(state.last_completed_at))
    if state.last_failure:
        result.last_attempt_failure.ParseFromString(state.last_failure)
    return result
