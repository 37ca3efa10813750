"""What workflow code holds of the things it started. `tenuto.run` makes them; users never do.

They are tasks of the run's loop, so that ``gather``, ``wait``, ``cancel`` and callbacks work on them as on any task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tenuto.common import UNSET, arg_or_args
from tenuto.workflow.definition import signal_named
from tenuto.workflow.event_groups import EventGroup, grouped, scoped

if TYPE_CHECKING:
    from tenuto.workflow._runtime import Runtime

    _Task = asyncio.Task
else:

    class _Task(asyncio.Task):
        """``asyncio.Task[T]`` cannot be a base class of a generic at run time on every interpreter."""

        @classmethod
        def __class_getitem__(cls, item: Any) -> Any:
            return cls


ResultT = TypeVar("ResultT")
SelfT = TypeVar("SelfT")


class ActivityHandle(_Task[ResultT]):
    """A started activity: await it, or ``cancel`` it."""


class ChildWorkflowHandle(_Task[ResultT], Generic[SelfT, ResultT]):
    """A started child workflow: await it for its result, ``cancel`` or ``signal`` it."""

    @property
    def id(self) -> str:
        """Workflow id of the child."""
        raise NotImplementedError

    @property
    def first_execution_run_id(self) -> str | None:
        """Run id of the child's first run."""
        raise NotImplementedError

    async def signal(
        self,
        signal: str | Callable[..., Any],
        arg: Any = UNSET,
        *,
        args: Sequence[Any] = (),
        event_groups: Sequence[EventGroup] | None = None,
    ) -> None:
        """Send a signal, and wait until it is delivered. Raises `ApplicationError` when the child is gone."""
        raise NotImplementedError


class ExternalWorkflowHandle(Generic[SelfT]):
    """Another workflow in this namespace, by id."""

    __slots__ = ("_id", "_run_id", "_runtime")

    def __init__(self, runtime: Runtime, workflow_id: str, run_id: str | None) -> None:
        self._runtime = runtime
        self._id = workflow_id
        self._run_id = run_id

    @property
    def id(self) -> str:
        """Its workflow id."""
        return self._id

    @property
    def run_id(self) -> str | None:
        """The run meant; None: the current one."""
        return self._run_id

    async def signal(
        self,
        signal: str | Callable[..., Any],
        arg: Any = UNSET,
        *,
        args: Sequence[Any] = (),
        event_groups: Sequence[EventGroup] | None = None,
    ) -> None:
        """Send a signal, and wait until it is delivered. Raises `ApplicationError` when there is no such workflow."""
        from tenuto.workflow.interception import SignalExternalWorkflowInput

        name, _ = signal_named(signal)
        await self._runtime.signal_external_workflow(
            SignalExternalWorkflowInput(
                signal=name,
                args=arg_or_args(arg, args),
                namespace=self._runtime.namespace(),
                workflow_id=self._id,
                workflow_run_id=self._run_id,
                headers={},
                event_groups=grouped(event_groups),
            )
        )

    async def cancel(self, *, reason: str = "", event_groups: Sequence[EventGroup] | None = None) -> None:
        """Ask for its cancellation, and wait until that is delivered. Raises `ApplicationError`."""
        with scoped(event_groups):
            await self._runtime.cancel_external_workflow(self._id, self._run_id, reason)


class NexusOperationHandle(Generic[ResultT], Awaitable[ResultT]):
    """A started Nexus operation: await it for its result, or ``cancel`` it."""

    @property
    def operation_token(self) -> str | None:
        """The token of an operation that did not end at once."""
        raise NotImplementedError

    def cancel(self) -> bool:
        """Ask for cancellation; False when it was over already."""
        raise NotImplementedError

    def __await__(self) -> Generator[Any, None, ResultT]:
        raise NotImplementedError
