"""Random commands of a worker, and random ends of a child: what `walk` asks with."""

import random
from typing import Any

from tenuto.engine import events as ev
from tenuto.engine import types
from tenuto.engine.chain import Chain
from tenuto.engine.nexus_types import NexusAnswer, Outcome
from tenuto.wire import command as wire_command
from tenuto.wire import common, duration_pb2, history
from tests.engine.activities import boom
from tests.engine.support import payloads

CHILD_ENDS = (ev.COMPLETED, ev.FAILED, ev.CANCELED, ev.TIMED_OUT, ev.TERMINATED)


def length(rng: random.Random, low: int, high: int) -> duration_pb2.Duration:
    return duration_pb2.Duration(seconds=rng.randint(low, high))


def child_end(rng: random.Random) -> history.HistoryEvent:
    kind = rng.choice(CHILD_ENDS)
    event = history.HistoryEvent(event_id=9, event_type=kind)
    getattr(event, ev.ATTRIBUTES[kind]).SetInParent()
    return event


def commands(rng: random.Random, chain: Chain | None, token: types.TaskToken) -> list[wire_command.Command]:
    """Up to four, mostly right ones; sometimes one that closes, mostly last."""
    made = [_one(rng, chain) for _ in range(rng.choice((0, 1, 1, 2, 4)))]
    if rng.random() < 0.12:
        made.append(_closer(rng))
    if rng.random() < 0.01:
        rng.shuffle(made)
    return made


def marker(rng: random.Random) -> wire_command.Command:
    made = wire_command.Command(command_type=9)  # type: ignore[arg-type]
    made.record_marker_command_attributes.marker_name = rng.choice(("step", "step", ""))
    return made


def _one(rng: random.Random, chain: Chain | None) -> wire_command.Command:
    state = chain.current if chain is not None else None
    kind = rng.choices((1, 2, 3, 6, 8, 9, 11, 12, 13, 16, 17, 18), (6, 2, 4, 2, 1, 1, 2, 1, 1, 1, 2, 1))[0]
    command = wire_command.Command(command_type=kind)  # type: ignore[arg-type]
    if rng.random() < 0.01:
        return command
    if kind == 1:
        _activity(rng, command.schedule_activity_task_command_attributes)
    elif kind == 2:
        pending = sorted(state.activities) if state is not None else []
        scheduled_id = rng.choice(pending) if pending and rng.random() < 0.9 else 5
        command.request_cancel_activity_task_command_attributes.scheduled_event_id = scheduled_id
    elif kind == 3:
        timer = command.start_timer_command_attributes
        timer.timer_id = rng.choice(("t1", "t2", "t3", "t4"))
        timer.start_to_fire_timeout.CopyFrom(length(rng, 0, 15))
    elif kind == 6:
        known = sorted(state.timers) if state is not None else []
        command.cancel_timer_command_attributes.timer_id = rng.choice(known) if known else "t1"
    elif kind == 8:
        cancel = command.request_cancel_external_workflow_execution_command_attributes
        cancel.workflow_id = rng.choice(("other", "w", "c1"))
    elif kind == 9:
        command.record_marker_command_attributes.marker_name = "m"
    elif kind == 11:
        child = command.start_child_workflow_execution_command_attributes
        child.workflow_id, child.workflow_type.name = rng.choice(("c1", "c2")), "Child"
        child.parent_close_policy = rng.choice((0, 1, 2, 3))  # type: ignore[assignment]
    elif kind == 12:
        signal = command.signal_external_workflow_execution_command_attributes
        signal.execution.workflow_id, signal.signal_name = rng.choice(("other", "w", "c1")), "s"
    elif kind == 13:
        _fields(
            rng, command.upsert_workflow_search_attributes_command_attributes.search_attributes.indexed_fields
        )
    elif kind == 16:
        _fields(rng, command.modify_workflow_properties_command_attributes.upserted_memo.fields)
    elif kind == 17:
        _operation(rng, command.schedule_nexus_operation_command_attributes)
    elif kind == 18:
        pending = sorted(state.nexus) if state is not None else []
        scheduled_id = rng.choice(pending) if pending and rng.random() < 0.95 else 5
        command.request_cancel_nexus_operation_command_attributes.scheduled_event_id = scheduled_id
    return command


def _operation(rng: random.Random, wanted: Any) -> None:
    wanted.endpoint = "e" if rng.random() < 0.97 else "nowhere"
    wanted.service, wanted.operation = "Shop", "buy"
    for name in ("schedule_to_close_timeout", "schedule_to_start_timeout", "start_to_close_timeout"):
        if rng.random() < 0.3:
            getattr(wanted, name).CopyFrom(length(rng, 1, 20))


def handler_answer(rng: random.Random) -> NexusAnswer:
    """What a handler may say to a start or to a cancellation."""
    outcome = rng.choice(list(Outcome))
    token = "token" if outcome is Outcome.STARTED else ""
    reason = boom() if outcome in (Outcome.FAILED, Outcome.CANCELED, Outcome.ERROR) else None
    return NexusAnswer(outcome, token=token, reason=reason, retryable=rng.random() < 0.7)


def _activity(rng: random.Random, wanted: Any) -> None:
    wanted.activity_id = rng.choice(("a", "b", "c", "d", "e", "f"))
    wanted.activity_type.name, wanted.task_queue.name = "Act", "queue"
    wanted.start_to_close_timeout.CopyFrom(length(rng, 1, 20))
    if rng.random() < 0.3:
        wanted.schedule_to_start_timeout.CopyFrom(length(rng, 1, 5))
    if rng.random() < 0.3:
        wanted.heartbeat_timeout.CopyFrom(length(rng, 1, 3))
    if rng.random() < 0.3:
        wanted.schedule_to_close_timeout.CopyFrom(length(rng, 5, 20))
    if rng.random() < 0.5:
        wanted.retry_policy.maximum_attempts = rng.choice((1, 2))
    wanted.request_eager_execution = rng.random() < 0.2


def _fields(rng: random.Random, fields: Any) -> None:
    value = payloads(rng.choice((b'"x"', b'"y"', b"null"))).payloads[0]
    fields[rng.choice(("k1", "k2"))].CopyFrom(value)


def _closer(rng: random.Random) -> wire_command.Command:
    kind = rng.choice((4, 5, 7, 10, 10))
    command = wire_command.Command(command_type=kind)  # type: ignore[arg-type]
    if kind == 4:
        command.complete_workflow_execution_command_attributes.result.CopyFrom(payloads())
    elif kind == 5:
        command.fail_workflow_execution_command_attributes.failure.CopyFrom(boom())
    elif kind == 7:
        command.cancel_workflow_execution_command_attributes.SetInParent()
    else:
        wanted = command.continue_as_new_workflow_execution_command_attributes
        wanted.SetInParent()
        if rng.random() < 0.3:
            wanted.retry_policy.CopyFrom(common.RetryPolicy(maximum_attempts=3))
    return command
