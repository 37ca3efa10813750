"""A chain on its own, driven request by request: the engine without a shard.

`World` decides requests in sequence, folds the drafts, checks the engine's laws after each, and keeps what a host would
have published.
"""

import copy
from typing import Any

from tenuto.engine import agenda, codec, types
from tenuto.engine.chain import Chain, ClosedRun
from tenuto.engine.draft import Draft
from tenuto.engine.events import E
from tenuto.engine.table import decide
from tenuto.limits import DAY, SECOND
from tenuto.wire import command as wire_command
from tenuto.wire import common, history
from tenuto.wire import workflowservice as ws

START_AT = 1_700_000_000 * SECOND
NAMESPACE = types.Namespace("00000000-0000-4000-8000-000000000001", "default", DAY)


class World:
    """One chain, its history, and a clock that moves only by ``pass_time``."""

    def __init__(self, workflow_id: str = "w", namespace: types.Namespace = NAMESPACE) -> None:
        self.key = (namespace.id, workflow_id)
        self.namespace = namespace
        self.now = START_AT
        self.chain: Chain | None = None
        self.agenda: agenda.Agenda | None = None
        self.histories: dict[str, list[history.HistoryEvent]] = {}
        self.closed: dict[str, ClosedRun] = {}
        self.notices: list[types.Notice] = []
        self.last: Draft | None = None
        self._task_id = 1
        self._seed = 0

    # ---- driving --------------------------------------------------------------------------------------------------------

    def ask(self, request: Any) -> Any:
        """Decide and fold; the reply. A refusal that commits (a `Rejected` as reply) is raised after the fold."""
        self._seed += 1
        stamp = types.Stamp(self.now, self._seed.to_bytes(16, "little"), self._task_id, self.namespace)
        before = fingerprint(self.chain)
        draft = decide(self.key, self.chain, request, stamp, dict(self.closed))
        assert fingerprint(self.chain) == before, "decide has mutated its input"
        again = decide(self.key, self.chain, request, stamp, dict(self.closed))
        assert [row for rd in again.runs for row in rd.rows] == [row for rd in draft.runs for row in rd.rows]
        self._take(draft)
        if isinstance(draft.reply, types.Rejected):
            raise draft.reply
        return draft.reply

    def _take(self, draft: Draft) -> None:
        self.last = draft
        self._task_id = draft.next_task_id
        self.notices.extend(draft.notices)
        for rd in draft.runs:
            for _, _, raw in rd.rows:
                self.histories.setdefault(rd.run.run_id, []).extend(history.History.FromString(raw).events)
            if not rd.run.open and rd.changed:
                self.closed[rd.run.run_id] = codec.decode_closed(codec.encode_closed(rd))
        for record in draft.amended_runs:
            self.closed[record.run.run_id] = record
        for run_id in draft.deleted_runs:
            self.closed.pop(run_id, None)
            self.histories.pop(run_id, None)
        self.chain = draft.fold()
        if self.chain is None:
            self.agenda = None
        elif self.agenda is None:
            self.agenda = agenda.Agenda(self.chain, self.now)
        else:
            self.agenda.renew(draft, self.chain)
        self.check_laws()

    def check_laws(self) -> None:
        """Ids are contiguous; what is reloaded equals what lives; its agenda too."""
        for events in self.histories.values():
            assert [event.event_id for event in events] == list(range(1, len(events) + 1)), (
                "event ids have a gap"
            )
        if self.chain is None:
            return
        run = self.chain.current.run
        if not run.delete_at_close:
            assert run.next_event_id == len(self.histories[run.run_id]) + 1
        reloaded = reload(self.chain)
        assert fingerprint(reloaded, durable=True) == fingerprint(self.chain, durable=True), (
            "reloading changes state"
        )
        assert self.agenda is not None
        fresh = agenda.Agenda(self.chain, self.now)
        assert fresh.ready == self.agenda.ready, "ready activities differ from those derived"
        assert fresh.started == self.agenda.started, "activities in hand differ from those derived"
        assert fresh.next_due(self.chain) == self.agenda.next_due(self.chain), (
            "the alarm differs from the one derived"
        )

    def pass_time(self, ns: int) -> None:
        """Let time pass, ringing the chain's alarm whenever it is due."""
        target = self.now + ns
        while self.chain is not None and self.agenda is not None:
            due = self.agenda.next_due(self.chain)
            if not due or due > target:
                break
            self.now = max(self.now, due)
            activities, timers, operations = self.agenda.take_due(self.chain, self.now)
            self.ask(types.Tick(activities, timers, nexus=operations))
        self.now = target

    # ---- shorthand ------------------------------------------------------------------------------------------------------

    @property
    def run_id(self) -> str:
        assert self.chain is not None
        return self.chain.current.run.run_id

    @property
    def history(self) -> list[history.HistoryEvent]:
        return self.histories[self.run_id]

    def names(self, run_id: str = "") -> list[str]:
        """Event types of a run, shortened as in the reference's appendix B."""
        return [short(event) for event in self.histories[run_id or self.run_id]]

    def start(self, **fields: Any) -> types.StartReply:
        message = start_message(self.key[1], **fields)
        reply: types.StartReply = self.ask(types.Start(message))
        return reply

    def poll(self, sticky: str = "", identity: str = "worker") -> types.WorkflowTaskHandout:
        """Take the workflow task that is owed."""
        assert self.chain is not None
        owed = agenda.task_dispatch(self.chain.current)
        assert owed is not None, "no workflow task is owed"
        handout: types.WorkflowTaskHandout = self.ask(
            types.StartWorkflowTask(
                owed.run_id,
                owed.scheduled_id,
                owed.attempt,
                owed.stamp,
                sticky or owed.normal_queue or owed.queue,
                bool(sticky),
                identity,
                f"poll-{self._seed}",
            )
        )
        return handout

    def respond(
        self, handout: types.WorkflowTaskHandout, *commands: wire_command.Command, **fields: Any
    ) -> types.TaskCompleted:
        message = ws.RespondWorkflowTaskCompletedRequest(identity="worker", commands=commands, **fields)
        reply: types.TaskCompleted = self.ask(types.CompleteWorkflowTask(token_of(handout), message))
        return reply

    def step(self, *commands: wire_command.Command, **fields: Any) -> types.TaskCompleted:
        """Poll and complete in one go."""
        return self.respond(self.poll(), *commands, **fields)

    def signal(self, name: str = "s", request_id: str = "") -> types.SignalReply:
        message = ws.SignalWorkflowExecutionRequest(
            signal_name=name, identity="client", request_id=request_id
        )
        reply: types.SignalReply = self.ask(types.Signal(message))
        return reply

    def poll_activity(self, identity: str = "worker") -> types.ActivityHandout:
        """Take the oldest activity task that is owed."""
        assert self.chain is not None and self.agenda is not None
        for owed in agenda.dispatches(self.chain, self.agenda):
            if owed.kind is types.DispatchKind.ACTIVITY:
                handout: types.ActivityHandout = self.ask(
                    types.StartActivityTask(
                        owed.run_id,
                        owed.scheduled_id,
                        owed.attempt,
                        owed.stamp,
                        identity,
                        f"poll-{self._seed}",
                    )
                )
                return handout
        raise AssertionError("no activity task is owed")


def start_message(workflow_id: str, **fields: Any) -> ws.StartWorkflowExecutionRequest:
    """A start request as the service hands it on: defaults filled in."""
    message = ws.StartWorkflowExecutionRequest(
        workflow_id=workflow_id,
        identity="client",
        request_id=fields.pop("request_id", "start-request"),
        workflow_id_reuse_policy=fields.pop("reuse", 1),
        workflow_id_conflict_policy=fields.pop("conflict", 1),
        **fields,
    )
    message.workflow_type.name = message.workflow_type.name or "Flow"
    message.task_queue.name = message.task_queue.name or "queue"
    return message


def token_of(handout: types.WorkflowTaskHandout) -> types.TaskToken:
    return types.TaskToken(
        handout.run_id, handout.scheduled_id, handout.started_id, handout.started_at, handout.attempt
    )


def activity_token(handout: types.ActivityHandout) -> types.ActivityToken:
    item = handout.activity
    return types.ActivityToken(
        handout.run_id, item.scheduled_id, item.activity_id, item.attempt, item.started_at
    )


def payloads(data: bytes = b'"x"') -> common.Payloads:
    result = common.Payloads()
    result.payloads.add(data=data).metadata["encoding"] = b"json/plain"
    return result


def reload(chain: Chain) -> Chain:
    """The chain as the store would give it back."""
    state = chain.current
    parts: dict[str, bytes] = {"terms": codec.encode_value(state.terms)}
    for letter, table in (
        ("a", state.activities),
        ("t", state.timers),
        ("c", state.children),
        ("e", state.externals),
        ("u", state.updates),
        ("o", chain.out),
        ("n", state.nexus),
        ("z", state.schedule),
    ):
        for key, value in table.items():
            parts[f"{letter}/{key}"] = codec.encode_value(value)
    parts.update({f"s/{key}": b"" for key in state.signal_ids})
    parts.update({f"b/{key}": raw for key, raw in state.buffer.items()})
    return codec.decode_chain(chain.key, codec.encode_header(chain), parts)


def fingerprint(chain: Chain | None, durable: bool = False) -> Any:
    """State as comparable values; ``durable``: without what lives only in memory."""
    if chain is None:
        return None
    state = chain.current
    run = codec.durable(state.run) if durable else state.run
    facts: list[Any] = [copy.deepcopy(run), copy.deepcopy(state.terms), dict(state.activity_ids)]
    tables = (state.activities, state.timers, state.children, state.externals, state.nexus, state.updates)
    for table in (*tables, chain.out):
        facts.append({key: copy.deepcopy(value) for key, value in table.items()})
    facts += [sorted(state.signal_ids), dict(state.buffer), chain.out_sequence, copy.deepcopy(state.schedule)]
    if not durable:
        facts += [sorted(state.pending_updates), sorted(state.queries), state.close_attempted]
    return facts


_SHORT = {
    "WORKFLOW_EXECUTION": "WF",
    "WORKFLOW_TASK": "WFT",
    "ACTIVITY_TASK": "ACT",
}


def short(event: history.HistoryEvent) -> str:
    name = E.Name(event.event_type).removeprefix("EVENT_TYPE_")
    for long, abbreviation in _SHORT.items():
        if name.startswith(long):
            return abbreviation + name.removeprefix(long)
    return name
