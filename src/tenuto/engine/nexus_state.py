"""What a chain knows of Nexus: the operations that its run waits for, and whom to tell when it has closed itself.

Plain slotted structs, as in `chain`: instants and durations are integer nanoseconds, 0 meaning "none".
"""

import msgspec

SCHEDULED, BACKING_OFF, STARTED = 1, 2, 3
"""States of a pending operation; values of PendingNexusOperationState."""
UNASKED, ASKED, ASK_AGAIN, ACKNOWLEDGED, REFUSED = 0, 1, 2, 3, 4
"""States of a cancellation; values of NexusOperationCancellationState. UNASKED: the operation has not begun."""
STANDBY, SENT, FAILED, SUCCEEDED = 1, 2, 4, 5
"""States of a callback; values of CallbackState."""


class NexusCancel(msgspec.Struct, array_like=True):
    """A cancellation that the workflow has asked for."""

    requested_id: int
    """Event id of NEXUS_OPERATION_CANCEL_REQUESTED."""
    requested_at: int = 0
    """Since when the handler is to be asked; 0 while the operation has not begun."""
    state: int = UNASKED
    attempt: int = 0
    last_completed_at: int = 0
    last_failure: bytes = b""
    next_at: int = 0
    """When the handler is asked again, in state ASK_AGAIN."""
    out_id: int = 0


class NexusOperation(msgspec.Struct, array_like=True):
    """A pending operation. Part ``nexus/<scheduled id>``."""

    scheduled_id: int
    endpoint: str
    endpoint_id: str
    service: str
    operation: str
    request_id: str
    """The handler deduplicates by it; no two operations have the same."""
    scheduled_at: int
    schedule_to_close_ns: int
    schedule_to_start_ns: int
    start_to_close_ns: int
    state: int = SCHEDULED
    attempt: int = 0
    """Attempts that have ended."""
    last_completed_at: int = 0
    last_failure: bytes = b""
    """Serialized Failure of the previous attempt."""
    next_at: int = 0
    """When the start is tried again, in state BACKING_OFF."""
    started_at: int = 0
    token: str = ""
    """The handler's name for the operation once it has begun."""
    out_id: int = 0
    """The start that is owed to the handler; 0: none is."""
    cancel: NexusCancel | None = None


class CallbackState(msgspec.Struct, frozen=True, array_like=True):
    """How far the delivery of one of the run's callbacks has come."""

    registered_at: int
    state: int = STANDBY
    attempt: int = 0
    last_completed_at: int = 0
    last_failure: bytes = b""
    """Serialized Failure."""


def due(item: NexusOperation) -> int:
    """Earliest instant at which the operation needs attention; 0: never."""
    instants = []
    if item.schedule_to_close_ns:
        instants.append(item.scheduled_at + item.schedule_to_close_ns)
    if item.state == STARTED:
        if item.start_to_close_ns:
            instants.append(item.started_at + item.start_to_close_ns)
        if item.cancel is not None and item.cancel.state == ASK_AGAIN:
            instants.append(item.cancel.next_at)
    else:
        if item.schedule_to_start_ns:
            instants.append(item.scheduled_at + item.schedule_to_start_ns)
        if item.state == BACKING_OFF:
            instants.append(item.next_at)
    return min(instants, default=0)
