"""The workflows of the simulation: small programs, each a list of stages drawn from a seed.

What a program does next follows from its run's history alone: a stage's items that history does not show are asked for; when
a stage is settled the next one begins; after the last stage the run closes. So any worker can continue any run at any time.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from tenuto.sim.wording import attributes_of, duration, event_name, payload, payloads, value_of
from tenuto.wire import command, common, history
from tenuto.wire import enums_command as kinds

MS = 1_000_000
SECOND = 1_000 * MS
QUEUE = "sim"
GUARD_NS = 400 * SECOND
"""How long a run waits for children when resets happen: a reset run may know children whose end nobody will report."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing a stage wants. ``name`` marks it in history."""

    kind: str
    name: str
    seed: int


@dataclass(frozen=True, slots=True)
class Stage:
    items: tuple[Item, ...]
    race: bool = False
    """Settled by its first settled item; the others are cancelled."""
    signals: int = 0
    """Also settled when the run has had this many signals."""


@dataclass(slots=True)
class Seen:
    """What a history says about a program."""

    issued: set[str] = field(default_factory=set)
    settled: set[str] = field(default_factory=set)
    cancelling: set[str] = field(default_factory=set)
    ids: dict[int, str] = field(default_factory=dict)
    """Initiating event id -> item name."""
    signals: int = 0
    cancel_requested: bool = False
    accepted: dict[str, Any] = field(default_factory=dict)
    """Update id -> its request, accepted and not completed."""
    input: dict[str, Any] = field(default_factory=dict)
    last: history.HistoryEvent | None = None


_SETTLED_BY_SCHEDULED = {
    "ACTIVITY_TASK_COMPLETED",
    "ACTIVITY_TASK_FAILED",
    "ACTIVITY_TASK_TIMED_OUT",
    "ACTIVITY_TASK_CANCELED",
}
_SETTLED_BY_INITIATED = {
    "START_CHILD_WORKFLOW_EXECUTION_FAILED",
    "CHILD_WORKFLOW_EXECUTION_COMPLETED",
    "CHILD_WORKFLOW_EXECUTION_FAILED",
    "CHILD_WORKFLOW_EXECUTION_CANCELED",
    "CHILD_WORKFLOW_EXECUTION_TIMED_OUT",
    "CHILD_WORKFLOW_EXECUTION_TERMINATED",
    "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED",
    "EXTERNAL_WORKFLOW_EXECUTION_SIGNALED",
    "REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED",
    "EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED",
}
_INITIATED = {
    "START_CHILD_WORKFLOW_EXECUTION_INITIATED",
    "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED",
    "REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED",
}


def look(seen: Seen, event: history.HistoryEvent) -> None:
    """Take one more event in."""
    seen.last = event
    name = event_name(event)
    facts = attributes_of(event)
    if name == "WORKFLOW_EXECUTION_STARTED":
        seen.input = value_of(facts.input) or {}
    elif name == "ACTIVITY_TASK_SCHEDULED":
        seen.issued.add(facts.activity_id)
        seen.ids[event.event_id] = facts.activity_id
    elif name == "ACTIVITY_TASK_CANCEL_REQUESTED":
        seen.cancelling.add(seen.ids[facts.scheduled_event_id])
    elif name in _SETTLED_BY_SCHEDULED:
        seen.settled.add(seen.ids[facts.scheduled_event_id])
    elif name == "TIMER_STARTED":
        seen.issued.add(facts.timer_id)
    elif name in {"TIMER_FIRED", "TIMER_CANCELED"}:
        seen.settled.add(facts.timer_id)
    elif name in _INITIATED:
        seen.issued.add(facts.control)
        seen.ids[event.event_id] = facts.control
    elif (
        name == "CHILD_WORKFLOW_EXECUTION_STARTED" and seen.ids[facts.initiated_event_id].endswith("!")
    ) or name in _SETTLED_BY_INITIATED:
        seen.settled.add(seen.ids[facts.initiated_event_id])
    elif name == "MARKER_RECORDED":
        seen.issued.add(facts.marker_name)
        seen.settled.add(facts.marker_name)
    elif name == "WORKFLOW_PROPERTIES_MODIFIED":
        for key in facts.upserted_memo.fields:
            seen.issued.add(key)
            seen.settled.add(key)
    elif name == "WORKFLOW_EXECUTION_SIGNALED":
        seen.signals += 1
    elif name == "WORKFLOW_EXECUTION_CANCEL_REQUESTED":
        seen.cancel_requested = True
    elif name == "WORKFLOW_EXECUTION_UPDATE_ACCEPTED":
        seen.accepted[facts.protocol_instance_id] = facts.accepted_request
    elif name == "WORKFLOW_EXECUTION_UPDATE_COMPLETED":
        seen.accepted.pop(facts.meta.update_id, None)


class Program:
    """The plan of one run. ``targets`` are workflow ids it may signal or cancel."""

    def __init__(self, given: dict[str, Any], workflow_id: str) -> None:
        self.given = given
        self.workflow_id = workflow_id
        self.depth = int(given.get("depth", 0))
        self.generation = int(given.get("generation", 0))
        self._chance = chance = Random(f"program {given.get('seed')} {self.generation}")
        self.heeds_cancel = chance.random() < 0.7
        self.stages = [self._stage(number) for number in range(chance.randint(0, 4 if not self.depth else 2))]
        self.ending = chance.choice(("complete", "complete", "fail", "continue"))

    def _stage(self, number: int) -> Stage:
        chance = self._chance
        kind = chance.choice(self._kinds())
        if kind == "race":
            wanted = ["timer", "activity"]
        elif kind == "signals":
            wanted = ["timer"]
        elif kind == "mixed":
            wanted = [
                chance.choice(("activity", "timer", "marker", "memo")) for _ in range(chance.randint(2, 5))
            ]
        else:
            wanted = [kind] * chance.randint(1, 3)
        items = tuple(
            Item(one, f"{one[0]}{self.generation}.{number}.{place}", chance.getrandbits(32))
            for place, one in enumerate(wanted)
        )
        guarded = kind == "child" and bool(self.given.get("guard"))
        if kind == "child":
            items = tuple(Item(i.kind, i.name + ("!" if i.seed % 3 == 0 else ""), i.seed) for i in items)
        if guarded:
            items += (Item("guard", f"g{self.generation}.{number}", 0),)
        return Stage(items, kind == "race", chance.randint(1, 3) if kind == "signals" else 0)

    def _kinds(self) -> list[str]:
        known = ["activity", "activity", "timer", "race", "signals", "mixed", "marker"]
        if self.given.get("targets"):
            known += ["signal", "xcancel"]
        if self.given.get("children") and self.depth < 2:
            known += ["child", "child"]
        return known

    def commands(self, seen: Seen) -> tuple[list[command.Command], bool]:
        """What the run asks for now, and whether it closes with it."""
        if seen.cancel_requested and self.heeds_cancel:
            made = command.Command(command_type=kinds.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION)
            made.cancel_workflow_execution_command_attributes.SetInParent()
            return [made], True
        asked: list[command.Command] = []
        for stage in self.stages:
            for item in stage.items:
                if item.name not in seen.issued:
                    asked.append(self._command(item))
                    if item.kind in {"marker", "memo"}:
                        seen.settled.add(item.name)  # done with the asking
            if not self._settled(stage, seen):
                return asked, False
            for item in stage.items:
                if item.name in seen.issued and item.name not in seen.settled | seen.cancelling:
                    asked += _cancelled(item, seen)
        return [*asked, self._close()], True

    def _settled(self, stage: Stage, seen: Seen) -> bool:
        if any(item.kind == "guard" and item.name in seen.settled for item in stage.items):
            return True
        done = [item.name in seen.settled for item in stage.items if item.kind != "guard"]
        if stage.signals:
            return any(done) or seen.signals >= stage.signals
        return any(done) if stage.race else all(done)

    def _command(self, item: Item) -> command.Command:
        chance = Random(item.seed)
        made = command.Command()
        if item.kind == "activity":
            _activity(made, item, chance, float(self.given.get("eager", 0)))
        elif item.kind == "guard":
            made.command_type = kinds.COMMAND_TYPE_START_TIMER
            made.start_timer_command_attributes.timer_id = item.name
            made.start_timer_command_attributes.start_to_fire_timeout.CopyFrom(duration(GUARD_NS))
        elif item.kind == "timer":
            made.command_type = kinds.COMMAND_TYPE_START_TIMER
            made.start_timer_command_attributes.timer_id = item.name
            made.start_timer_command_attributes.start_to_fire_timeout.CopyFrom(
                duration(round(chance.choice((0.01, 0.5, 5, 70)) * chance.random() * SECOND) + MS)
            )
        elif item.kind == "marker":
            made.command_type = kinds.COMMAND_TYPE_RECORD_MARKER
            made.record_marker_command_attributes.marker_name = item.name
        elif item.kind == "memo":
            made.command_type = kinds.COMMAND_TYPE_MODIFY_WORKFLOW_PROPERTIES
            upserted = made.modify_workflow_properties_command_attributes.upserted_memo
            upserted.fields[item.name].CopyFrom(payload(item.seed))
        elif item.kind == "child":
            self._child(made, item, chance)
        else:
            self._external(made, item, chance)
        return made

    def _child(self, made: command.Command, item: Item, chance: Random) -> None:
        made.command_type = kinds.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION
        child = made.start_child_workflow_execution_command_attributes
        child.workflow_id = f"{self.workflow_id}/{item.name}"
        child.workflow_type.name = "Child"
        child.task_queue.name = QUEUE
        child.control = item.name
        child.parent_close_policy = chance.choice((1, 2, 3))  # type: ignore[assignment]
        child.input.CopyFrom(
            payloads(
                dict(
                    self.given, seed=item.seed, depth=self.depth + 1, generation=0, token=f"child {item.seed}"
                )
            )
        )
        if chance.random() < 0.3:
            child.retry_policy.CopyFrom(retry(chance, 2))
        if chance.random() < 0.3:
            child.workflow_run_timeout.CopyFrom(duration(60 * SECOND))

    def _external(self, made: command.Command, item: Item, chance: Random) -> None:
        target = chance.choice(self.given["targets"])
        if item.kind == "signal":
            made.command_type = kinds.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION
            signal = made.signal_external_workflow_execution_command_attributes
            signal.execution.workflow_id = target
            signal.signal_name = "external"
            signal.control = item.name
            signal.input.CopyFrom(payloads(f"external {self.workflow_id} {item.name} {item.seed}"))
        else:
            made.command_type = kinds.COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION
            cancel = made.request_cancel_external_workflow_execution_command_attributes
            cancel.workflow_id = target
            cancel.control = item.name

    def _close(self) -> command.Command:
        made = command.Command()
        ending = self.ending
        if ending == "continue" and self.generation < 2:
            made.command_type = kinds.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION
            following = made.continue_as_new_workflow_execution_command_attributes
            following.workflow_type.name = "Flow"
            following.task_queue.name = QUEUE
            following.input.CopyFrom(payloads(dict(self.given, generation=self.generation + 1)))
        elif ending == "fail":
            made.command_type = kinds.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION
            failed = made.fail_workflow_execution_command_attributes
            failed.failure.message = "as planned"
            failed.failure.application_failure_info.type = "Planned"
        else:
            made.command_type = kinds.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION
            made.complete_workflow_execution_command_attributes.result.CopyFrom(
                payloads(f"result of {self.given.get('token')}")
            )
        return made


def _activity(made: command.Command, item: Item, chance: Random, eager: float) -> None:
    made.command_type = kinds.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK
    asked = made.schedule_activity_task_command_attributes
    asked.activity_id = item.name
    asked.activity_type.name = "Act"
    asked.task_queue.name = QUEUE
    once = chance.random() < 0.4
    behaviour = chance.choice(("ok", "ok", "ok", "flaky", "fail", "final", "hang", "beat"))
    asked.input.CopyFrom(payloads({"behaviour": behaviour, "once": once}))
    asked.start_to_close_timeout.CopyFrom(duration(round(chance.uniform(1, 10) * SECOND)))
    asked.schedule_to_close_timeout.CopyFrom(duration(round(chance.uniform(20, 90) * SECOND)))
    if chance.random() < 0.3:
        asked.schedule_to_start_timeout.CopyFrom(duration(round(chance.uniform(1, 30) * SECOND)))
    if behaviour == "beat":
        asked.heartbeat_timeout.CopyFrom(duration(2 * SECOND))
    asked.retry_policy.CopyFrom(retry(chance, 1 if once else chance.choice((0, 2, 4))))
    asked.request_eager_execution = chance.random() < eager


def retry(chance: Random, attempts: int) -> common.RetryPolicy:
    return common.RetryPolicy(
        initial_interval=duration(round(chance.uniform(0.01, 2) * SECOND)),
        backoff_coefficient=2,
        maximum_interval=duration(10 * SECOND),
        maximum_attempts=attempts,
        non_retryable_error_types=["Final"],
    )


def _cancelled(item: Item, seen: Seen) -> list[command.Command]:
    made = command.Command()
    if item.kind in {"timer", "guard"}:
        made.command_type = kinds.COMMAND_TYPE_CANCEL_TIMER
        made.cancel_timer_command_attributes.timer_id = item.name
    elif item.kind == "activity":
        made.command_type = kinds.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK
        number = next(number for number, name in seen.ids.items() if name == item.name)
        made.request_cancel_activity_task_command_attributes.scheduled_event_id = number
    else:
        return []
    return [made]
