"""Activities as objects: awaited in a workflow they are durable calls, elsewhere plain ones.

This file must never know workflows: it finds the run on the loop, and hands the call over.
"""

from __future__ import annotations

import inspect
import math
from asyncio import events
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Generic, ParamSpec, TypeVar, cast

from tenuto.activity.definition import DEFINITION, Definition, _is_unbound_method, define
from tenuto.activity.options import ActivityOptions, normal, options_of
from tenuto.common.by_position import by_position, plain, values_of

P = ParamSpec("P")
R = TypeVar("R")


class Activity(Generic[P, R]):
    """An activity made by ``@activity``.

    ``await charge(card, total=5)`` in a workflow is a durable call; anywhere else it runs the function itself, sync
    functions too. Arguments go on the wire in the order of the parameters, those given by name only behind the others.
    """

    fn: Callable[P, Any]
    """The function itself."""
    name: str | None
    """Of the activity type; None: dynamic."""
    chosen: Mapping[str, Any]
    """What ``options`` changed against the definition."""

    def __init__(
        self, definition: Definition, chosen: Mapping[str, Any], base: Activity[P, R] | None = None
    ) -> None:
        self.fn = plain(definition.fn)
        self.name = definition.name
        self.chosen = chosen
        self._base = base
        made = Definition(
            name=definition.name,
            fn=definition.fn,
            is_async=definition.is_async,
            no_thread_cancel_exception=definition.no_thread_cancel_exception,
            options=definition.options,
            target=self,
        )
        setattr(self, DEFINITION, made)
        self.definition = made
        self.__doc__ = self.fn.__doc__
        for name in ("__module__", "__name__", "__qualname__"):
            value = getattr(self.fn, name, None)
            if value is not None:
                setattr(self, name, value)

    @property
    def __wrapped__(self) -> Callable[P, Any]:
        return self.fn

    @property
    def defaults(self) -> ActivityOptions:
        """How it is called: as its definition says, with what ``options`` changed."""
        made = self.definition.options or ActivityOptions()
        return made.but(**self.chosen) if self.chosen else made

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[object, object, R]:
        # Not `Any`: with it type checkers lose the types of what is gathered.
        runtime = _runtime()
        if runtime is not None:
            return cast("Coroutine[object, object, R]", _durable(runtime, self, args, kwargs))
        made = self.fn(*args, **kwargs) if self.definition.is_async else _plain(self.fn, args, kwargs)
        return cast("Coroutine[object, object, R]", made)

    def start(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Start it from a workflow; returns the handle (a task: await it, or cancel it). Raises RuntimeError elsewhere."""
        runtime = _runtime()
        if runtime is None:
            raise RuntimeError("Not in workflow event loop: only a workflow can start an activity")
        return runtime.call_activity(self, self.chosen, args, kwargs)

    def options(self, **overrides: Any) -> Activity[P, R]:
        """The same activity called otherwise: see `ActivityOptions` for the names. Raises TypeError."""
        chosen = {**self.chosen, **normal(overrides)}
        return Activity(self.definition, chosen, self if self._base is None else self._base)

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Any]:
        """The arguments in the order of the parameters. Those at the end that were not given stay absent; others take
        their defaults. Raises TypeError when they do not fit."""
        if kwargs:
            return values_of(self._signature(), args, kwargs)
        self._fits(len(args))
        return list(args)

    def _signature(self) -> inspect.Signature:
        found: inspect.Signature | None = self.__dict__.get("_signed")
        if found is None:
            from tenuto.activity.definition import parameters_of

            found = inspect.Signature(parameters_of(self.fn))
            self.__dict__["_signed"] = found
            kinds = [parameter.kind for parameter in found.parameters.values()]
            needed = [
                parameter.kind
                for parameter in found.parameters.values()
                if parameter.default is inspect.Parameter.empty and parameter.kind in _NAMED
            ]
            most: float = sum(kind in _POSITIONAL for kind in kinds)
            if inspect.Parameter.KEYWORD_ONLY in needed:
                most = -1  # no number of positional ones will do
            elif inspect.Parameter.VAR_POSITIONAL in kinds:
                most = math.inf
            self.__dict__["_arity"] = (len(needed), most)
        return found

    def _fits(self, count: int) -> None:
        signature = self._signature()
        least, most = self.__dict__["_arity"]
        if not least <= count <= most:
            signature.bind(*[None] * count)

    def __get__(self, instance: Any, owner: type | None = None) -> Activity[..., R]:
        if instance is None:
            return self
        bound = self.fn.__get__(instance, owner)
        return Activity(
            Definition(
                name=self.name,
                fn=by_position(bound),
                is_async=self.definition.is_async,
                no_thread_cancel_exception=self.definition.no_thread_cancel_exception,
                options=self.definition.options,
            ),
            self.chosen,
            self,
        )

    def __reduce__(self) -> Any:
        owner = getattr(self.fn, "__self__", None)
        if self._base is None:
            return getattr(self, "__qualname__", None) or self.name
        if owner is not None and not inspect.ismodule(owner):
            return _bound, (owner, self.fn.__name__, dict(self.chosen))
        return _chosen, (self._base, dict(self.chosen))

    def __repr__(self) -> str:
        return f"<activity {self.name or 'for any type'!r}>"


_declared: list[Activity[..., Any]] = []


def declared() -> Sequence[Activity[..., Any]]:
    """Every `Activity` of this process that is no method; of those with one name, the one defined last."""
    free = (each for each in _declared if not _is_unbound_method(each.fn))
    return tuple({each.name: each for each in free}.values())


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_NAMED = (*_POSITIONAL, inspect.Parameter.KEYWORD_ONLY)


def _chosen(base: Activity[..., Any], chosen: dict[str, Any]) -> Activity[..., Any]:
    return base.options(**chosen)


def _bound(owner: Any, name: str, chosen: dict[str, Any]) -> Activity[..., Any]:
    found: Activity[..., Any] = getattr(owner, name)
    return found.options(**chosen) if chosen else found


def _runtime() -> Any:
    """The run of a workflow whose code calls, if any."""
    loop = events._get_running_loop()
    return getattr(loop, "tenuto_runtime", None) if loop is not None else None


async def _durable(runtime: Any, activity: Activity[..., Any], args: Any, kwargs: Any) -> Any:
    """A coroutine, as outside of workflows, so that ``create_task`` and ``TaskGroup`` take it."""
    return await runtime.call_activity(activity, activity.chosen, args, kwargs)


async def _plain(fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    return fn(*args, **kwargs)


def decorate(fn: Any = None, /, *, name: str | None = None, **given: Any) -> Any:
    """``@activity`` and ``@activity(name=..., start_to_close_timeout=..., ...)``: make an `Activity` of a function.

    ``dynamic`` and ``no_thread_cancel_exception`` are as in `defn`; the rest is `ActivityOptions`. Raises TypeError.
    """
    own = {key: given.pop(key) for key in ("dynamic", "no_thread_cancel_exception") if key in given}
    options = options_of(given)

    def make(fn: Any) -> Activity[..., Any]:
        if isinstance(fn, Activity):
            raise ValueError(f"{fn!r} is an activity already")
        made: Activity[..., Any] = Activity(define(fn, name=name, options=options, **own), {})
        _declared.append(made)
        return made

    return make if fn is None else make(fn)


def step(fn: Any = None, /, *, name: str | None = None, **given: Any) -> Any:
    """``@step``: a local activity whose result is recorded before the workflow goes on."""
    return decorate(fn, name=name, **{"local": True, "durable": True, **given})
