"""Handles whose methods block. This file must never wait itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterator
from datetime import timedelta
from typing import Any, Generic, TypeVar, cast, overload

from tenuto.client import (
    ActivityHandle,
    ScheduleHandle,
    WorkflowHandle,
    WorkflowUpdateHandle,
    WorkflowUpdateStage,
)
from tenuto.sync.thread import LoopThread, Waiting, blocking
from tenuto.wire import history

SelfType = TypeVar("SelfType")
ReturnType = TypeVar("ReturnType")
T = TypeVar("T")


class SyncUpdateHandle(Waiting, Generic[T]):
    """An update that was sent."""

    def __init__(self, thread: LoopThread, handle: WorkflowUpdateHandle[T]) -> None:
        super().__init__(thread)
        self._aio = handle

    @property
    def id(self) -> str:
        """The update's id."""
        return self._aio.id

    @property
    def workflow_id(self) -> str:
        """The workflow it was sent to."""
        return self._aio.workflow_id

    @property
    def workflow_run_id(self) -> str | None:
        """The run it was sent to, if known."""
        return self._aio.workflow_run_id

    def result(self, timeout: timedelta | float | None = None) -> T:
        """Wait for the handler, and return what it returned.

        ``timeout``: a timedelta or seconds; None: as long as it takes. Raises TimeoutError, `WorkflowUpdateFailedError`.
        """
        return self.run(self._aio.result(), timeout=timeout)


class SyncWorkflowHandle(Waiting, Generic[SelfType, ReturnType]):
    """A workflow, by its id."""

    def __init__(self, thread: LoopThread, handle: WorkflowHandle[SelfType, ReturnType]) -> None:
        super().__init__(thread)
        self._aio = handle

    def __repr__(self) -> str:
        return repr(self._aio).replace("<WorkflowHandle", "<SyncWorkflowHandle", 1)

    @property
    def id(self) -> str:
        """The workflow's id."""
        return self._aio.id

    @property
    def run_id(self) -> str | None:
        """The run that messages go to; None: whichever is current."""
        return self._aio.run_id

    @property
    def result_run_id(self) -> str | None:
        """The run that `result` begins with; None: the current one."""
        return self._aio.result_run_id

    @property
    def first_execution_run_id(self) -> str | None:
        """The chain that `cancel` and `terminate` insist on; None: whichever there is."""
        return self._aio.first_execution_run_id

    def result(self, timeout: timedelta | float | None = None, *, follow_runs: bool = True) -> ReturnType:
        """Wait until the workflow closes, and return what it returned.

        ``timeout``: a timedelta or seconds; None: as long as it takes. ``follow_runs``: go on with the run that continues,
        retries or repeats this one. Raises TimeoutError (the workflow goes on), `WorkflowFailureError`.
        """
        return self.run(self._aio.result(follow_runs=follow_runs), timeout=timeout)

    cancel = blocking(WorkflowHandle.cancel)
    terminate = blocking(WorkflowHandle.terminate)
    describe = blocking(WorkflowHandle.describe)
    fetch_history = blocking(WorkflowHandle.fetch_history)

    def fetch_history_events(self, **options: Any) -> Iterator[history.HistoryEvent]:
        """The events of the run one by one, fetched while iterated. Options as of ``WorkflowHandle``."""
        return self._thread.iterate(self._aio.fetch_history_events(**options))

    @overload
    def query(self, query: Callable[..., Awaitable[T]], *args: Any, **options: Any) -> T: ...
    @overload
    def query(self, query: Callable[..., T], *args: Any, **options: Any) -> T: ...
    @overload
    def query(self, query: str, *args: Any, **options: Any) -> Any: ...
    def query(self, query: Any, *args: Any, **options: Any) -> Any:
        """Ask the workflow's code, and return its answer. Raises `WorkflowQueryFailedError` and the like."""
        return self.run(_untyped(self._aio.query)(query, *args, **options))

    def signal(self, signal: str | Callable[..., Any], *args: Any, **options: Any) -> None:
        """Send a signal; back when it is durable."""
        self.run(_untyped(self._aio.signal)(signal, *args, **options))

    @overload
    def execute_update(self, update: Callable[..., Awaitable[T]], *args: Any, **options: Any) -> T: ...
    @overload
    def execute_update(self, update: Callable[..., T | Awaitable[T]], *args: Any, **options: Any) -> T: ...
    @overload
    def execute_update(self, update: str, *args: Any, **options: Any) -> Any: ...
    def execute_update(self, update: Any, *args: Any, **options: Any) -> Any:
        """Send an update, and return what its handler returned. Raises `WorkflowUpdateFailedError`."""
        return self.run(_untyped(self._aio.execute_update)(update, *args, **options))

    @overload
    def start_update(
        self,
        update: Callable[..., Awaitable[T]],
        *args: Any,
        wait_for_stage: WorkflowUpdateStage = ...,
        **options: Any,
    ) -> SyncUpdateHandle[T]: ...
    @overload
    def start_update(
        self,
        update: Callable[..., T | Awaitable[T]],
        *args: Any,
        wait_for_stage: WorkflowUpdateStage = ...,
        **options: Any,
    ) -> SyncUpdateHandle[T]: ...
    @overload
    def start_update(
        self, update: str, *args: Any, wait_for_stage: WorkflowUpdateStage = ..., **options: Any
    ) -> SyncUpdateHandle[Any]: ...
    def start_update(
        self,
        update: Any,
        *args: Any,
        wait_for_stage: WorkflowUpdateStage = WorkflowUpdateStage.ACCEPTED,
        **options: Any,
    ) -> Any:
        """Send an update, and return its handle when it got to ``wait_for_stage``."""
        start = _untyped(self._aio.start_update)
        return SyncUpdateHandle(
            self._thread, self.run(start(update, *args, wait_for_stage=wait_for_stage, **options))
        )

    def get_update_handle(self, id: str, **options: Any) -> SyncUpdateHandle[Any]:
        """A handle to an update by its id. Options as of ``WorkflowHandle``."""
        return SyncUpdateHandle(self._thread, self._aio.get_update_handle(id, **options))


class SyncActivityHandle(Waiting, Generic[T]):
    """An activity without a workflow, by its id."""

    def __init__(self, thread: LoopThread, handle: ActivityHandle[T]) -> None:
        super().__init__(thread)
        self._aio = handle

    @property
    def id(self) -> str:
        """The activity's id."""
        return self._aio.id

    @property
    def run_id(self) -> str | None:
        """Its run; None: the current one."""
        return self._aio.run_id

    def result(self, timeout: timedelta | float | None = None) -> T:
        """Wait until it closes, and return what it returned.

        ``timeout``: a timedelta or seconds; None: as long as it takes. Raises TimeoutError, `ActivityFailureError`.
        """
        return self.run(self._aio.result(), timeout=timeout)

    cancel = blocking(ActivityHandle.cancel)
    terminate = blocking(ActivityHandle.terminate)
    pause = blocking(ActivityHandle.pause)
    unpause = blocking(ActivityHandle.unpause)
    describe = blocking(ActivityHandle.describe)


class SyncScheduleHandle(Waiting):
    """A schedule, by its id."""

    def __init__(self, thread: LoopThread, handle: ScheduleHandle) -> None:
        super().__init__(thread)
        self._aio = handle

    @property
    def id(self) -> str:
        """The schedule's id."""
        return self._aio.id

    backfill = blocking(ScheduleHandle.backfill)
    delete = blocking(ScheduleHandle.delete)
    describe = blocking(ScheduleHandle.describe)
    pause = blocking(ScheduleHandle.pause)
    trigger = blocking(ScheduleHandle.trigger)
    unpause = blocking(ScheduleHandle.unpause)
    update = blocking(ScheduleHandle.update)


def _untyped(method: Any) -> Callable[..., Coroutine[Any, Any, Any]]:
    """A method of many shapes, which checkers need not tell apart here."""
    return cast("Callable[..., Coroutine[Any, Any, Any]]", method)
