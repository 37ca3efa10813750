"""Commands as stories write them: ``activity a``, ``timer t 10``, ``cancel-timer t``, ``child c abandon`` and so on."""

from collections.abc import Callable

from tenuto.wire import command as wire_command
from tenuto.wire import common
from tests.engine import worlds
from tests.engine.activities import cancellation, scheduled
from tests.engine.support import World

POLICIES = {"terminate": 1, "abandon": 2, "cancel": 3}


def command(world: World, verb: str, words: list[str]) -> wire_command.Command:
    """The command that ``verb words`` means. Activities and timers are named by their own ids."""
    return _COMMANDS[verb](world, words)


def _activity(world: World, words: list[str]) -> wire_command.Command:
    """``activity id [attempts]``; ``activity -`` lacks its timeouts, which is wrong."""
    if words[0] == "-":
        return scheduled("bad", start_to_close_timeout=None)
    attempts = int(words[1]) if len(words) > 1 else 0
    return scheduled(words[0], retry_policy=common.RetryPolicy(maximum_attempts=attempts))


def _cancel_activity(world: World, words: list[str]) -> wire_command.Command:
    for event in reversed(world.history):
        attributes = event.activity_task_scheduled_event_attributes
        if event.HasField("activity_task_scheduled_event_attributes") and attributes.activity_id == words[0]:
            return cancellation(event.event_id)
    raise AssertionError(f"no activity {words[0]}")


def timer(timer_id: str, seconds: int) -> wire_command.Command:
    made = wire_command.Command(command_type=3)  # type: ignore[arg-type]
    made.start_timer_command_attributes.timer_id = timer_id
    made.start_timer_command_attributes.start_to_fire_timeout.seconds = seconds
    return made


def cancel_timer(timer_id: str) -> wire_command.Command:
    made = wire_command.Command(command_type=6)  # type: ignore[arg-type]
    made.cancel_timer_command_attributes.timer_id = timer_id
    return made


def _child(world: World, words: list[str]) -> wire_command.Command:
    policy = POLICIES[words[1]] if len(words) > 1 else 0
    return worlds.start_child(words[0], parent_close_policy=policy)


_COMMANDS: dict[str, Callable[[World, list[str]], wire_command.Command]] = {
    "activity": _activity,
    "cancel-activity": _cancel_activity,
    "timer": lambda world, words: timer(words[0], int(words[1])),
    "cancel-timer": lambda world, words: cancel_timer(words[0]),
    "child": _child,
    "signal": lambda world, words: worlds.signal_external(words[0]),
    "cancel": lambda world, words: worlds.cancel_external(words[0]),
    "done": lambda world, words: worlds.complete(b'"%s"' % words[0].encode() if words else b'"r"'),
    "failed": lambda world, words: worlds.fail(),
    "canceled": lambda world, words: worlds.canceled(),
    "again": lambda world, words: worlds.continue_as_new(),
}
