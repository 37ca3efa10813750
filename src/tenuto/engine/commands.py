"""A worker's completion of a workflow task: its commands, all or none, and what follows.

The order of steps is that of execution-semantics 2.1. When a command is wrong the host's ``decide`` throws the draft away
and calls `void` on a fresh one. This room must never execute a command itself; the families do.
"""

from dataclasses import dataclass

from tenuto.engine import (
    activity,
    attributes,
    child,
    close,
    external,
    nexus_command,
    query,
    steps,
    timer,
    update,
    workflow_task,
)
from tenuto.engine import events as ev
from tenuto.engine import sticky as sticky_binding
from tenuto.engine.chain import NORMAL, SPECULATIVE, WorkflowTask
from tenuto.engine.context import CommandFailed, CommandRule, Completion
from tenuto.engine.draft import Draft, RunDraft
from tenuto.engine.types import CompleteWorkflowTask, Reason, Rejected, TaskCompleted
from tenuto.limits import LIMITS
from tenuto.wire import command as wire_command
from tenuto.wire import common, enums_command, enums_failed, failure, history, workflow
from tenuto.wire import workflowservice as ws

Command = enums_command.CommandType
Cause = enums_failed.WorkflowTaskFailedCause
INLINE_REQUEST = "request-from-RespondWorkflowTaskCompleted"


COMMANDS: dict[int, tuple[CommandRule, str, int]] = {
    Command.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK: (
        activity.schedule,
        "schedule_activity_task",
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SCHEDULE_ACTIVITY_ATTRIBUTES,
    ),
    Command.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK: (
        activity.request_cancel,
        "request_cancel_activity_task",
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_REQUEST_CANCEL_ACTIVITY_ATTRIBUTES,
    ),
    Command.COMMAND_TYPE_START_TIMER: (
        timer.start,
        "start_timer",
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_START_TIMER_ATTRIBUTES,
    ),
    Command.COMMAND_TYPE_CANCEL_TIMER: (
        timer.cancel,
        "cancel_timer",
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_CANCEL_TIMER_ATTRIBUTES,
    ),
    Command.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION: (
        close.complete,
        "complete_workflow_execution",
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_COMPLETE_WORKFLOW_EXECUTION_ATTRIBUTES,
    ),
    Command.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION: (
        close.fail,
        "fail_workflow_execution",
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_FAIL_WORKFLOW_EXECUTION_ATTRIBUTES,
    ),
    Command.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION: (
        close.cancel,
        "cancel_workflow_execution",
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_CANCEL_WORKFLOW_EXECUTION_ATTRIBUTES,
    ),
    Command.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION: (
        close.continue_as_new,
        "continue_as_new_workflow_execution",
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_CONTINUE_AS_NEW_ATTRIBUTES,
    ),
    Command.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION: (
        child.start,
        "start_child_workflow_execution",
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_START_CHILD_EXECUTION_ATTRIBUTES,
    ),
    Command.COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION: (
        external.cancel,
        "request_cancel_external_workflow_execution",
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_ATTRIBUTES,
    ),
    Command.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION: (
        external.signal,
        "signal_external_workflow_execution",
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SIGNAL_WORKFLOW_EXECUTION_ATTRIBUTES,
    ),
    Command.COMMAND_TYPE_RECORD_MARKER: (
        attributes.record_marker,
        "record_marker",
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_RECORD_MARKER_ATTRIBUTES,
    ),
    Command.COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: (
        attributes.upsert,
        "upsert_workflow_search_attributes",
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SEARCH_ATTRIBUTES,
    ),
    Command.COMMAND_TYPE_MODIFY_WORKFLOW_PROPERTIES: (
        attributes.modify_properties,
        "modify_workflow_properties",
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_MODIFY_WORKFLOW_PROPERTIES_ATTRIBUTES,
    ),
    Command.COMMAND_TYPE_PROTOCOL_MESSAGE: (
        update.protocol_message,
        "protocol_message",
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_UPDATE_WORKFLOW_EXECUTION_MESSAGE,
    ),
    Command.COMMAND_TYPE_SCHEDULE_NEXUS_OPERATION: (
        nexus_command.schedule,
        "schedule_nexus_operation",
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SCHEDULE_NEXUS_OPERATION_ATTRIBUTES,
    ),
    Command.COMMAND_TYPE_REQUEST_CANCEL_NEXUS_OPERATION: (
        nexus_command.cancel,
        "request_cancel_nexus_operation",
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_REQUEST_CANCEL_NEXUS_OPERATION_ATTRIBUTES,
    ),
}
"""Command type -> its rule, the stem of its attributes' field, and the cause when they are missing."""

CLOSERS = frozenset(
    {
        Command.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
        Command.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION,
        Command.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION,
        Command.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION,
    }
)


def complete(draft: Draft, request: CompleteWorkflowTask) -> None:
    """RespondWorkflowTaskCompleted. Raises `CommandFailed`, upon which the host calls `void`."""
    rd = workflow_task.claim(draft, request.token)
    message = request.message
    held = rd.run.task
    assert held is not None
    if request.only_steps and held.completed_id and steps.record(draft, rd, held, message):
        return
    _know_all(message)
    heartbeat = message.force_create_new_workflow_task
    if heartbeat and rd.run.paused is not None:
        raise Rejected(
            Reason.PRECONDITION, "Workflow is paused and force create new workflow task is requested"
        )
    idle = not message.commands and not message.messages
    if idle and rd.now > held.original_scheduled_at + LIMITS.task_heartbeat_ns:
        _heartbeat_over(draft, rd)
        return
    if _leaves_no_trace(rd, message):
        _drop_speculative(draft, rd, message)
        return
    if held.completed_id and not _tells_of_itself(message):
        completed_id = held.completed_id
        rd.note(workflow_task.TaskCleared())
    else:
        if held.completed_id:
            _begin_again(rd, held)
        completed_id = _write_completed(rd, message).event_id
    task = Completion(
        rd,
        message,
        completed_id,
        rd.has_buffered,
        messages={part.id: part for part in message.messages},
        endpoints=request.endpoints,
    )
    query.answer(task)
    _bind(rd, message)
    stamp_worker(rd, message, completed_id)
    for position, command in enumerate(message.commands):
        _execute(task, command)
        # What the command itself finds wrong is told before what only the service could know.
        if position in request.refused:
            raise CommandFailed(*request.refused[position])
    update.process_rest(task)
    if not heartbeat and rd.run.open:
        update.reject_unanswered(task)
    if request.keep and _may_keep(task):
        draft.reply = steps.keep(rd, held, task.completed_id)
    else:
        draft.reply = _follow_up(task, held.original_scheduled_at if idle and heartbeat else 0)


def _tells_of_itself(message: ws.RespondWorkflowTaskCompletedRequest) -> bool:
    """Whether the worker has flags to leave in history."""
    if not message.HasField("sdk_metadata"):
        return False
    told = message.sdk_metadata
    return bool(told.core_used_flags or told.lang_used_flags)


def _begin_again(rd: RunDraft, held: WorkflowTask) -> None:
    """The completion of a kept task tells what only a completion's own event can hold: it becomes that of another task,
    which begins and ends here. Whatever is buffered stays so: the worker has not seen it."""
    rd.note(workflow_task.TaskCleared())
    workflow_task.continued(rd, held)


def _may_keep(task: Completion) -> bool:
    """Nothing but steps has happened, and nothing else waits: then another workflow task would bring nothing new."""
    rd, message = task.rd, task.message
    if not message.force_create_new_workflow_task or task.needs_task or task.eager or message.messages:
        return False
    if steps.awaited(rd):
        return False
    return all(one.command_type == Command.COMMAND_TYPE_RECORD_MARKER for one in message.commands)


def _know_all(message: ws.RespondWorkflowTaskCompletedRequest) -> None:
    """Every command has a known type, and a closing one stands last."""
    for position, command in enumerate(message.commands):
        kind = command.command_type
        if kind not in COMMANDS:
            name = "Unspecified" if kind == 0 else str(kind)
            raise Rejected(Reason.INVALID, f"unknown command type: {name}")
        if kind in CLOSERS and position + 1 < len(message.commands):
            names = ", ".join(_camel(each.command_type) for each in message.commands)
            raise Rejected(
                Reason.INVALID,
                f"invalid command sequence: [{names}], command {_camel(kind)} must be the last command.",
            )


def _camel(kind: int) -> str:
    if kind not in Command.values():
        return str(kind)
    name = Command.Name(kind).removeprefix("COMMAND_TYPE_")  # type: ignore[arg-type]
    return "".join(word.capitalize() for word in name.split("_"))


def _execute(task: Completion, command: wire_command.Command) -> None:
    if not task.rd.run.open and command.command_type != Command.COMMAND_TYPE_PROTOCOL_MESSAGE:
        return
    rule, stem, cause = COMMANDS[command.command_type]
    if not command.HasField(f"{stem}_command_attributes"):  # type: ignore[arg-type]
        camel = "".join(word.capitalize() for word in stem.split("_"))
        if "nexus" in stem:
            raise CommandFailed(cause, f"empty {camel.removeprefix('Request')}CommandAttributes")
        raise CommandFailed(cause, f"{camel}CommandAttributes is not set on {camel}Command.")
    rule(task, command)


def _write_completed(rd: RunDraft, message: ws.RespondWorkflowTaskCompletedRequest) -> history.HistoryEvent:
    task = rd.run.task
    assert task is not None
    if not task.written:
        stamp = message.worker_version_stamp.SerializeToString()
        rd.write_task_events(message.identity, stamp)
    done = history.WorkflowTaskCompletedEventAttributes(
        scheduled_event_id=task.scheduled_id,
        started_event_id=task.started_id,
        identity=message.identity,
        binary_checksum=message.binary_checksum,
        versioning_behavior=message.versioning_behavior,
    )
    if message.HasField("sdk_metadata"):
        done.sdk_metadata.CopyFrom(message.sdk_metadata)
    if message.HasField("metering_metadata"):
        done.metering_metadata.CopyFrom(message.metering_metadata)
    if message.HasField("worker_version_stamp"):
        done.worker_version.CopyFrom(message.worker_version_stamp)
    if message.HasField("deployment_options") and message.versioning_behavior:
        done.worker_deployment_name = message.deployment_options.deployment_name
        done.deployment_version.deployment_name = message.deployment_options.deployment_name
        done.deployment_version.build_id = message.deployment_options.build_id
    return rd.emit(ev.WFT_COMPLETED, done)


def _bind(rd: RunDraft, message: ws.RespondWorkflowTaskCompletedRequest) -> None:
    """Sticky binding follows every completion; without sticky attributes it ends (execution-semantics 10, 48)."""
    sticky = message.sticky_attributes
    queue = sticky.worker_task_queue.name if message.HasField("sticky_attributes") else ""
    timeout = ev.nanoseconds(sticky.schedule_to_start_timeout) if queue else 0
    if (queue, timeout) != (rd.run.sticky_queue, rd.run.sticky_timeout_ns):
        rd.note(sticky_binding.Stuck(queue, timeout))


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """A build (or binary) completed its first workflow task in this chain: reset point and search attributes."""

    point: bytes
    attributes: dict[str, bytes]
    worker: tuple[str, str]

    def apply(self, rd: RunDraft) -> None:
        rd.run.stamped = self.worker
        if self.point:
            rd.run.reset_points = (*rd.run.reset_points, self.point)[-LIMITS.reset_points :]
        if self.attributes:
            terms = rd.edit_terms()
            terms.search_attributes = {**terms.search_attributes, **self.attributes}
            rd.visible = True


@dataclass(frozen=True, slots=True)
class ProblemsOver:
    def apply(self, rd: RunDraft) -> None:
        workflow_task.ProblemsReported(b"").apply(rd)


def stamp_worker(rd: RunDraft, message: ws.RespondWorkflowTaskCompletedRequest, completed_id: int) -> None:
    build_id, checksum = message.worker_version_stamp.build_id, message.binary_checksum
    if workflow_task.PROBLEMS in rd.terms.search_attributes:
        rd.note(ProblemsOver())
    if rd.run.stamped == (build_id, checksum) and not rd.terms.versioning_override:
        return
    known = [workflow.ResetPointInfo.FromString(raw) for raw in rd.run.reset_points]
    point = b""
    if not any(p.build_id == build_id and p.binary_checksum == checksum for p in known):
        new = workflow.ResetPointInfo(
            build_id=build_id,
            binary_checksum=checksum,
            run_id=rd.run.run_id,
            first_workflow_task_completed_id=completed_id,
            resettable=not len(rd.children) and not len(rd.externals),
        )
        new.create_time.CopyFrom(ev.timestamp(rd.now))
        point = new.SerializeToString()
    added: dict[str, bytes] = {}
    if not rd.terms.versioning_override:
        wanted = ["unversioned"] + ([f"unversioned:{build_id}"] if build_id else [])
        _merge_keywords(rd, added, "BuildIds", wanted)
    if checksum:
        _merge_keywords(rd, added, "BinaryChecksums", [checksum])
    rd.note(WorkerSeen(point, added, (build_id, checksum)))


def _merge_keywords(rd: RunDraft, added: dict[str, bytes], name: str, values: list[str]) -> None:
    import msgspec

    raw = rd.terms.search_attributes.get(name)
    old: list[str] = []
    if raw is not None:
        old = list(msgspec.json.decode(common.Payload.FromString(raw).data or b"[]", type=list[str]))
    new = old + [value for value in values if value not in old]
    if new != old:
        payload = common.Payload(data=msgspec.json.encode(new))
        payload.metadata["encoding"], payload.metadata["type"] = b"json/plain", b"KeywordList"
        added[name] = payload.SerializeToString()


# ---- what follows ---------------------------------------------------------------------------------------------------------


def _follow_up(task: Completion, original_at: int) -> TaskCompleted:
    """The next workflow task, if one is due, and what the answer carries (execution-semantics 3.6)."""
    rd, message = task.rd, task.message
    reply = TaskCompleted(rd.run.run_id)
    if not rd.run.open:
        return reply
    reply.activities = tuple(activity.eager_start(task, sid, rd.draft.new_id()) for sid in task.eager)
    if rd.run.paused is None:
        if message.force_create_new_workflow_task or task.needs_task or rd.has_buffered:
            workflow_task.schedule(rd, NORMAL, original_at)
        elif update.needs_task(rd):
            workflow_task.schedule(rd, SPECULATIVE if message.return_new_workflow_task else NORMAL)
    if rd.run.task is None:
        query.unblock(rd)
    elif message.return_new_workflow_task:
        stamp = message.worker_version_stamp.SerializeToString()
        workflow_task.begin(rd, message.identity, INLINE_REQUEST, worker=stamp)
        reply.next_task = workflow_task.handout(rd, sticky=True)
    return reply


def _heartbeat_over(draft: Draft, rd: RunDraft) -> None:
    """A worker kept its task alive for too long (execution-semantics 3.8)."""
    workflow_task.time_out(rd, workflow_task.START_TO_CLOSE)
    workflow_task.reschedule(rd)
    draft.reply = Rejected(Reason.NOT_FOUND, "workflow task heartbeat timeout")


def _leaves_no_trace(rd: RunDraft, message: ws.RespondWorkflowTaskCompletedRequest) -> bool:
    """A speculative task whose updates were all rejected is dropped (execution-semantics 3.10)."""
    task = rd.run.task
    assert task is not None
    if task.kind != SPECULATIVE or task.written or message.force_create_new_workflow_task or rd.has_buffered:
        return False
    if any(command.command_type != Command.COMMAND_TYPE_PROTOCOL_MESSAGE for command in message.commands):
        return False
    if any(not part.body.type_url.endswith("temporal.api.update.v1.Rejection") for part in message.messages):
        return False
    unshipped = task.scheduled_id - rd.run.previous_started_id - 2
    able = message.capabilities.discard_speculative_workflow_task_with_events
    return unshipped <= (LIMITS.speculative_extra_events if able else 0)


def _drop_speculative(draft: Draft, rd: RunDraft, message: ws.RespondWorkflowTaskCompletedRequest) -> None:
    task = Completion(rd, message, 0, False, messages={part.id: part for part in message.messages})
    query.answer(task)
    _bind(rd, message)
    rd.note(workflow_task.TaskCleared())
    for command in message.commands:
        _execute(task, command)
    update.process_rest(task)
    update.reject_unanswered(task)
    if update.needs_task(rd):
        workflow_task.schedule(rd, SPECULATIVE)
    else:
        query.unblock(rd)
    draft.reply = TaskCompleted(rd.run.run_id, reset_history_event_id=rd.run.previous_started_id)


# ---- a wrong command ------------------------------------------------------------------------------------------------------


def void(draft: Draft, request: CompleteWorkflowTask, failed: CommandFailed) -> None:
    """The completion is void: fail its workflow task instead (execution-semantics 2.1, step 11)."""
    rd = workflow_task.claim(draft, request.token)
    task = rd.run.task
    assert task is not None
    words = Cause.Name(failed.cause).removeprefix("WORKFLOW_TASK_FAILED_CAUSE_").split("_")  # type: ignore[arg-type]
    name = "".join(word.capitalize() for word in words)
    text = f"{name}: {failed.detail}" if failed.detail else name
    unhandled = failed.cause == Cause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND
    refusal = Rejected(Reason.INVALID, text)
    if task.attempt > 1 and task.kind == NORMAL and not unhandled and not failed.terminate:
        raise refusal
    wrong = history.WorkflowTaskFailedEventAttributes(
        cause=failed.cause,  # type: ignore[arg-type]
        failure=failure.Failure(message=text, server_failure_info=failure.ServerFailureInfo()),
        identity=request.message.identity,
        binary_checksum=request.message.binary_checksum,
    )
    workflow_task.failed(rd, wrong)
    update.abort_on_task_failure(rd)
    query.drop_all(rd, "buffered query cleared, please retry")
    if failed.terminate:
        close.terminate(rd, text, workflow_task.SYSTEM)
    else:
        workflow_task.reschedule(rd)
        rd.close_attempted = unhandled
    draft.reply = refusal
