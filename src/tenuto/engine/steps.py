"""Steps of a kept workflow task: their markers are written behind its completion, and nothing else happens.

The short way of `commands.complete`, for what workflows of many steps do most. It must leave exactly what the long way
leaves, and must leave to that whatever is out of the ordinary.
"""

from msgspec.structs import replace

from tenuto.engine import events as ev
from tenuto.engine import workflow_task
from tenuto.engine.chain import NORMAL, WorkflowTask
from tenuto.engine.draft import Draft, RunDraft
from tenuto.engine.kept import Kept
from tenuto.engine.types import TaskCompleted, TaskToken
from tenuto.limits import LIMITS
from tenuto.wire import command, history
from tenuto.wire import workflowservice as ws


def awaited(rd: RunDraft) -> bool:
    """Somebody waits beside the task, or the run is to stop: then it must not go on with its worker."""
    run = rd.run
    return bool(
        not run.open
        or run.paused is not None
        or rd.has_buffered
        or rd.waiting("queries")
        or rd.waiting("pending_updates")
        or workflow_task.continue_reasons(rd)
    )


def keep(rd: RunDraft, held: WorkflowTask, completed_id: int) -> TaskCompleted:
    """The task stays with its worker, behind what it has recorded."""
    kept = replace(held)
    if not kept.written:
        kept.kind, kept.written = NORMAL, True
    kept.attempt, kept.completed_id, kept.recorded_id = 1, completed_id, rd.run.next_event_id - 1
    rd.note(Kept(kept))
    token = TaskToken(
        rd.run.run_id, kept.scheduled_id, kept.started_id, kept.started_at, kept.attempt, kept.recorded_id
    )
    return TaskCompleted(rd.run.run_id, kept=token)


def record(
    draft: Draft, rd: RunDraft, held: WorkflowTask, message: ws.RespondWorkflowTaskCompletedRequest
) -> bool:
    """Write the markers of ``message``, which is nothing else. False, and nothing is done, when it takes the long way."""
    if awaited(rd) or message.sticky_attributes.worker_task_queue.name != rd.run.sticky_queue:
        return False
    if workflow_task.PROBLEMS in rd.terms.search_attributes or rd.terms.versioning_override:
        return False
    stamp = message.worker_version_stamp
    if rd.run.stamped != (stamp.build_id, message.binary_checksum):
        return False
    markers = [_plain_marker(command) for command in message.commands]
    if not all(markers):
        return False
    for raw in markers:
        assert raw is not None
        event = history.HistoryEvent()
        marker = event.marker_recorded_event_attributes
        marker.MergeFromString(raw)
        marker.workflow_task_completed_event_id = held.completed_id
        rd.write(ev.MARKER_RECORDED, event)
    draft.reply = keep(rd, held, held.completed_id)
    return True


def _plain_marker(made: command.Command) -> bytes | None:
    """The serialized attributes of a marker of a usual size with nothing but a name and details; else None. These two have
    the same numbers in the command's attributes and in the event's."""
    marker = made.record_marker_command_attributes
    if marker.HasField("header") or marker.HasField("failure") or made.event_group_markers:
        return None
    if made.HasField("user_metadata") or not 0 < len(marker.marker_name) < LIMITS.id_bytes // 4:
        return None
    raw = marker.SerializeToString()
    return raw if len(raw) < LIMITS.blob_bytes else None
