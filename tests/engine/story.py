"""Stories: a tiny line language in which a run's reference histories are told, and retold.

A line ``> verb words name=value`` is a request; the lines below it, up to the next request or comment, are what it answers.
``> @other verb`` speaks to the workflow ``other``; without a name it is ``w``. The same text comes out of `retold`
when the engine still answers the same.
"""

from collections.abc import Callable, Iterator
from typing import Any

from tenuto.engine import types
from tenuto.limits import SECOND
from tenuto.wire import any_pb2, common, duration_pb2, protocol
from tenuto.wire import command as wire_command
from tenuto.wire import query as wire_query
from tenuto.wire import update as wire_update
from tenuto.wire import workflowservice as ws
from tests.engine.activities import boom
from tests.engine.story_commands import command
from tests.engine.story_events import Names, line
from tests.engine.support import World, activity_token, payloads, short, start_message, token_of
from tests.engine.worlds import Worlds

Words = list[str]
Options = dict[str, str]


def retold(text: str) -> str:
    """The story with the answers it gets now."""
    return "\n".join(_Teller().tell(text.splitlines())) + "\n"


class _Teller:
    def __init__(self) -> None:
        self._worlds = Worlds()
        self._names = Names()
        self._tasks: dict[str, types.WorkflowTaskHandout] = {}
        self._attempts: dict[str, types.ActivityHandout] = {}

    def tell(self, lines: list[str]) -> Iterator[str]:
        for text in lines:
            if text.startswith("> "):
                yield text
                yield from self._answer(text[2:])
            elif not text or text.startswith("#"):
                yield text

    def _answer(self, request: str) -> Iterator[str]:
        workflow_id, rest = "w", request
        if request.startswith("@"):
            workflow_id, _, rest = request[1:].partition(" ")
        verb, _, tail = rest.partition(" ")
        words = [word for word in tail.split() if "=" not in word]
        options = dict(word.split("=", 1) for word in tail.split() if "=" in word)
        world = self._worlds[workflow_id]
        method: Callable[..., Iterator[str] | None] = getattr(self, "_do_" + verb.replace("-", "_"))
        try:
            yield from method(world, words, options) or ()
        except types.Rejected as refusal:
            yield self._names.hide(f"refused {refusal.reason.name}: {refusal.message}")

    # ---- clients --------------------------------------------------------------------------------------------------------

    def _do_start(self, world: World, words: Words, options: Options) -> Iterator[str] | None:
        message = _start_message(world, options)
        message.request_eager_execution = "eager" in words
        if "attach" in words:
            message.on_conflict_options.attach_request_id = True
        reply = world.ask(types.Start(message))
        if reply.handout is not None:
            return self._handed(world, reply.handout)
        return None if reply.started else iter(["attached"])

    def _do_signal(self, world: World, words: Words, options: Options) -> None:
        """``signal name [times=n]``"""
        for _ in range(int(options.get("times", 1))):
            world.signal(words[0], options.get("request", ""))

    def _do_cancel_request(self, world: World, words: Words, options: Options) -> None:
        world.ask(
            types.RequestCancel(ws.RequestCancelWorkflowExecutionRequest(reason="stop", identity="client"))
        )

    def _do_terminate(self, world: World, words: Words, options: Options) -> None:
        world.ask(types.Terminate(ws.TerminateWorkflowExecutionRequest(reason="enough", identity="client")))

    def _do_update(self, world: World, words: Words, options: Options) -> None:
        message = ws.UpdateWorkflowExecutionRequest()
        message.request.meta.update_id, message.request.input.name = words[0], "change"
        world.ask(types.Update(message))

    def _do_outcome(self, world: World, words: Words, options: Options) -> Iterator[str]:
        for notice in world.notices:
            if isinstance(notice, types.UpdateNotice) and notice.update_id == words[0]:
                failed = notice.outcome.failure.message if notice.outcome is not None else ""
                error = notice.error.message if notice.error is not None else ""
                yield " ".join(filter(None, [f"stage {notice.stage}", failed, error]))

    def _do_query(self, world: World, words: Words, options: Options) -> Iterator[str]:
        message = ws.QueryWorkflowRequest(query=wire_query.WorkflowQuery(query_type="state"))
        reply = world.ask(types.Query(message, words[0]))
        yield "direct" if reply.direct else "buffered"

    def _do_reset(self, world: World, words: Words, options: Options) -> None:
        message = ws.ResetWorkflowExecutionRequest(
            workflow_task_finish_event_id=int(words[0]), reason="again", request_id="reset-request"
        )
        world.ask(types.Reset(message, "", tuple(world.history)))

    def _do_requests(self, world: World, words: Words, options: Options) -> Iterator[str]:
        assert world.chain is not None
        for request_id, (kind, event_id) in world.chain.current.run.request_ids.items():
            yield f"{request_id}: event {event_id} of type {kind}"

    # ---- workers --------------------------------------------------------------------------------------------------------

    def _do_poll(self, world: World, words: Words, options: Options) -> Iterator[str]:
        return self._handed(world, world.poll(options.get("sticky", "")))

    def _handed(self, world: World, handout: types.WorkflowTaskHandout) -> Iterator[str]:
        self._tasks[world.key[1]] = handout
        parts = [
            f"task {handout.scheduled_id},{handout.started_id}",
            f"previous {handout.previous_started_id}",
        ]
        if handout.attempt > 1:
            parts.append(f"attempt {handout.attempt}")
        parts.append(f"events {handout.first_event_id}..{handout.last_event_id}")
        if handout.virtual:
            parts.append(
                "virtual " + " ".join(f"{event.event_id} {short(event)}" for event in handout.virtual)
            )
        parts += [f"message {message.id}" for message in handout.messages]
        parts += [f"query {query_id}" for query_id in handout.queries]
        yield ", ".join(parts)

    def _do_complete(self, world: World, words: Words, options: Options) -> Iterator[str]:
        """``complete [new] [force] [sticky=q] [: command + command …]``; commands as `story_commands` reads them."""
        flags, _, said = " ".join(words).partition(":")
        message = ws.RespondWorkflowTaskCompletedRequest(identity="worker")
        message.return_new_workflow_task = "new" in flags.split()
        message.force_create_new_workflow_task = "force" in flags.split()
        message.capabilities.discard_speculative_workflow_task_with_events = True
        if "sticky" in options:
            message.sticky_attributes.worker_task_queue.name = options["sticky"]
            message.sticky_attributes.schedule_to_start_timeout.seconds = 10
        for part in filter(None, (part.strip() for part in said.split("+"))):
            verb, *rest = part.split()
            if verb in ("accept", "reject", "respond"):
                message.messages.append(_protocol(verb, rest[0]))
            elif verb == "place":
                message.commands.append(_placed(rest[0]))
            elif verb == "answer":
                message.query_results[rest[0]].result_type = 1  # type: ignore[assignment]
            else:
                message.commands.append(command(world, verb, rest))
        reply = world.ask(types.CompleteWorkflowTask(token_of(self._tasks[world.key[1]]), message))
        if reply.reset_history_event_id:
            yield f"back to event {reply.reset_history_event_id}"
        if reply.next_task is not None:
            yield from self._handed(world, reply.next_task)

    def _do_fail_task(self, world: World, words: Words, options: Options) -> None:
        message = ws.RespondWorkflowTaskFailedRequest(
            identity="worker",
            cause=24,  # type: ignore[arg-type]
            failure=boom("oops"),
        )
        world.ask(types.FailWorkflowTask(token_of(self._tasks[world.key[1]]), message))

    def _do_poll_activity(self, world: World, words: Words, options: Options) -> Iterator[str]:
        handout = world.poll_activity()
        self._attempts[handout.activity.activity_id] = handout
        yield f"activity {handout.activity.activity_id}, attempt {handout.activity.attempt}"

    def _do_finish(self, world: World, words: Words, options: Options) -> None:
        world.ask(types.CompleteActivity(activity_token(self._attempts[words[0]]), payloads(), "worker"))

    def _do_fail_activity(self, world: World, words: Words, options: Options) -> None:
        world.ask(types.FailActivity(activity_token(self._attempts[words[0]]), boom(), "worker"))

    # ---- the world ------------------------------------------------------------------------------------------------------

    def _do_pass(self, world: World, words: Words, options: Options) -> None:
        """``pass 1.5``: so many seconds go by."""
        world.pass_time(round(float(words[0]) * SECOND))

    def _do_deliver(self, world: World, words: Words, options: Options) -> None:
        """All messages reach their receivers, and the answers their senders."""
        self._worlds.settle()

    def _do_history(self, world: World, words: Words, options: Options) -> Iterator[str]:
        """``history [run=n] [from=id]``: the current run's, or the n-th's."""
        for run_id in world.histories:
            self._names.learn(run_id)
        runs = list(world.histories)
        run_id = runs[int(options["run"]) - 1] if "run" in options else world.run_id
        for event in world.histories[run_id][int(options.get("from", 1)) - 1 :]:
            yield line(event, self._names)


def _start_message(world: World, options: Options) -> ws.StartWorkflowExecutionRequest:
    fields: dict[str, Any] = {"request_id": options.get("request", f"start-{world.key[1]}")}
    for name, field in (
        ("run_timeout", "workflow_run_timeout"),
        ("execution_timeout", "workflow_execution_timeout"),
        ("delay", "workflow_start_delay"),
    ):
        if name in options:
            fields[field] = duration_pb2.Duration(seconds=int(options[name]))
    if "retries" in options:
        fields["retry_policy"] = common.RetryPolicy(maximum_attempts=int(options["retries"]))
    if "cron" in options:
        fields["cron_schedule"] = options["cron"].replace("_", " ")
    if "conflict" in options:
        fields["conflict"] = {"fail": 1, "use": 2, "terminate": 3}[options["conflict"]]
    return start_message(world.key[1], **fields)


def _placed(message_id: str) -> wire_command.Command:
    made = wire_command.Command(command_type=14)  # type: ignore[arg-type]
    made.protocol_message_command_attributes.message_id = message_id
    return made


def _protocol(verb: str, update_id: str) -> protocol.Message:
    content: Any
    if verb == "accept":
        content = wire_update.Acceptance(
            accepted_request_message_id=f"{update_id}/request", accepted_request_sequencing_event_id=5
        )
    elif verb == "reject":
        content = wire_update.Rejection(failure=boom("no"))
    else:
        content = wire_update.Response(meta=wire_update.Meta(update_id=update_id))
        content.outcome.success.CopyFrom(payloads())
    body = any_pb2.Any()
    body.Pack(content)
    return protocol.Message(id=f"{update_id}/{verb}", protocol_instance_id=update_id, body=body)
