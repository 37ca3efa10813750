"""Workflows as functions: awaited in a workflow they are children, started by a client they are workflows.

This file must never know the client: it uses what it is given.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast

from tenuto.common import VersioningBehavior
from tenuto.common.by_position import by_position, values_of
from tenuto.workflow._hints import hints_of
from tenuto.workflow._runtime import NotInWorkflowError, current, find
from tenuto.workflow.definition import DEFINITION, Definition, declare
from tenuto.workflow.errors import NondeterminismError, ReadOnlyContextError

if TYPE_CHECKING:
    from typing import Unpack

    from tenuto.workflow.handles import ChildWorkflowHandle
    from tenuto.workflow.options import ChildWorkflowConfig

P = ParamSpec("P")
R = TypeVar("R")


class _Own(type):
    def __instancecheck__(cls, error: object) -> bool:
        return cls.__subclasscheck__(type(error))

    def __subclasscheck__(cls, kind: type) -> bool:
        return issubclass(kind, Exception) and not issubclass(
            kind, NondeterminismError | ReadOnlyContextError
        )


class AnyError(Exception, metaclass=_Own):
    """In ``failure_exception_types``: every error, except those that tell of code that does not fit its own history. They
    fail the workflow task, so that mended code can go on."""


class FunctionWorkflow(Generic[P, R]):
    """A workflow made by ``@workflow`` of an async function.

    ``await order(card, total=5)`` in a workflow runs it as a child. Arguments go on the wire in the order of the
    parameters, those that are given by name only behind the others. Any error of its own that leaves it fails the
    workflow, unless ``failure_exception_types`` says otherwise.
    """

    fn: Callable[P, Coroutine[Any, Any, R]]
    """The function itself: call it in tests."""
    __name__: str
    __qualname__: str
    name: str
    """Of the workflow type."""
    task_queue: str | None
    """Where it is started when nobody says; None: "default", or as a child its parent's queue."""

    def __init__(
        self,
        fn: Callable[P, Coroutine[Any, Any, R]],
        name: str,
        define: Callable[[], Definition],
        task_queue: str | None,
        chosen: Mapping[str, Any],
    ) -> None:
        self.fn = fn
        self.name = name
        self.task_queue = task_queue
        self.chosen = chosen
        self._signature = inspect.signature(fn)
        # Annotations may name what is defined further down, so they are read when somebody asks.
        self._define = define
        setattr(self, DEFINITION, define)
        for each in ("__module__", "__name__", "__qualname__", "__doc__"):
            setattr(self, each, getattr(fn, each, None))

    @property
    def definition(self) -> Definition:
        """What workers know of it. Raises NameError when an annotation names what does not exist."""
        return self._define()

    @property
    def __wrapped__(self) -> Callable[P, Coroutine[Any, Any, R]]:
        return self.fn

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[object, object, R]:
        # Not `Any`: with it type checkers lose the types of what is gathered.
        runtime = find()
        if runtime is None:
            raise NotInWorkflowError(
                f"{self.name} is a workflow: start it with `await {self.__name__}.using(client).execute(...)` or "
                f"`client.execute_workflow({self.__name__}, ...)`; `{self.__name__}.fn(...)` is the plain function"
            )
        return cast("Coroutine[object, object, R]", runtime.call_workflow(self, self._child(), args, kwargs))

    async def start(self, *args: P.args, **kwargs: P.kwargs) -> ChildWorkflowHandle[Any, R]:
        """Start it as a child, from a workflow, and wait until it is started. Await the handle for the result."""
        from tenuto.workflow.children import start_child_workflow

        current()
        return await start_child_workflow(self, args=self.bind(args, kwargs), **cast(Any, self._child()))

    def options(self, **options: Unpack[ChildWorkflowConfig]) -> FunctionWorkflow[P, R]:
        """The same workflow as a child with other options: those of `start_child_workflow`."""
        return FunctionWorkflow(self.fn, self.name, self._define, self.task_queue, {**self.chosen, **options})

    def using(self, client: Any, **options: Any) -> BoundWorkflow[P, R]:
        """To start it: ``await order.using(client, id="o-1").execute(card, total=5)``.

        Args:
            client: A `tenuto.Client`, or an application made by `tenuto.open`.
            options: Those of `Client.start_workflow`, all optional: ``id`` (default: name and a UUID), ``task_queue``
                (default: the definition's, or "default"), timeouts, policies, memo and so on; with an application also
                ``once`` (see `App.start`).
        """
        return BoundWorkflow(self, client, options)

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
        """The arguments in the order of the parameters; those at the end that were not given stay absent, others take
        their defaults. Raises TypeError when they do not fit."""
        return values_of(self._signature, args, kwargs)

    def _child(self) -> Mapping[str, Any]:
        return self.chosen if self.task_queue is None else {"task_queue": self.task_queue, **self.chosen}

    def __reduce__(self) -> Any:
        return self.__qualname__

    def __repr__(self) -> str:
        return f"<workflow {self.name!r}>"


class BoundWorkflow(Generic[P, R]):
    """A function workflow with a client and options: made by `FunctionWorkflow.using`."""

    def __init__(self, workflow: FunctionWorkflow[P, R], client: Any, options: Mapping[str, Any]) -> None:
        self._workflow = workflow
        self._client = client
        self._options = options

    async def start(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Start it, and return its `WorkflowHandle`."""
        values = self._workflow.bind(args, kwargs)
        if hasattr(self._client, "client"):
            return await self._client.start(self._workflow, *values, **self._options)
        return await self._client.start_workflow(self._workflow, args=values, **self._options)

    async def execute(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it, and wait for its result. Raises `WorkflowFailureError` when it fails."""
        values = self._workflow.bind(args, kwargs)
        found: R
        if hasattr(self._client, "client"):
            found = await self._client.execute(self._workflow, *values, **self._options)
        else:
            found = await self._client.execute_workflow(self._workflow, args=values, **self._options)
        return found


def make(
    fn: Callable[..., Any],
    *,
    name: str | None = None,
    task_queue: str | None = None,
    failure_exception_types: Sequence[type[BaseException]] = (AnyError,),
    sandboxed: bool = True,
    versioning_behavior: VersioningBehavior = VersioningBehavior.UNSPECIFIED,
) -> FunctionWorkflow[..., Any]:
    """The workflow of ``fn``, remembered for applications. Raises ValueError with all defects at once."""
    chosen_name: str = name or getattr(fn, "__name__", None) or ""
    call = _callable_by_wire(fn, chosen_name)

    async def run(self: Any, *args: Any) -> Any:
        return await call(*args)

    # Those who read source or signature shall see the user's function.
    run.__wrapped__ = fn  # type: ignore[attr-defined]
    run.__doc__ = fn.__doc__
    described = {"__module__": fn.__module__, "__qualname__": fn.__qualname__, "__doc__": fn.__doc__}
    cls = type(fn.__name__, (), {**described, "run": run})

    def define() -> Definition:
        arg_types, ret_type = hints_of(call, False)
        return Definition(
            name=chosen_name,
            cls=cls,
            run_fn=run,
            make=cls,
            sandboxed=sandboxed,
            failure_exception_types=failure_exception_types,
            versioning_behavior=versioning_behavior,
            arg_types=arg_types,
            ret_type=ret_type,
            description=inspect.getdoc(fn),
        )

    made: FunctionWorkflow[..., Any] = FunctionWorkflow(fn, chosen_name, cache(define), task_queue, {})
    declare(made)
    return made


def _callable_by_wire(fn: Callable[..., Any], name: str) -> Callable[..., Any]:
    """What to call with the values that came. Raises ValueError."""
    if not inspect.iscoroutinefunction(fn):
        raise ValueError(
            f"{fn!r} is not a workflow: a workflow is an async function (or a class, with @workflow.defn)"
        )
    call, defects = fn, []
    try:
        call = by_position(fn)
    except TypeError as error:
        defects.append(str(error))
    if name.startswith("__temporal"):
        defects.append(f"the name {name} is reserved")
    if defects:
        raise ValueError(f"Invalid workflow function {fn.__qualname__}: {', '.join(defects)}")
    return call


def decorate(fn: Any = None, /, **given: Any) -> Any:
    """``@workflow`` and ``@workflow(name=..., task_queue=..., failure_exception_types=..., sandboxed=...,
    versioning_behavior=...)``: make a `FunctionWorkflow` of an async function. Raises ValueError, TypeError."""
    if fn is None:
        return lambda target: make(target, **given)
    return make(fn, **given)
