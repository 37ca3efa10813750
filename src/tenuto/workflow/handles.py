"""What workflow code holds of the things it started. `tenuto.run` makes them; users never do.

They are tasks of the run's loop, so that ``gather``, ``wait``, ``cancel`` and callbacks work on them as on any task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tenuto.common import UNSET

if TYPE_CHECKING:
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
        self, signal: str | Callable[..., Any], arg: Any = UNSET, *, args: Sequence[Any] = ()
    ) -> None:
        """Send a signal, and wait until it is delivered. Raises `ApplicationError` when the child is gone."""
        raise NotImplementedError


class ExternalWorkflowHandle(Generic[SelfT]):
    """Another workflow in this namespace, by id."""

    @property
    def id(self) -> str:
        """Its workflow id."""
        raise NotImplementedError

    @property
    def run_id(self) -> str | None:
        """The run meant; None: the current one."""
        raise NotImplementedError

    async def signal(
        self, signal: str | Callable[..., Any], arg: Any = UNSET, *, args: Sequence[Any] = ()
    ) -> None:
        """Send a signal, and wait until it is delivered. Raises `ApplicationError` when there is no such workflow."""
        raise NotImplementedError

    async def cancel(self, *, reason: str = "") -> None:
        """Ask for its cancellation, and wait until that is delivered. Raises `ApplicationError`."""
        raise NotImplementedError


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
