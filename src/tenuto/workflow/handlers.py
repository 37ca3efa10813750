"""Handlers given while the workflow runs: for its class style by name, for function workflows also inline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from tenuto.workflow._runtime import current

CallableT = TypeVar("CallableT", bound=Callable[..., Any])


def get_signal_handler(name: str) -> Callable[..., Any] | None:
    """The handler of a signal, bound to its instance; not the dynamic one."""
    return current().get_handler("signal", name)


def set_signal_handler(name: str, handler: Callable[..., Any] | None) -> None:
    """Handle a signal with ``handler`` from now on, also those that wait; None: with nothing, they wait."""
    current().set_handler("signal", name, handler)


def get_dynamic_signal_handler() -> Callable[..., Any] | None:
    """The handler of signals that have none."""
    return current().get_handler("signal", None)


def set_dynamic_signal_handler(handler: Callable[..., Any] | None) -> None:
    """Handle every signal that has no handler; it takes ``(name: str, args: Sequence[RawValue])``."""
    current().set_handler("signal", None, handler)


def get_query_handler(name: str) -> Callable[..., Any] | None:
    """The handler of a query, bound to its instance; not the dynamic one."""
    return current().get_handler("query", name)


def set_query_handler(name: str, handler: Callable[..., Any] | None) -> None:
    """Answer a query with ``handler`` from now on; None: not at all."""
    current().set_handler("query", name, handler)


def get_dynamic_query_handler() -> Callable[..., Any] | None:
    """The handler of queries that have none."""
    return current().get_handler("query", None)


def set_dynamic_query_handler(handler: Callable[..., Any] | None) -> None:
    """Answer every query that has no handler; it takes ``(name: str, args: Sequence[RawValue])``."""
    current().set_handler("query", None, handler)


def get_update_handler(name: str) -> Callable[..., Any] | None:
    """The handler of an update, bound to its instance; not the dynamic one."""
    return current().get_handler("update", name)


def set_update_handler(
    name: str, handler: Callable[..., Any] | None, *, validator: Callable[..., Any] | None = None
) -> None:
    """Handle an update with ``handler`` from now on; None: not at all. ``validator`` may reject it first."""
    current().set_handler("update", name, handler, validator)


def get_dynamic_update_handler() -> Callable[..., Any] | None:
    """The handler of updates that have none."""
    return current().get_handler("update", None)


def set_dynamic_update_handler(
    handler: Callable[..., Any] | None, *, validator: Callable[..., Any] | None = None
) -> None:
    """Handle every update that has no handler; it takes ``(name: str, args: Sequence[RawValue])``."""
    current().set_handler("update", None, handler, validator)


def on_signal(name: str | None = None) -> Callable[[CallableT], CallableT]:
    """Decorator for a function inside a function workflow: it handles a signal. ``name`` default: the function's."""
    return lambda fn: _set("signal", name, fn, None)


def on_query(name: str | None = None) -> Callable[[CallableT], CallableT]:
    """Decorator for a function inside a function workflow: it answers a query. ``name`` default: the function's."""
    return lambda fn: _set("query", name, fn, None)


def on_update(
    name: str | None = None, *, validator: Callable[..., Any] | None = None
) -> Callable[[CallableT], CallableT]:
    """Decorator for a function inside a function workflow: it handles an update, which ``validator`` may reject first.
    ``name`` default: the function's."""
    return lambda fn: _set("update", name, fn, validator)


def _set(kind: str, name: str | None, fn: CallableT, validator: Callable[..., Any] | None) -> CallableT:
    current().set_handler(kind, name or fn.__name__, fn, validator)
    return fn
