"""State as bytes and back, part by part. Knows names of parts and nothing of rules.

A part's name is a letter and the item's key, so that a transition writes only what it touched:
``terms``, ``a/<scheduled id>`` activity, ``t/<timer id>``, ``c/<initiated id>`` child, ``e/<initiated id>`` external,
``n/<scheduled id>`` Nexus operation,
``u/<update id>``, ``s/<request id>`` signal known, ``b/<n>`` buffered event, ``o/<n>`` outgoing message, ``z/<name>`` a
schedule's.
"""

import copy
from collections.abc import Callable
from typing import Any

import msgspec

from tenuto.engine import schedule_state
from tenuto.engine.chain import (
    SPECULATIVE,
    Activity,
    Chain,
    Child,
    ClosedRun,
    External,
    Header,
    Outgoing,
    Run,
    RunState,
    Terms,
    Timer,
    UpdateRecord,
)
from tenuto.engine.draft import Draft, RunDraft
from tenuto.engine.nexus_state import NexusOperation

_encode = msgspec.msgpack.Encoder().encode
_header = msgspec.msgpack.Decoder(Header).decode
_terms = msgspec.msgpack.Decoder(Terms).decode
_closed = msgspec.msgpack.Decoder(ClosedRun).decode
_activity = msgspec.msgpack.Decoder(Activity).decode
_timer = msgspec.msgpack.Decoder(Timer).decode
_child = msgspec.msgpack.Decoder(Child).decode
_external = msgspec.msgpack.Decoder(External).decode
_update = msgspec.msgpack.Decoder(UpdateRecord).decode
_nexus = msgspec.msgpack.Decoder(NexusOperation).decode
_outgoing = msgspec.msgpack.Decoder(Outgoing).decode


def durable(run: Run) -> Run:
    """The run without what lives only in memory."""
    if run.task is not None and run.task.kind == SPECULATIVE:
        run = copy.copy(run)
        run.task = None
    return run


def encode_header(chain: Chain) -> bytes:
    return _encode(Header(durable(chain.current.run), chain.out_sequence))


def _parts(table: Any, letter: str, encode: Callable[[Any], bytes], result: dict[str, bytes | None]) -> None:
    for key, value in table.changes.items():
        result[f"{letter}/{key}"] = None if value is None else encode(value)


_ENCODERS: dict[str, tuple[str, Callable[[Any], bytes]]] = {
    "activities": ("a", _encode),
    "timers": ("t", _encode),
    "children": ("c", _encode),
    "externals": ("e", _encode),
    "nexus": ("n", _encode),
    "updates": ("u", _encode),
    "signal_ids": ("s", lambda value: b""),
    "buffer": ("b", lambda value: value),
    "schedule": ("z", _encode),
}
"""Table -> the letter of its parts, and what writes one."""


def encode_parts(draft: Draft, rd: RunDraft) -> dict[str, bytes | None]:
    """The parts that this draft changes; with a new run, all its parts."""
    result: dict[str, bytes | None] = {}
    if rd.terms_changed:
        result["terms"] = _encode(rd.terms)
    for name, table in rd.tables.items():
        if table.changes and name in _ENCODERS:
            _parts(table, *_ENCODERS[name], result)
    if draft.out.changes:
        _parts(draft.out, "o", _encode, result)
    return result


def encode_out(message: Outgoing) -> bytes:
    return _encode(message)


def decode_chain(key: tuple[str, str], header_bytes: bytes, parts: dict[str, bytes]) -> Chain:
    """A live chain from what the store holds."""
    header = _header(header_bytes)
    state = RunState(header.run, _terms(parts["terms"]))
    chain = Chain(key[0], key[1], state, header.out_sequence)
    for name, raw in parts.items():
        letter, _, rest = name.partition("/")
        if letter == "a":
            activity = _activity(raw)
            state.activities[activity.scheduled_id] = activity
            state.activity_ids[activity.activity_id] = activity.scheduled_id
        elif letter == "t":
            state.timers[rest] = _timer(raw)
        elif letter == "c":
            state.children[int(rest)] = _child(raw)
        elif letter == "e":
            state.externals[int(rest)] = _external(raw)
        elif letter == "n":
            state.nexus[int(rest)] = _nexus(raw)
        elif letter == "u":
            state.updates[rest] = _update(raw)
        elif letter == "s":
            state.signal_ids[rest] = True
        elif letter == "b":
            state.buffer[int(rest)] = raw
        elif letter == "z":
            state.schedule[rest] = schedule_state.decode(rest, raw)
        elif letter == "o":
            chain.out[int(rest)] = _outgoing(raw)
    return chain


def encode_closed(rd: RunDraft) -> bytes:
    """The record a closed run leaves behind."""
    return _encode(
        ClosedRun(
            rd.run,
            rd.terms,
            rd.all("updates"),
            rd.all("activities"),
            rd.all("children"),
            rd.all("externals"),
            rd.all("nexus"),
        )
    )


def encode_record(record: ClosedRun) -> bytes:
    return _encode(record)


def decode_closed(raw: bytes) -> ClosedRun:
    return _closed(raw)


def encode_value(value: object) -> bytes:
    """One part's value."""
    return _encode(value)
