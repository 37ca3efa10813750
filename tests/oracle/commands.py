"""Workflow commands by name, for scenarios that answer workflow tasks by hand."""

from typing import Any


def command(kind: str, user_metadata: Any = None, **attributes: Any) -> dict[str, Any]:
    """The command `kind` (enum name without prefix) with its attributes."""
    slot = f"{kind.lower()}_command_attributes"
    return {"command_type": f"COMMAND_TYPE_{kind}", slot: attributes, "user_metadata": user_metadata}


def done(*result: Any) -> dict[str, Any]:
    """Complete the workflow."""
    return command("COMPLETE_WORKFLOW_EXECUTION", result=list(result) if result else None)


def broken(message: str = "boom", kind: str = "Boom", non_retryable: bool = False) -> dict[str, Any]:
    """Fail the workflow with an application failure."""
    return command("FAIL_WORKFLOW_EXECUTION", failure=application(message, kind, non_retryable))


def application(
    message: str = "boom", kind: str = "Boom", non_retryable: bool = False, **info: Any
) -> dict[str, Any]:
    """An application failure."""
    return {
        "message": message,
        "source": "Oracle",
        "application_failure_info": {"type": kind, "non_retryable": non_retryable, **info},
    }


def activity(activity_id: str = "a", queue: str | None = None, **over: Any) -> dict[str, Any]:
    """Schedule an activity with a 100 s start-to-close timeout unless told otherwise."""
    fields: dict[str, Any] = {"activity_id": activity_id, "activity_type": "Act", "task_queue": queue}
    if not {"start_to_close_timeout", "schedule_to_close_timeout"} & set(over):
        fields["start_to_close_timeout"] = 100
    return command("SCHEDULE_ACTIVITY_TASK", **{**fields, **over})


def cancel_activity(scheduled_event_id: int) -> dict[str, Any]:
    """Request cancellation of an activity."""
    return command("REQUEST_CANCEL_ACTIVITY_TASK", scheduled_event_id=scheduled_event_id)


def timer(timer_id: str = "t", seconds: float = 3600) -> dict[str, Any]:
    """Start a timer."""
    return command("START_TIMER", timer_id=timer_id, start_to_fire_timeout=seconds)


def cancel_timer(timer_id: str = "t") -> dict[str, Any]:
    """Cancel a timer."""
    return command("CANCEL_TIMER", timer_id=timer_id)


def child(workflow_id: str, queue: str | None = None, **over: Any) -> dict[str, Any]:
    """Start a child workflow of type `Child`."""
    return command(
        "START_CHILD_WORKFLOW_EXECUTION",
        **{"workflow_id": workflow_id, "workflow_type": "Child", "task_queue": queue, **over},
    )


def signal_external(execution: Any, signal_name: str = "s", **over: Any) -> dict[str, Any]:
    """Signal another workflow."""
    return command("SIGNAL_EXTERNAL_WORKFLOW_EXECUTION", execution=execution, signal_name=signal_name, **over)


def cancel_external(workflow_id: str, **over: Any) -> dict[str, Any]:
    """Request cancellation of another workflow."""
    return command("REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION", workflow_id=workflow_id, **over)


def continue_as_new(**over: Any) -> dict[str, Any]:
    """Continue as new."""
    return command("CONTINUE_AS_NEW_WORKFLOW_EXECUTION", **over)


def marker(name: str = "m", **over: Any) -> dict[str, Any]:
    """Record a marker."""
    return command("RECORD_MARKER", marker_name=name, **over)


def canceled(*details: Any) -> dict[str, Any]:
    """Close the workflow as cancelled."""
    return command("CANCEL_WORKFLOW_EXECUTION", details=list(details) if details else None)


def protocol_message(message_id: str) -> dict[str, Any]:
    """Place a protocol message among the commands."""
    return command("PROTOCOL_MESSAGE", message_id=message_id)
