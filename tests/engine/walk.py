"""A random walk of one chain: every kind of request, right and wrong, at any moment.

A walk is its seed: the same seed walks the same way. What a walk must keep is `ledger`'s; this room only asks.
"""

import random
from collections.abc import Callable
from typing import Any

from tenuto.engine import agenda, types
from tenuto.engine.chain import Out, ParentLink, RootLink
from tenuto.engine.nexus_token import TOKEN_HEADER, URL, Caller, encode_token
from tenuto.engine.nexus_types import CompleteNexus, Outcome, is_for_handler
from tenuto.limits import HOUR, SECOND
from tenuto.wire import activity as wire_activity
from tenuto.wire import any_pb2, common, field_mask_pb2, protocol, workflow
from tenuto.wire import command as wire_command
from tenuto.wire import query as wire_query
from tenuto.wire import update as wire_update
from tenuto.wire import workflowservice as ws
from tests.engine import walk_commands
from tests.engine.activities import boom
from tests.engine.ledger import NAMESPACE, Ledger
from tests.engine.support import activity_token, payloads, start_message, token_of

STICKY = "worker-1"
OTHER_RUN = "aaaaaaaa-0000-4000-8000-000000000000"


class Walk(Ledger):
    """A ledger that makes up its own requests."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.rng = random.Random(seed)
        self.steps: list[str] = []
        self.tasks: list[types.WorkflowTaskHandout | types.TaskToken] = []
        self.attempts: list[types.ActivityHandout] = []
        self.updates: list[str] = []
        self.queries: list[str] = []
        self.delivered: list[int] = []

    def step(self) -> None:
        """One request, after some time has passed."""
        rng = self.rng
        if rng.random() < 0.4:
            self.now += rng.choices((1, 10**6, SECOND // 2, 2 * SECOND, 11 * SECOND), (4, 4, 2, 1, 0.5))[0]
        sensible = self._sensible() if rng.random() < 0.65 else []
        ask = rng.choice(sensible) if sensible else rng.choices(ASKS, WEIGHTS)[0]
        self.steps.append(ask.__name__)
        request = ask(self)
        if request is None:
            return
        reply = self.ask(request)
        if isinstance(reply, types.WorkflowTaskHandout):
            self.tasks.append(reply)
        elif isinstance(reply, types.ActivityHandout):
            self.attempts.append(reply)
        elif isinstance(reply, types.TaskCompleted):
            self.attempts.extend(reply.activities)
            if reply.next_task is not None:
                self.tasks.append(reply.next_task)
            if reply.kept is not None:
                self.tasks.append(reply.kept)
        elif isinstance(reply, types.StartReply) and reply.handout is not None:
            self.tasks.append(reply.handout)

    def _sensible(self) -> list[Callable[["Walk"], Any]]:
        """What moves the chain on, as it stands."""
        if self.chain is None or self.agenda is None or not self.chain.current.run.open:
            return [start, start, signal_with_start, update_with_start, deliver, reset]
        state = self.chain.current
        made: list[Callable[[Walk], Any]] = []
        if state.run.task is not None and state.run.task.started:
            made += [complete_task] * 3
        elif next(agenda.dispatches(self.chain, self.agenda), None) is not None:
            made += [poll] * 2
        if state.activities and self.attempts:
            made += [report_activity, report_activity, operate]
        if self.chain.out:
            made += [deliver]
        if state.children:
            made += [hear_child]
        if state.nexus:
            made += [hear_operation]
        if state.run.paused is not None:
            made += [pause]
        due = self.agenda.next_due(self.chain)
        if due and due - self.now < 8 * SECOND:
            made += [tick]
        return made

    # ---- what there is --------------------------------------------------------------------------------------------------

    def run_id(self) -> str:
        """Mostly the current run, sometimes one that was, sometimes none."""
        odds = self.rng.random()
        if odds < 0.92:
            return ""
        if odds < 0.98 and self.histories:
            return self.rng.choice(list(self.histories))
        return OTHER_RUN

    def one(self, items: list[Any]) -> Any:
        """The latest, mostly; a stale one, sometimes."""
        return items[-1] if self.rng.random() < 0.85 else self.rng.choice(items)

    def token(self) -> types.TaskToken | None:
        if not self.tasks:
            return None
        known = self.one(self.tasks)
        token: types.TaskToken = known if isinstance(known, types.TaskToken) else token_of(known)
        if self.rng.random() < 0.03:
            return types.TaskToken(
                token.run_id,
                token.scheduled_id,
                token.started_id,
                token.started_at,
                token.attempt + 1,
                token.recorded_id,
            )
        return token

    def activity_token(self) -> types.ActivityToken | None:
        if self.rng.random() < 0.2:
            return types.ActivityToken(self.run_id(), activity_id=self.rng.choice(("a", "b", "c", "zz")))
        return activity_token(self.one(self.attempts)) if self.attempts else None


# ---- clients ------------------------------------------------------------------------------------------------------------


def start_fields(walk: Walk) -> Any:
    rng = walk.rng
    fields: dict[str, Any] = {
        "request_id": f"start-{rng.randrange(6)}",
        "reuse": rng.choice((1, 1, 2, 3)),
        "conflict": rng.choice((1, 2, 3)),
    }
    if rng.random() < 0.05:
        fields["workflow_execution_timeout"] = walk_commands.length(rng, 20, 60)
    if rng.random() < 0.1:
        fields["workflow_run_timeout"] = walk_commands.length(rng, 5, 60)
    if rng.random() < 0.3:
        fields["retry_policy"] = common.RetryPolicy(maximum_attempts=rng.choice((0, 2)))
    if rng.random() < 0.15:
        fields["cron_schedule"] = "@every 3s"
    elif rng.random() < 0.2:
        fields["workflow_start_delay"] = walk_commands.length(rng, 1, 8)
    if rng.random() < 0.2:
        fields["memo"] = common.Memo(fields={"m": payloads().payloads[0]})
    return fields


def callback(rng: random.Random) -> common.Callback:
    """Mostly one that leads to a caller."""
    made = common.Callback()
    made.nexus.url = URL
    token = encode_token(Caller(NAMESPACE.id, "caller", OTHER_RUN, 5, "request"))
    made.nexus.header[TOKEN_HEADER] = token if rng.random() < 0.8 else "nonsense"
    return made


def start(walk: Walk) -> Any:
    message = start_message("w", **start_fields(walk))
    message.request_eager_execution = walk.rng.random() < 0.2
    if walk.rng.random() < 0.3:
        message.on_conflict_options.attach_request_id = True
        message.on_conflict_options.attach_completion_callbacks = True
    if walk.rng.random() < 0.2:
        message.completion_callbacks.append(callback(walk.rng))
    if walk.rng.random() < 0.1:
        parent = ParentLink("default", NAMESPACE.id, "parent", OTHER_RUN, 5)
        return types.Start(message, parent, RootLink("parent", OTHER_RUN))
    return types.Start(message)


def signal(walk: Walk) -> Any:
    message = ws.SignalWorkflowExecutionRequest(signal_name="s", request_id=walk.rng.choice(("", "r1", "r2")))
    return types.Signal(message, walk.run_id())


def signal_with_start(walk: Walk) -> Any:
    fields = start_fields(walk)
    message = ws.SignalWithStartWorkflowExecutionRequest(
        workflow_id="w",
        signal_name="s",
        request_id=fields.pop("request_id"),
        workflow_id_reuse_policy=fields.pop("reuse"),
        workflow_id_conflict_policy=max(fields.pop("conflict"), 2),
        **fields,
    )
    message.workflow_type.name, message.task_queue.name = "Flow", "queue"
    return types.SignalWithStart(message)


def update_message(walk: Walk) -> ws.UpdateWorkflowExecutionRequest:
    walk.updates.append(f"u{walk.rng.randrange(4)}")
    message = ws.UpdateWorkflowExecutionRequest()
    message.request.meta.update_id = walk.updates[-1]
    message.request.input.name = "change"
    return message


def update(walk: Walk) -> Any:
    return types.Update(update_message(walk), walk.run_id())


def update_with_start(walk: Walk) -> Any:
    fields = start_fields(walk)
    fields.pop("cron_schedule", None)
    fields.pop("workflow_start_delay", None)
    return types.UpdateWithStart(start_message("w", **fields), update_message(walk))


def ask_update(walk: Walk) -> Any:
    return types.AskUpdate(f"u{walk.rng.randrange(5)}", walk.run_id())


def cancel(walk: Walk) -> Any:
    return types.RequestCancel(ws.RequestCancelWorkflowExecutionRequest(reason="c"), walk.run_id())


def terminate(walk: Walk) -> Any:
    return types.Terminate(ws.TerminateWorkflowExecutionRequest(), walk.run_id())


def query(walk: Walk) -> Any:
    walk.queries.append(f"q{len(walk.queries)}")
    message = ws.QueryWorkflowRequest(query=wire_query.WorkflowQuery(query_type="state"))
    message.query_reject_condition = walk.rng.choice((1, 2, 3))  # type: ignore[assignment]
    return types.Query(message, walk.queries[-1], walk.run_id(), walk.now + walk.rng.choice((0, HOUR)))


def drop_query(walk: Walk) -> Any:
    return types.DropQuery(walk.one(walk.queries), walk.run_id()) if walk.queries else None


def describe(walk: Walk) -> Any:
    return walk.rng.choice((types.Describe, types.AskHistory))(walk.run_id())


def delete(walk: Walk) -> Any:
    return types.Delete(walk.run_id())


def expire_run(walk: Walk) -> Any:
    closed = [run_id for run_id in walk.closed if run_id in walk.histories]
    return types.ExpireRun(walk.rng.choice(closed)) if closed else None


def change_options(walk: Walk) -> Any:
    message = ws.UpdateWorkflowExecutionOptionsRequest(
        workflow_execution_options=workflow.WorkflowExecutionOptions(
            priority=common.Priority(priority_key=walk.rng.randrange(4))
        ),
        update_mask=field_mask_pb2.FieldMask(paths=["priority"]),
    )
    return types.UpdateOptions(message, walk.run_id())


def pause(walk: Walk) -> Any:
    request_id = walk.rng.choice(("p1", "p2"))
    paused = walk.chain is not None and walk.chain.current.run.paused is not None
    if walk.rng.random() < (0.2 if paused else 0.8):
        return types.PauseRun(ws.PauseWorkflowExecutionRequest(request_id=request_id), walk.run_id())
    return types.UnpauseRun(ws.UnpauseWorkflowExecutionRequest(request_id=request_id), walk.run_id())


def operate(walk: Walk) -> Any:
    rng = walk.rng
    named: dict[str, Any] = rng.choice(({"id": "a"}, {"id": "b"}, {"type": "Act"}, {}))
    kind = rng.randrange(4)
    message: Any
    if kind == 0:
        message = ws.PauseActivityRequest(request_id=rng.choice(("p1", "p2")), **named)
    elif kind == 1:
        message = ws.UnpauseActivityRequest(reset_attempts=rng.random() < 0.5, reset_heartbeat=True, **named)
    elif kind == 2:
        message = ws.ResetActivityRequest(
            keep_paused=rng.random() < 0.5,
            reset_heartbeat=rng.random() < 0.5,
            restore_original_options=True,
            **named,
        )
    else:
        options = wire_activity.ActivityOptions(start_to_close_timeout=walk_commands.length(rng, 1, 9))
        message = ws.UpdateActivityOptionsRequest(
            activity_options=options,
            update_mask=field_mask_pb2.FieldMask(paths=["start_to_close_timeout"]),
            **named,
        )
    return types.OperateActivities(message, walk.run_id())


def reset(walk: Walk) -> Any:
    if not walk.histories:
        return None
    current = walk.chain.current.run.run_id if walk.chain is not None else ""
    base = (
        current
        if walk.rng.random() < 0.8 and current in walk.histories
        else walk.rng.choice(list(walk.histories))
    )
    events = walk.histories[base]
    ends = [event.event_id for event in events if event.event_type in (6, 7, 8, 9)]
    if ends and walk.rng.random() < 0.9:
        finish_id = walk.rng.choice(ends) + walk.rng.choice((0, 0, 1))
    else:
        finish_id = walk.rng.randrange(len(events) + 2)
    message = ws.ResetWorkflowExecutionRequest(
        workflow_task_finish_event_id=finish_id, request_id=f"reset-{walk.rng.randrange(8)}", reason="again"
    )
    followers: list[Any] = []
    last = events
    while last and last[-1].event_type == 28:
        following = last[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
        last = walk.histories.get(following, [])
        followers.append((following, tuple(last)))
    return types.Reset(message, base, tuple(events), tuple(followers))


# ---- workers ------------------------------------------------------------------------------------------------------------


def poll(walk: Walk) -> Any:
    """Take what is offered; sometimes an offer that is out of date, sometimes one taken before."""
    if walk.chain is None or walk.agenda is None:
        return None
    offers = list(agenda.dispatches(walk.chain, walk.agenda))
    if not offers:
        return None
    offer = offers[0] if walk.rng.random() < 0.5 else walk.rng.choice(offers)
    stamp = offer.stamp + (walk.rng.random() < 0.02)
    request_id = f"poll-{walk.rng.randrange(10**9)}"
    if offer.kind is types.DispatchKind.ACTIVITY:
        return types.StartActivityTask(
            offer.run_id, offer.scheduled_id, offer.attempt, stamp, "worker", request_id
        )
    sticky = bool(offer.normal_queue) and walk.rng.random() < 0.7
    queue = offer.queue if sticky else offer.normal_queue or offer.queue
    return types.StartWorkflowTask(
        offer.run_id, offer.scheduled_id, offer.attempt, stamp, queue, sticky, "worker", request_id
    )


def refuse_sticky(walk: Walk) -> Any:
    offer = agenda.task_dispatch(walk.chain.current) if walk.chain is not None else None
    if offer is None or not offer.normal_queue:
        return types.ResetSticky(walk.run_id())
    return types.StickyRefused(offer.run_id, offer.scheduled_id, offer.attempt, offer.stamp)


def complete_task(walk: Walk) -> Any:
    token, rng = walk.token(), walk.rng
    if token is None:
        return None
    message = ws.RespondWorkflowTaskCompletedRequest(
        identity="worker",
        return_new_workflow_task=rng.random() < 0.3,
        force_create_new_workflow_task=rng.random() < 0.15,
        binary_checksum=rng.choice(("", "", "b1")),
    )
    message.capabilities.discard_speculative_workflow_task_with_events = rng.random() < 0.5
    if rng.random() < 0.5:
        message.sticky_attributes.worker_task_queue.name = STICKY
        message.sticky_attributes.schedule_to_start_timeout.seconds = 5
    keep = rng.random() < 0.2
    if keep:
        message.force_create_new_workflow_task = True
        message.commands.extend(walk_commands.marker(rng) for _ in range(rng.choice((0, 1, 1, 3))))
        message.sdk_metadata.lang_used_flags.extend([1] if rng.random() < 0.1 else [])
    elif rng.random() < 0.7:
        message.commands.extend(walk_commands.commands(rng, walk.chain, token))
    known = walk.chain.current if walk.chain is not None else None
    for update_id in dict.fromkeys(walk.updates[-2:]):
        waits = known is not None and (update_id in known.pending_updates or update_id in known.updates)
        if rng.random() < (0.7 if waits else 0.03):
            for part in answers(rng, update_id):
                if rng.random() < 0.3:
                    place = wire_command.Command(command_type=14)  # type: ignore[arg-type]
                    place.protocol_message_command_attributes.message_id = part.id
                    message.commands.insert(0, place)
                message.messages.append(part)
    for query_id in walk.queries[-2:]:
        if rng.random() < 0.6:
            message.query_results[query_id].result_type = rng.choice((1, 2))  # type: ignore[assignment]
    return types.CompleteWorkflowTask(token, message, keep=keep, endpoints={"e": OTHER_RUN})


def answers(rng: random.Random, update_id: str) -> list[protocol.Message]:
    request = f"{update_id}/request"
    acceptance = wire_update.Acceptance(
        accepted_request_message_id=request, accepted_request_sequencing_event_id=5
    )
    if rng.random() < 0.3:
        acceptance.accepted_request.meta.update_id = update_id
    rejection = wire_update.Rejection(failure=boom())
    response = wire_update.Response(meta=wire_update.Meta(update_id=update_id))
    response.outcome.success.CopyFrom(payloads())
    chosen = rng.choice(([acceptance], [acceptance, response], [rejection], [response]))
    result = []
    for position, part in enumerate(chosen):
        body = any_pb2.Any()
        body.Pack(part)
        result.append(
            protocol.Message(id=f"{update_id}/{position}", protocol_instance_id=update_id, body=body)
        )
    return result


def fail_task(walk: Walk) -> Any:
    token = walk.token()
    if token is None:
        return None
    cause = 36 if walk.rng.random() < 0.05 else 24
    message = ws.RespondWorkflowTaskFailedRequest(identity="worker", cause=cause, failure=boom())  # type: ignore[arg-type]
    return types.FailWorkflowTask(token, message)


def report_activity(walk: Walk) -> Any:
    token, rng = walk.activity_token(), walk.rng
    if token is None:
        return None
    kind = rng.randrange(4)
    if kind == 0:
        return types.Heartbeat(token, payloads(), "worker")
    if kind == 1:
        return types.CompleteActivity(token, payloads(), "worker")
    if kind == 2:
        return types.FailActivity(token, boom(non_retryable=rng.random() < 0.3), "worker")
    return types.CancelActivity(token, payloads(), "worker")


# ---- the world ----------------------------------------------------------------------------------------------------------


def lose_workers(walk: Walk) -> Any:
    """All workers are gone, or only those that have been at it for a while."""
    return types.WorkersLost(walk.now - walk.rng.choice((-1, 0, 5)) * SECOND)


def take_back(walk: Walk) -> Any:
    """The poller of something started has never got it."""
    if walk.chain is None:
        return None
    state = walk.chain.current
    started = [one for one in state.activities.values() if one.started]
    task = state.run.task
    if task is not None and task.started and (not started or walk.rng.random() < 0.3):
        return types.Unclaimed(state.run.run_id, task.scheduled_id, task.request_id)
    if not started:
        return None
    one = walk.rng.choice(started)
    return types.Unclaimed(state.run.run_id, one.scheduled_id, one.request_id)


def tick(walk: Walk) -> Any:
    """The alarm, rung in time or late; sometimes for no reason."""
    if walk.chain is None or walk.agenda is None:
        return types.Tick(run_id="")
    due = walk.agenda.next_due(walk.chain)
    if due and due > walk.now and walk.rng.random() < 0.6:
        walk.now = due
    activities, timers, operations = walk.agenda.take_due(walk.chain, walk.now)
    return types.Tick(activities, timers, nexus=operations)


def deliver(walk: Walk) -> Any:
    """An answer to a message of this chain; sometimes once more."""
    rng = walk.rng
    if walk.chain is None or not walk.chain.out:
        return types.Delivered(rng.choice(walk.delivered), True, None) if walk.delivered else None
    message = walk.chain.out[rng.choice(sorted(walk.chain.out))]
    walk.delivered.append(message.out_id)
    if rng.random() < 0.3:
        reason = rng.choice((types.Reason.NOT_FOUND, types.Reason.UNAVAILABLE, types.Reason.ALREADY_STARTED))
        return types.Delivered(message.out_id, None, types.Rejected(reason, "no"))
    reply: Any = True
    if is_for_handler(message):
        reply = walk_commands.handler_answer(rng)
    elif message.kind == Out.START_CHILD:
        reply = types.StartReply(OTHER_RUN, OTHER_RUN, True, 1)
    return types.Delivered(message.out_id, reply, None)


def hear_child(walk: Walk) -> Any:
    if walk.chain is None or not walk.chain.current.children:
        return None
    child = walk.chain.current.children[walk.rng.choice(sorted(walk.chain.current.children))]
    event = walk_commands.child_end(walk.rng)
    execution = common.WorkflowExecution(workflow_id=child.workflow_id, run_id=child.run_id or OTHER_RUN)
    return types.ChildClosed(walk.chain.current.run.run_id, child.initiated_id, execution, "Child", event)


def hear_operation(walk: Walk) -> Any:
    """What backs a Nexus operation has ended; sometimes it is heard twice."""
    rng = walk.rng
    if walk.chain is None or not walk.chain.current.nexus:
        return None
    item = walk.chain.current.nexus[rng.choice(sorted(walk.chain.current.nexus))]
    outcome = rng.choice((Outcome.SUCCEEDED, Outcome.FAILED, Outcome.CANCELED))
    reason = None if outcome is Outcome.SUCCEEDED else boom()
    request_id = item.request_id if rng.random() < 0.9 else "of another"
    return CompleteNexus(item.scheduled_id, request_id, outcome, reason=reason, token="early")


def first_task(walk: Walk) -> Any:
    return types.FirstTask("", ParentLink("default", NAMESPACE.id, "parent", OTHER_RUN, 5))


WEIGHTED: dict[Callable[[Walk], Any], float] = {
    start: 2,
    signal: 2,
    signal_with_start: 0.7,
    update: 2.5,
    update_with_start: 0.5,
    ask_update: 0.5,
    cancel: 0.4,
    terminate: 0.15,
    query: 1,
    drop_query: 0.3,
    describe: 0.5,
    delete: 0.08,
    expire_run: 0.1,
    change_options: 0.5,
    pause: 0.7,
    operate: 1,
    reset: 0.7,
    poll: 2,
    refuse_sticky: 0.5,
    complete_task: 2,
    fail_task: 1.2,
    report_activity: 3,
    tick: 3.5,
    lose_workers: 0.3,
    take_back: 0.3,
    deliver: 1.5,
    hear_child: 0.7,
    hear_operation: 0.7,
    first_task: 0.3,
}
ASKS = list(WEIGHTED)
WEIGHTS = list(WEIGHTED.values())
