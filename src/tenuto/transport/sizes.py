"""How large what users send is, field by field, and who is told when it is too much.

A service refuses fields beyond a limit, and whoever comes near to it should hear of it before. Headers, search attributes
and texts for people do not count. This file must never read what is in a field, and never change a message.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tenuto.transport.config import PayloadLimitsConfig
from tenuto.wire import Message

logger = logging.getLogger("tenuto.payload_limits")

CODE = "TMPRL1103"
_COMMON = "temporal.api.common.v1."
_MEMO = f"{_COMMON}Memo"
_WHOLE = frozenset(
    {
        f"{_COMMON}Payload",
        f"{_COMMON}Payloads",
        _MEMO,
        "temporal.api.failure.v1.Failure",
        "google.protobuf.Any",
    }
)
"""What is measured as one."""
_NOT_COUNTED = frozenset(
    {
        f"{_COMMON}Header",
        f"{_COMMON}SearchAttributes",
        "temporal.api.sdk.v1.UserMetadata",
    }
)


@dataclass(frozen=True, slots=True)
class Measured:
    """A field with what users send. ``size`` in bytes."""

    path: str
    is_memo: bool
    size: int

    @property
    def what(self) -> str:
        """What to call it."""
        return "memo" if self.is_memo else "payloads"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes from which on a service refuses a field; 0: it did not say."""

    payloads: int = 0
    memo: int = 0
    least: int = dataclasses.field(init=False, default=0)
    """The smaller of those that were said."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "least", _least(self.payloads, self.memo))


def _least(*sizes: int) -> int:
    """The smallest that is positive; 0 when none is."""
    return min((size for size in sizes if size > 0), default=0)


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class _Step:
    whole: bool
    is_memo: bool
    inside: _Plan
    by_key: bool
    many: bool


_Plan = dict[str, _Step]
"""By name the fields that are measured or lead to some. Empty: none do."""
_known: dict[str, _Plan] = {}


def _plan_of(descriptor: Any) -> _Plan:
    found = _known.get(descriptor.full_name)
    return _make(descriptor) if found is None else found


def _make(descriptor: Any) -> _Plan:
    plan: _Plan = {}
    for field in descriptor.fields:
        target = field.message_type
        if target is None:
            continue
        by_key = target.GetOptions().map_entry
        many = by_key or _is_repeated(field)
        if by_key:
            target = target.fields_by_name["value"].message_type
        if target is None or not _leads_anywhere(target, set()):
            continue
        whole = target.full_name in _WHOLE
        inside = {} if whole else _plan_of(target)
        plan[field.name] = _Step(whole, target.full_name == _MEMO, inside, by_key, many)
    _known[descriptor.full_name] = plan
    return plan


def _leads_anywhere(descriptor: Any, seen: set[str]) -> bool:
    name = descriptor.full_name
    if name in _WHOLE:
        return True
    if name in _NOT_COUNTED or name in seen:
        return False
    seen.add(name)
    return any(
        field.message_type is not None and _leads_anywhere(field.message_type, seen)
        for field in descriptor.fields
    )


def _is_repeated(field: Any) -> bool:
    told = getattr(field, "is_repeated", None)  # newer protobuf; the label is deprecated there
    return bool(told) if told is not None else field.label == field.LABEL_REPEATED


def measure(message: Message) -> Iterator[Measured]:
    """Every field of ``message`` with what users send."""
    return _measure(message, _plan_of(message.DESCRIPTOR), "")


def _measure(message: Any, plan: _Plan, path: str) -> Iterator[Measured]:
    for field, value in message.ListFields():
        step = plan.get(field.name)
        if step is None:
            continue
        here = path + field.name
        if step.by_key:
            parts = [(f"{here}[{key!r}]", value[key]) for key in value]
        elif step.many:
            parts = [(f"{here}[{place}]", each) for place, each in enumerate(value)]
        else:
            parts = [(here, value)]
        for where, each in parts:
            if step.whole:
                yield Measured(where, step.is_memo, each.ByteSize())
            else:
                yield from _measure(each, step.inside, f"{where}.")


def beyond(message: Message, limits: Limits) -> Measured | None:
    """The first field of ``message`` that a service with ``limits`` would refuse."""
    least = limits.least
    if not least or message.ByteSize() <= least or not _plan_of(message.DESCRIPTOR):
        return None
    for each in measure(message):
        limit = limits.memo if each.is_memo else limits.payloads
        if limit and each.size > limit:
            return each
    return None


def refusal(told: Measured, limits: Limits) -> str:
    """What to say of a field that `beyond` found; written to the log too."""
    text = f"[{CODE}] Attempted to upload {told.what} with size that exceeded the error limit."
    limit = limits.memo if told.is_memo else limits.payloads
    logger.error("%s %s has %d bytes, the limit is %d", text, told.path, told.size, limit)
    return text


class Warner:
    """Writes to the log of fields that come near to what services refuse."""

    __slots__ = ("_least", "_limits")

    def __init__(self, config: PayloadLimitsConfig) -> None:
        self._limits = Limits(config.payloads_warn_size, config.memo_warn_size)
        self._least = _least(config.payloads_warn_size, config.memo_warn_size)

    def look(self, method: str, request: Message) -> None:
        """Look at what is about to be sent."""
        if not self._least or request.ByteSize() <= self._least or not _plan_of(request.DESCRIPTOR):
            return
        for each in measure(request):
            limit = self._limits.memo if each.is_memo else self._limits.payloads
            if limit and each.size > limit:
                logger.warning(
                    "[%s] Attempted to upload %s with size that exceeded the warning limit. %s of %s has %d bytes, the "
                    "limit is %d",
                    CODE,
                    each.what,
                    each.path,
                    method,
                    each.size,
                    limit,
                )
