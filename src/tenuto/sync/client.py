"""A client whose methods block. This file must never wait itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast, overload

from tenuto.client import Client
from tenuto.sync.handles import (
    SyncActivityHandle,
    SyncScheduleHandle,
    SyncUpdateHandle,
    SyncWorkflowHandle,
)
from tenuto.sync.thread import LoopThread, Owner, Waiting, blocking

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self, Unpack

    from tenuto.client import (
        ActivityExecution,
        Schedule,
        ScheduleListDescription,
        WithStartWorkflowOperation,
        WorkflowExecution,
    )
    from tenuto.client.callables import StartActivityOptions, StartOptions
    from tenuto.workflow import FunctionWorkflow

P = ParamSpec("P")
R = TypeVar("R")


class _Calls(Waiting):
    """The calls of a client."""

    _aio: Client

    # ---- workflows ----------------------------------------------------------------------------------------------------

    @overload
    def start_workflow(
        self, workflow: FunctionWorkflow[..., R], *args: Any, **options: Unpack[StartOptions]
    ) -> SyncWorkflowHandle[Any, R]: ...
    @overload
    def start_workflow(
        self, workflow: Callable[..., Awaitable[R]], *args: Any, **options: Any
    ) -> SyncWorkflowHandle[Any, R]: ...
    @overload
    def start_workflow(self, workflow: str, *args: Any, **options: Any) -> SyncWorkflowHandle[Any, Any]: ...
    def start_workflow(self, workflow: Any, *args: Any, **options: Any) -> Any:
        """Start a workflow, and return a handle once its start is durable. Args and options as of ``Client``."""
        handle = self.run(_untyped(self._aio.start_workflow)(workflow, *args, **options))
        return SyncWorkflowHandle(self._thread, handle)

    @overload
    def execute_workflow(
        self, workflow: FunctionWorkflow[..., R], *args: Any, **options: Unpack[StartOptions]
    ) -> R: ...
    @overload
    def execute_workflow(self, workflow: Callable[..., Awaitable[R]], *args: Any, **options: Any) -> R: ...
    @overload
    def execute_workflow(self, workflow: str, *args: Any, **options: Any) -> Any: ...
    def execute_workflow(self, workflow: Any, *args: Any, **options: Any) -> Any:
        """Start a workflow, wait until it closes, and return what it returned. Args and options as of ``Client``."""
        return self.run(_untyped(self._aio.execute_workflow)(workflow, *args, **options))

    def get_workflow_handle(self, workflow_id: str, **options: Any) -> SyncWorkflowHandle[Any, Any]:
        """A handle to a workflow by its id. Options as of ``Client``."""
        return SyncWorkflowHandle(self._thread, self._aio.get_workflow_handle(workflow_id, **options))

    def get_workflow_handle_for(
        self, workflow: Callable[..., Awaitable[R]], workflow_id: str, **options: Any
    ) -> SyncWorkflowHandle[Any, R]:
        """Like `get_workflow_handle`, typed by the workflow's run method."""
        get = cast("Callable[..., Any]", self._aio.get_workflow_handle_for)
        return SyncWorkflowHandle(self._thread, get(workflow, workflow_id, **options))

    def list_workflows(self, query: str | None = None, **options: Any) -> Iterator[WorkflowExecution]:
        """The workflows that match ``query`` (None: all), fetched while iterated. Options as of ``Client``."""
        return self._thread.iterate(self._aio.list_workflows(query, **options))

    count_workflows = blocking(Client.count_workflows)

    def execute_update_with_start_workflow(
        self,
        update: str | Callable[..., Any],
        *args: Any,
        start_workflow_operation: WithStartWorkflowOperation[Any, Any],
        **options: Any,
    ) -> Any:
        """Send an update, and start its workflow if it does not run. Args and options as of ``Client``."""
        send = _untyped(self._aio.execute_update_with_start_workflow)
        return self.run(send(update, *args, start_workflow_operation=start_workflow_operation, **options))

    def start_update_with_start_workflow(
        self,
        update: str | Callable[..., Any],
        *args: Any,
        start_workflow_operation: WithStartWorkflowOperation[Any, Any],
        **options: Any,
    ) -> SyncUpdateHandle[Any]:
        """As `execute_update_with_start_workflow`, back when the update got to ``wait_for_stage``."""
        send = _untyped(self._aio.start_update_with_start_workflow)
        handle = self.run(send(update, *args, start_workflow_operation=start_workflow_operation, **options))
        return SyncUpdateHandle(self._thread, handle)

    # ---- activities without workflows ---------------------------------------------------------------------------------

    def start_activity(
        self, activity: str | Callable[..., Any], *args: Any, **options: Unpack[StartActivityOptions]
    ) -> SyncActivityHandle[Any]:
        """Start an activity without a workflow. Args and options as of ``Client``."""
        handle = self.run(_untyped(self._aio.start_activity)(activity, *args, **options))
        return SyncActivityHandle(self._thread, handle)

    def execute_activity(
        self, activity: str | Callable[..., Any], *args: Any, **options: Unpack[StartActivityOptions]
    ) -> Any:
        """Run an activity without a workflow, and return what it returned. Args and options as of ``Client``."""
        return self.run(_untyped(self._aio.execute_activity)(activity, *args, **options))

    def get_activity_handle(self, activity_id: str, **options: Any) -> SyncActivityHandle[Any]:
        """A handle to an activity by its id. Options as of ``Client``."""
        return SyncActivityHandle(self._thread, self._aio.get_activity_handle(activity_id, **options))

    def list_activities(self, query: str, **options: Any) -> Iterator[ActivityExecution]:
        """Activities without workflows that match ``query``, fetched while iterated. Options as of ``Client``."""
        return self._thread.iterate(self._aio.list_activities(query, **options))

    count_activities = blocking(Client.count_activities)

    # ---- schedules ----------------------------------------------------------------------------------------------------

    def create_schedule(self, id: str, schedule: Schedule, **options: Any) -> SyncScheduleHandle:
        """Make a schedule, and return a handle once it is durable. Options as of ``Client``."""
        handle = self.run(self._aio.create_schedule(id, schedule, **options))
        return SyncScheduleHandle(self._thread, handle)

    def get_schedule_handle(self, id: str) -> SyncScheduleHandle:
        """A handle to a schedule by its id."""
        return SyncScheduleHandle(self._thread, self._aio.get_schedule_handle(id))

    def list_schedules(self, query: str | None = None, **options: Any) -> Iterator[ScheduleListDescription]:
        """The schedules that match ``query`` (None: all), fetched while iterated. Options as of ``Client``."""
        return self._thread.iterate(self.run(self._aio.list_schedules(query, **options)))


class SharedClient(_Calls):
    """A client on somebody else's thread, who closes both."""

    def __init__(self, thread: LoopThread, client: Client) -> None:
        super().__init__(thread)
        self._aio = client

    @property
    def aio(self) -> Client:
        """The async client behind. Await its methods by `run` alone: it belongs to another thread."""
        return self._aio

    @property
    def namespace(self) -> str:
        """The namespace of every call."""
        return self._aio.namespace


def _connected(connect: Callable[P, Coroutine[Any, Any, Client]]) -> Callable[P, SyncClient]:
    def connected(*args: P.args, **kwargs: P.kwargs) -> SyncClient:
        made = SyncClient()
        try:
            made._aio = made.run(connect(*args, **kwargs))
            made._open = True
        except BaseException:
            made.close()
            raise
        return made

    connected.__doc__ = connect.__doc__
    return connected


class SyncClient(Owner, SharedClient):
    """A client whose methods block. Make one with `connect`, and share it between threads; `close` it, or use ``with``."""

    def __init__(self) -> None:
        Owner.__init__(self)
        self._open = False

    connect = staticmethod(_connected(Client.connect))

    def close(self) -> None:
        """Let the connection go, and with a store's URL the store. A second time does nothing."""
        was_open, self._open = self._open, False
        try:
            if was_open:
                self.run(self._aio.close())
        finally:
            super().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _untyped(method: Any) -> Callable[..., Coroutine[Any, Any, Any]]:
    return cast("Callable[..., Coroutine[Any, Any, Any]]", method)
