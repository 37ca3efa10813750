"""How a run closed, read from the last event of its history: a value, an error, or the run that goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenuto.client.encoding import error_of, first_value
from tenuto.client.errors import WorkflowFailureError
from tenuto.exceptions import CancelledError, TerminatedError, TimeoutError, TimeoutType
from tenuto.wire import history

if TYPE_CHECKING:
    from tenuto.converter import DataConverter


def following_run(close: history.HistoryEvent) -> str:
    """The run that goes on after this close, or empty."""
    attributes = close.WhichOneof("attributes")
    return str(getattr(getattr(close, attributes), "new_execution_run_id", "")) if attributes else ""


async def outcome(converter: DataConverter, close: history.HistoryEvent, hint: type | None) -> Any:
    """What the run returned. Raises `WorkflowFailureError` when it closed without a result."""
    if close.HasField("workflow_execution_completed_event_attributes"):
        completed = close.workflow_execution_completed_event_attributes
        return await first_value(converter, completed.result.payloads, hint)
    raise WorkflowFailureError(cause=await _why(converter, close))


async def _why(converter: DataConverter, close: history.HistoryEvent) -> BaseException:
    if close.HasField("workflow_execution_failed_event_attributes"):
        return await error_of(converter, close.workflow_execution_failed_event_attributes.failure)
    if close.HasField("workflow_execution_canceled_event_attributes"):
        canceled = close.workflow_execution_canceled_event_attributes
        return CancelledError("Workflow cancelled", *await converter.decode(canceled.details.payloads))
    if close.HasField("workflow_execution_terminated_event_attributes"):
        terminated = close.workflow_execution_terminated_event_attributes
        details = await converter.decode(terminated.details.payloads)
        return TerminatedError(terminated.reason or "Workflow terminated", *details)
    if close.HasField("workflow_execution_timed_out_event_attributes"):
        kind = TimeoutType.START_TO_CLOSE
        return TimeoutError("Workflow timed out", type=kind, last_heartbeat_details=[])
    raise RuntimeError(f"not the end of a workflow: {close.WhichOneof('attributes')}")
