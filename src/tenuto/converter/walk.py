"""Every payload inside a message, wherever it is: found by paths that are worked out once for each kind of message.

Search attributes are never touched, headers only when asked for, and neither is what the framework itself writes into
markers in plain. Messages without payloads cost one look into a table. This file must never read a payload.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from google.protobuf import symbol_database
from google.protobuf.descriptor import FieldDescriptor

from tenuto.converter.context import SerializationContext
from tenuto.wire import Message, common

if TYPE_CHECKING:
    from tenuto.converter.data_converter import DataConverter

Code = Callable[[Sequence[common.Payload]], Awaitable[list[common.Payload]]]
"""What is done to payloads: as a rule one comes out for each that goes in."""
ContextOf = Callable[[Message], SerializationContext | None]
"""The context of what is inside a message; None: that of what it is inside of."""

_PAYLOAD = "temporal.api.common.v1.Payload"
_PAYLOADS = "temporal.api.common.v1.Payloads"
_HEADER = "temporal.api.common.v1.Header"
_ANY = "google.protobuf.Any"
_NEVER = frozenset({"temporal.api.common.v1.SearchAttributes"})
_MARKERS = frozenset(
    {
        "temporal.api.history.v1.MarkerRecordedEventAttributes",
        "temporal.api.command.v1.RecordMarkerCommandAttributes",
    }
)
_PLAIN_DETAILS: Mapping[str, frozenset[str]] = {
    "core_local_activity": frozenset({"data"}),
    "core_patch": frozenset({"patch-data", "data"}),
}
"""Details of markers that the framework itself reads and writes, by the marker's name."""


class _Kind(Enum):
    SINGLE = auto()
    """A payload."""
    LIST = auto()
    """A list of payloads, in a message of its own."""
    REPEATED = auto()
    """A list of payloads, in place."""
    ANY = auto()
    """A message of a type told beside it."""
    INSIDE = auto()
    """A message with payloads somewhere inside."""


@dataclass(frozen=True, slots=True)
class _Step:
    name: str
    kind: _Kind
    plan: _Plan | None
    many: bool
    by_key: bool


class _Plan:
    """Where payloads are in one kind of message. Empty: nowhere."""

    __slots__ = ("always", "marker", "one_of")

    def __init__(self) -> None:
        self.always: list[_Step] = []
        self.one_of: dict[str, dict[str, _Step]] = {}
        """By the oneof's name and the field that is set."""
        self.marker = False

    def __bool__(self) -> bool:
        return bool(self.always or self.one_of)


class _Plans:
    """The plans made so far, with headers or without."""

    def __init__(self, headers: bool) -> None:
        self._skipped = _NEVER if headers else _NEVER | {_HEADER}
        self._known: dict[str, _Plan] = {}

    def of(self, descriptor: Any) -> _Plan:
        plan = self._known.get(descriptor.full_name)
        return self._make(descriptor) if plan is None else plan

    def _make(self, descriptor: Any) -> _Plan:
        plan = _Plan()
        plan.marker = descriptor.full_name in _MARKERS
        for field in descriptor.fields:
            step = self._step(field)
            if step is None:
                continue
            if field.containing_oneof is not None and not step.many:
                plan.one_of.setdefault(field.containing_oneof.name, {})[field.name] = step
            else:
                plan.always.append(step)
        self._known[descriptor.full_name] = plan
        return plan

    def _step(self, field: FieldDescriptor) -> _Step | None:
        target: Any = field.message_type
        if target is None:
            return None
        by_key = target.GetOptions().map_entry
        many = by_key or _is_repeated(field)
        if by_key:
            target = target.fields_by_name["value"].message_type
            if target is None:
                return None
        name = target.full_name
        if name in self._skipped or not self._leads_to_payloads(target, set()):
            return None
        if name == _PAYLOAD:
            kind = _Kind.REPEATED if many and not by_key else _Kind.SINGLE
        elif name == _PAYLOADS:
            kind = _Kind.LIST
        else:
            kind = _Kind.ANY if name == _ANY else _Kind.INSIDE
        return _Step(field.name, kind, None, many, by_key)

    def _leads_to_payloads(self, descriptor: Any, seen: set[str]) -> bool:
        name = descriptor.full_name
        if name in (_PAYLOAD, _PAYLOADS, _ANY):
            return True
        if name in self._skipped or name in seen:
            return False
        seen.add(name)
        return any(
            field.message_type is not None and self._leads_to_payloads(field.message_type, seen)
            for field in descriptor.fields
        )


def _is_repeated(field: Any) -> bool:
    told = getattr(field, "is_repeated", None)  # newer protobuf; the label is deprecated there
    return bool(told) if told is not None else field.label == FieldDescriptor.LABEL_REPEATED


_WITHOUT_HEADERS, _WITH_HEADERS = _Plans(False), _Plans(True)


@dataclass(slots=True)
class _Slot:
    """Where payloads are: one in ``single``, or all those of ``items``."""

    single: common.Payload | None
    items: Any
    context: SerializationContext | None

    def payloads(self) -> Sequence[common.Payload]:
        return self.items if self.single is None else (self.single,)

    def put(self, new: Sequence[common.Payload]) -> None:
        if self.single is not None:
            if len(new) != 1:
                raise RuntimeError(f"A codec made {len(new)} payloads of one that must stay one")
            self.single.CopyFrom(new[0])
        elif len(new) == len(self.items):
            for old, other in zip(self.items, new, strict=True):
                if old is not other:
                    old.CopyFrom(other)
        else:
            copies = [common.Payload.FromString(payload.SerializeToString()) for payload in new]
            del self.items[:]
            self.items.extend(copies)


class _Search:
    """One walk over messages: gathers slots, and remembers which wrapped messages to wrap again."""

    def __init__(self, headers: bool, context_of: ContextOf | None) -> None:
        self._plans = _WITH_HEADERS if headers else _WITHOUT_HEADERS
        self._context_of = context_of
        self.slots: list[_Slot] = []
        self.wrapped: list[tuple[Any, Message]] = []

    def message(self, message: Any, context: SerializationContext | None) -> None:
        descriptor = message.DESCRIPTOR
        if descriptor.full_name == _PAYLOAD:
            self.slots.append(_Slot(message, None, context))
            return
        if descriptor.full_name == _PAYLOADS:
            self.slots.append(_Slot(None, message.payloads, context))
            return
        plan = self._plans.of(descriptor)
        if not plan:
            return
        if self._context_of is not None:
            context = self._context_of(message) or context
        for step in plan.always:
            self._step(message, step, context, plan.marker)
        for group, steps in plan.one_of.items():
            chosen = message.WhichOneof(group)
            if chosen is not None and chosen in steps:
                self._enter(getattr(message, chosen), steps[chosen], context)

    def _step(self, message: Any, step: _Step, context: SerializationContext | None, marker: bool) -> None:
        if not step.many:
            if message.HasField(step.name):
                self._enter(getattr(message, step.name), step, context)
            return
        field = getattr(message, step.name)
        if not field:
            return
        if step.kind is _Kind.REPEATED:
            self.slots.append(_Slot(None, field, context))
        elif step.by_key:
            plain = _PLAIN_DETAILS.get(message.marker_name, frozenset()) if marker else frozenset()
            for key in field:
                if key not in plain:
                    self._enter(field[key], step, context)
        else:
            for inner in field:
                self._enter(inner, step, context)

    def _enter(self, inner: Any, step: _Step, context: SerializationContext | None) -> None:
        if step.kind is _Kind.SINGLE:
            self.slots.append(_Slot(inner, None, context))
        elif step.kind is _Kind.LIST:
            if inner.payloads:
                self.slots.append(_Slot(None, inner.payloads, context))
        elif step.kind is _Kind.ANY:
            self._unwrap(inner, context)
        else:
            self.message(inner, context)

    def _unwrap(self, wrapper: Any, context: SerializationContext | None) -> None:
        try:
            kind = symbol_database.Default().GetSymbol(wrapper.TypeName())
        except KeyError:
            return
        before = len(self.slots)
        message = kind()
        if self._plans.of(message.DESCRIPTOR):
            wrapper.Unpack(message)
            self.message(message, context)
            if len(self.slots) > before:
                self.wrapped.append((wrapper, message))

    def wrap_again(self) -> None:
        for wrapper, message in reversed(self.wrapped):
            wrapper.value = message.SerializeToString(deterministic=True)


def payloads_in(messages: Message | Iterable[Message], *, headers: bool = False) -> Iterator[common.Payload]:
    """Every payload inside ``messages``; those of wrapped messages are copies."""
    for slot in _found(messages, headers, None).slots:
        yield from slot.payloads()


async def code_message(messages: Message | Iterable[Message], code: Code, *, headers: bool = False) -> None:
    """Put what ``code`` makes of them in place of all payloads inside ``messages``, in one call."""
    search = _found(messages, headers, None)
    _put(await _coded(search.slots, code))
    search.wrap_again()


async def encode_message(
    messages: Message | Iterable[Message],
    converter: DataConverter,
    *,
    headers: bool = False,
    context_of: ContextOf | None = None,
) -> None:
    """Change all payloads inside ``messages`` for the way out, in place: codec, then external storage, one call each for
    everything. Does nothing when ``converter`` has neither. ``context_of`` tells the contexts of parts of a message to a
    codec that asks for them; then there is one call for each context."""
    if converter.rewrites:
        await _by_context(messages, converter, headers, context_of, outward=True)


async def decode_message(
    messages: Message | Iterable[Message],
    converter: DataConverter,
    *,
    headers: bool = False,
    context_of: ContextOf | None = None,
) -> None:
    """The reverse of `encode_message`."""
    if converter.rewrites:
        await _by_context(messages, converter, headers, context_of, outward=False)


async def _by_context(
    messages: Message | Iterable[Message],
    converter: DataConverter,
    headers: bool,
    context_of: ContextOf | None,
    *,
    outward: bool,
) -> None:
    search = _found(messages, headers, context_of if converter.wants_context else None)
    groups: dict[tuple[SerializationContext | None, Any], list[_Slot]] = {}
    for slot in search.slots:
        groups.setdefault((slot.context, getattr(slot.context, "storage_target", None)), []).append(slot)
    made: list[_Made] = []
    for (context, _), slots in groups.items():
        told = converter if context is None else converter.with_context(context)
        made += await _coded(slots, told.encode_payloads if outward else told.decode_payloads)
    _put(made)  # all or nothing: what could not be read whole can be read again
    search.wrap_again()


def _found(messages: Message | Iterable[Message], headers: bool, context_of: ContextOf | None) -> _Search:
    search = _Search(headers, context_of)
    for message in [messages] if isinstance(messages, Message) else messages:
        search.message(message, None)
    return search


_Made = tuple[_Slot, Sequence[common.Payload]]


def _put(made: Sequence[_Made]) -> None:
    for slot, new in made:
        slot.put(new)


async def _coded(slots: Sequence[_Slot], code: Code) -> list[_Made]:
    flat = [payload for slot in slots for payload in slot.payloads()]
    if not flat:
        return []
    if len(slots) == 1:
        return [(slots[0], await code(flat))]
    try:
        new = await code(flat)
    except Exception:  # noqa: BLE001 - a codec that wraps a list in one payload may refuse to open several
        new = []
    if len(new) == len(flat):
        taken = iter(new)
        return [(slot, [next(taken) for _ in slot.payloads()]) for slot in slots]
    # A codec that makes fewer or more of them: only within one list, then.
    return [(slot, await code(slot.payloads())) for slot in slots]
