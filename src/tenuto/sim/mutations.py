"""Bugs planted on purpose, to show that the checkers see what they should: each a small change to one room of the product.

``with planted("skip fence check"): simulate(seed)`` runs the product with that bug. The table is explicit: what is replaced
by what, and which property must notice. Nothing here is ever active outside such a block.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from tenuto.engine import agenda, codec, signal, start, table
from tenuto.engine import events as ev
from tenuto.engine.chain import Activity
from tenuto.shard import offers, persist, runner
from tenuto.shard.alarms import HORIZON_NS, AlarmClock
from tenuto.shard.persist import TurnWrites
from tenuto.shard.runner import Shard
from tenuto.store.memory import MemoryDisk
from tenuto.store.spi import Batch, HistoryRow, HistoryWrite
from tenuto.wire import history

Patch = tuple[Any, Any, Any]
"""(object or mapping, attribute or key, replacement)"""


@dataclass(frozen=True, slots=True)
class Mutation:
    """A planted bug. ``caught_by``: the property that must notice it, alone."""

    name: str
    story: str
    caught_by: str
    patches: Callable[[], list[Patch]]
    seeds: int = 240
    """It must be noticed within this many seeds."""


def _reply_before_commit() -> list[Patch]:
    decide = Shard._decide

    def hasty(self: Shard, awaited: Any, writes: Any) -> Any:
        folded = decide(self, awaited, writes)
        runner._settle(awaited)
        return folded

    return [(Shard, "_decide", hasty)]


def _skip_fence_check() -> list[Patch]:
    write = MemoryDisk.write

    def trusting(self: MemoryDisk, number: int, fence: int, batch: Batch, history_only: bool = False) -> None:
        write(self, number, self.shard(number).fence, batch, history_only)

    return [(MemoryDisk, "write", trusting)]


def _changed_parts(change: Callable[[str, bytes | None], bytes | None]) -> list[Patch]:
    """Parts as they reach the store, each seen by ``change``; None drops it."""
    encode = codec.encode_parts

    def encode_wrongly(draft: Any, rd: Any) -> dict[str, bytes | None]:
        return {name: change(name, value) for name, value in encode(draft, rd).items()}

    return [(codec, "encode_parts", encode_wrongly)]


def _drop_buffered_event() -> list[Patch]:
    return _changed_parts(lambda name, value: None if name.startswith("b/") else value)


def _forget_started() -> list[Patch]:
    decode = msgspec.msgpack.Decoder(Activity).decode

    def change(name: str, value: bytes | None) -> bytes | None:
        if not name.startswith("a/") or value is None:
            return value
        item = decode(value)
        item.started_at = 0
        return codec.encode_value(item)

    return _changed_parts(change)


def _forget_outbox() -> list[Patch]:
    return [(agenda, "messages", lambda chain: iter(()))]


def _fire_early() -> list[Patch]:
    applied = table.APPLY[ev.TIMER_STARTED]

    def impatient(rd: Any, event: history.HistoryEvent) -> None:
        applied(rd, event)
        timer = rd.timers.edit(event.timer_started_event_attributes.timer_id)
        timer.fire_at -= (timer.fire_at - rd.now) // 10

    return [(table.APPLY, ev.TIMER_STARTED, impatient)]


def _start_twice() -> list[Patch]:
    return [(start, "_repeated", lambda draft, message: False)]


def _signal_twice() -> list[Patch]:
    return [(signal.SignalKnown, "apply", lambda self, rd: None)]


def _no_reading_ahead() -> list[Patch]:
    async def blind(self: Shard, after: Any) -> None:
        self._alarms.horizon_at = self._clock.now() + HORIZON_NS

    return [(Shard, "_read_ahead", blind)]


def _deaf_alarm_clock() -> list[Patch]:
    arm, calls = AlarmClock.arm, [0]

    def deaf(self: AlarmClock, at: int, key: Any, far: bool = False) -> bool:
        calls[0] += 1
        return True if calls[0] % 4 == 0 else arm(self, at, key, far)

    return [(AlarmClock, "arm", deaf)]


def _lose_credit() -> list[Patch]:
    return [(offers.Offers, "credit", lambda self, queue, room: None)]


def _rewrite_history() -> list[Patch]:
    collect = TurnWrites.batch

    def rewriting(self: TurnWrites, now: int) -> Batch:
        batch = collect(self, now)
        for write in list(batch.history):
            first = write.rows[0].first_event_id
            if first > 5:
                event = history.History.FromString(write.rows[0].events).events[0]
                event.event_id = first - 1
                row = HistoryRow(first - 1, first - 1, history.History(events=[event]).SerializeToString())
                batch.history.append(HistoryWrite(write.key, write.run_id, (row,)))
        return batch

    return [(TurnWrites, "batch", rewriting)]


def _leave_open() -> list[Patch]:
    return [(TurnWrites, "_close", lambda self, key, draft, rd: None)]


def _no_alarm() -> list[Patch]:
    collect = TurnWrites.batch

    def careless(self: TurnWrites, now: int) -> Batch:
        batch = collect(self, now)
        batch.chains = [msgspec.structs.replace(write, alarm_at=None) for write in batch.chains]
        return batch

    return [(TurnWrites, "batch", careless)]


def _confuse_results() -> list[Patch]:
    decode = codec.decode_closed

    def confused(raw: bytes) -> Any:
        record = decode(raw)
        record.run.status = 3 if record.run.status == 2 else 2
        return record

    return [(runner, "codec", _Instead(codec, decode_closed=confused))]


def _skip_history_row() -> list[Patch]:
    add = TurnWrites.add

    def skipping(self: TurnWrites, entry: Any, draft: Any) -> Any:
        rows = add(self, entry, draft)
        for write in self._batch.history:
            if len(write.rows) > 1:
                self._batch.history[self._batch.history.index(write)] = HistoryWrite(
                    write.key, write.run_id, write.rows[:1]
                )
        return rows

    return [(TurnWrites, "add", skipping)]


def _break_closing() -> list[Patch]:
    def broken(*_: Any) -> Any:
        raise RuntimeError("planted")

    return [(persist, "visibility_row", broken)]


class _Instead:
    """A module with some names replaced."""

    def __init__(self, module: Any, **names: Any) -> None:
        self._module = module
        self.__dict__.update(names)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


PROMISES, ENDS, STORED = "promises are kept", "everything ends", "stored equals live"
MUTATIONS: tuple[Mutation, ...] = (
    Mutation(
        "reply before commit",
        "The shard answers as soon as it has decided; a crash or a failed commit then takes back what was promised.",
        PROMISES,
        _reply_before_commit,
    ),
    Mutation(
        "skip fence check",
        "The store takes commits under any fence, so a former owner writes into its successor's shard.",
        "one owner",
        _skip_fence_check,
    ),
    Mutation(
        "drop a buffered event",
        "Events that wait for a workflow task to end are not stored; a reload forgets them.",
        PROMISES,
        _drop_buffered_event,
    ),
    Mutation(
        "forget started",
        "The start of an attempt is not stored; after a reload the same attempt goes to a second worker.",
        "attempts start once",
        _forget_started,
    ),
    Mutation(
        "forget the outbox",
        "A reloaded chain does not send again what it owes other chains.",
        ENDS,
        _forget_outbox,
    ),
    Mutation(
        "fire timers early",
        "Timers fire after nine tenths of their time.",
        "timers never fire early",
        _fire_early,
    ),
    Mutation("start twice", "A repeated start request is not recognised.", PROMISES, _start_twice),
    Mutation("signal twice", "A repeated signal request is not recognised.", PROMISES, _signal_twice),
    Mutation(
        "lose far alarms",
        "Alarms in the store are not read ahead: after a restart nobody looks at sleeping chains.",
        ENDS,
        _no_reading_ahead,
    ),
    Mutation("lose a wake-up", "One in four alarms is never set.", ENDS, _deaf_alarm_clock),
    Mutation(
        "lose credit", "Offers that matching had no room for are never offered again.", ENDS, _lose_credit
    ),
    Mutation(
        "rewrite history",
        "A commit also overwrites the last event before its own.",
        "append-only history",
        _rewrite_history,
    ),
    Mutation(
        "skip a history row",
        "Of several history rows in one commit only the first is written.",
        "append-only history",
        _skip_history_row,
    ),
    Mutation(
        "second open run",
        "A run's closing record is not written when the next run of its chain begins.",
        "one open run",
        _leave_open,
    ),
    Mutation("no alarm", "Chains are stored without their alarm.", STORED, _no_alarm),
    Mutation(
        "confuse results",
        "Records of closed runs are read with another status than they were written with.",
        "results never change",
        _confuse_results,
    ),
    Mutation(
        "break a commit",
        "Collecting a turn's writes raises: the shard reloads, and somebody must hear about it.",
        "no internal errors",
        _break_closing,
    ),
)


@contextmanager
def planted(name: str) -> Iterator[Mutation]:
    """The product with one bug, until the block ends. Raises KeyError for an unknown name."""
    mutation = {one.name: one for one in MUTATIONS}[name]
    with applied(mutation):
        yield mutation


@contextmanager
def applied(mutation: Mutation) -> Iterator[None]:
    """The product with this bug, until the block ends."""
    undo: list[Patch] = []
    try:
        for place, key, new in mutation.patches():
            if isinstance(place, dict):
                undo.append((place, key, place[key]))
                place[key] = new
            else:
                undo.append((place, key, getattr(place, key)))
                setattr(place, key, new)
        yield
    finally:
        for place, key, original in reversed(undo):
            if isinstance(place, dict):
                place[key] = original
            else:
                setattr(place, key, original)
