"""Opaque tokens: what a caller carries from one call to the next.

Each is a small tagged array. A caller must never look inside, and the service must never trust more of a token than that it
names things: whether they (still) exist is decided behind. Every token names its namespace.
"""

from typing import Annotated

import msgspec

Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""What a database has room for."""


class WorkflowToken(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """A started workflow task."""

    namespace_id: str
    workflow_id: str
    run_id: str
    scheduled_id: Number
    started_id: Number
    started_at: Number
    attempt: Number
    recorded_id: Number = 0


class ActivityToken(msgspec.Struct, frozen=True, array_like=True, tag=2, gc=False):
    """A started activity attempt."""

    namespace_id: str
    workflow_id: str
    run_id: str
    scheduled_id: Number
    activity_id: str
    attempt: Number
    started_at: Number


class QueryToken(msgspec.Struct, frozen=True, array_like=True, tag=3, gc=False):
    """A query handed to a worker on its own."""

    namespace_id: str
    task_queue: str
    query_id: str


class HistoryToken(msgspec.Struct, frozen=True, array_like=True, tag=4, gc=False):
    """Where a history reader stands in one run. Event ids count from 1."""

    namespace_id: str
    workflow_id: str
    run_id: str
    next_id: Number
    """First event the reader has not got. Backwards: the last one."""
    end_id: Number
    """Events before this one were stored when the token was made."""
    open: bool
    backwards: bool = False
    task: bool = False
    """Continues the history of a workflow task: its virtual events follow the last page."""


class ListToken(msgspec.Struct, frozen=True, array_like=True, tag=5, gc=False):
    """Continues a list of runs after this one."""

    close_at: Number | None
    start_at: Number
    run_id: str


class NameToken(msgspec.Struct, frozen=True, array_like=True, tag=6, gc=False):
    """Continues a list of named things after this name."""

    name: str


class NexusToken(msgspec.Struct, frozen=True, array_like=True, tag=7, gc=False):
    """A Nexus task handed to a worker."""

    namespace_id: str
    task_queue: str
    task_id: str


class SeenToken(msgspec.Struct, frozen=True, array_like=True, tag=8, gc=False):
    """How far the reader of an activity on its own has seen it."""

    run_id: str
    version: Number


TaskToken = WorkflowToken | ActivityToken | QueryToken | NexusToken
Token = TaskToken | HistoryToken | ListToken | NameToken | SeenToken

_encode = msgspec.msgpack.Encoder().encode
_task = msgspec.msgpack.Decoder(TaskToken)
_history = msgspec.msgpack.Decoder(HistoryToken)
_list = msgspec.msgpack.Decoder(ListToken)
_name = msgspec.msgpack.Decoder(NameToken)
_seen = msgspec.msgpack.Decoder(SeenToken)
_BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What a decoder may raise on bytes that are no token."""


class Malformed(Exception):
    """Not a token of the expected kind."""


def encode(token: Token) -> bytes:
    return _encode(token)


def decode_task(data: bytes) -> TaskToken:
    """Raises `Malformed`."""
    try:
        token: TaskToken = _task.decode(data)
        return token
    except _BROKEN as error:
        raise Malformed from error


def decode_history(data: bytes) -> HistoryToken:
    """Raises `Malformed`."""
    try:
        return _history.decode(data)
    except _BROKEN as error:
        raise Malformed from error


def decode_list(data: bytes) -> ListToken:
    """Raises `Malformed`."""
    try:
        return _list.decode(data)
    except _BROKEN as error:
        raise Malformed from error


def decode_seen(data: bytes) -> SeenToken:
    """Raises `Malformed`."""
    try:
        return _seen.decode(data)
    except _BROKEN as error:
        raise Malformed from error


def decode_name(data: bytes) -> str:
    """Raises `Malformed`."""
    try:
        return _name.decode(data).name
    except _BROKEN as error:
        raise Malformed from error
