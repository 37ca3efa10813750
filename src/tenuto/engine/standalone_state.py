"""What an activity on its own is: a chain whose one run holds one activity and never has a workflow task.

The activity itself is kept as a workflow's would be; here is what only one on its own has. Nothing here decides anything.
"""

import msgspec

PREFIX = "temporal-sys-activity:"
"""The chain has this before the activity's id as its workflow id."""
RUN_TYPE = "temporal-sys-activity"
"""Its run's workflow type, by which lists tell it from workflows."""
TYPE_NAME = "ActivityType"
"""The search attribute of the run that names the activity's type."""
SCHEDULED_ID = 2
"""Event id of the run's ACTIVITY_TASK_SCHEDULED, and key of its activity."""


class Standalone(msgspec.Struct, frozen=True, array_like=True):
    """A member of the run's terms; workflows have none."""

    start_delay_ns: int = 0
    """How long the first attempt waits after the start."""
    first_delay_ns: int = 0
    """The same as it was asked for first."""
    links: tuple[bytes, ...] = ()
    """Serialized Link messages."""
    cancel_request_id: str = ""
    cancel_reason: str = ""
    cancel_identity: str = ""
    terminate_request_id: str = ""


def shown_id(workflow_id: str) -> str | None:
    """The activity's id, if the chain is that of an activity on its own."""
    return workflow_id[len(PREFIX) :] if workflow_id.startswith(PREFIX) else None
