"""A handle to one workflow: its result, its messages, its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Unpack, cast, overload

from tenuto.client import encoding, naming
from tenuto.client.callables import (
    FirstType,
    LocalReturnType,
    MethodSyncOrAsyncNoParam,
    MethodSyncOrAsyncSingleParam,
    MultiParamSpec,
    ParamType,
    QueryOptions,
    ReturnType,
    RPCOptions,
    SelfType,
    UpdateOptions,
    Values,
)
from tenuto.client.closing import following_run, outcome
from tenuto.client.errors import WorkflowContinuedAsNewError
from tenuto.client.history import (
    WorkflowHistory,
    WorkflowHistoryEventAsyncIterator,
    WorkflowHistoryEventFilterType,
    whole,
)
from tenuto.client.inputs import (
    NO_METADATA,
    CancelWorkflowInput,
    DescribeWorkflowInput,
    FetchWorkflowHistoryEventsInput,
    QueryWorkflowInput,
    RPCMetadata,
    SignalWorkflowInput,
    StartWorkflowUpdateInput,
    TerminateWorkflowInput,
)
from tenuto.client.listing import WorkflowExecutionDescription
from tenuto.client.update import WorkflowUpdateHandle, WorkflowUpdateStage, checked_stage
from tenuto.common import UNSET, QueryRejectCondition, merged_args
from tenuto.wire import history
from tenuto.wire import workflowservice as ws

if TYPE_CHECKING:
    from tenuto.client.core import ClientCore


class WorkflowHandle(Generic[SelfType, ReturnType]):
    """One workflow, by id. Made by `Client.start_workflow` and `Client.get_workflow_handle`.

    Every method that calls the service raises `tenuto.transport.errors.RPCError`, with status NOT_FOUND when there is no
    such workflow.
    """

    def __init__(
        self,
        client: ClientCore,
        id: str,
        *,
        run_id: str | None = None,
        result_run_id: str | None = None,
        first_execution_run_id: str | None = None,
        result_type: type | None = None,
        start_workflow_response: ws.StartWorkflowExecutionResponse
        | ws.SignalWithStartWorkflowExecutionResponse
        | None = None,
    ) -> None:
        self._client = client
        self._id = id
        self._run_id = run_id
        self._result_run_id = result_run_id
        self._first_execution_run_id = first_execution_run_id
        self._result_type = result_type
        self._start_workflow_response = start_workflow_response

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._id!r} run {self._run_id or self._result_run_id or 'current'}>"

    @property
    def id(self) -> str:
        """The workflow's id."""
        return self._id

    @property
    def run_id(self) -> str | None:
        """The run that messages go to; None: whichever is current."""
        return self._run_id

    @property
    def result_run_id(self) -> str | None:
        """The run that `result` begins with; None: the current one."""
        return self._result_run_id

    @property
    def first_execution_run_id(self) -> str | None:
        """The chain that `cancel` and `terminate` insist on; None: whichever there is."""
        return self._first_execution_run_id

    async def result(
        self,
        *,
        follow_runs: bool = True,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> ReturnType:
        """Wait until the workflow closes, and return what it returned.

        ``follow_runs``: go on with the run that continues, retries or repeats this one. ``rpc_timeout`` bounds each
        call, not the wait: use `asyncio.timeout` for that. Raises `WorkflowFailureError`, and with
        ``follow_runs=False`` `WorkflowContinuedAsNewError`.
        """
        run_id = self._result_run_id
        while True:
            close = await self._close_event(run_id, rpc_metadata, rpc_timeout)
            following = following_run(close)
            if following and follow_runs:
                run_id = following
                continue
            if close.HasField("workflow_execution_continued_as_new_event_attributes"):
                raise WorkflowContinuedAsNewError(following)
            converter = encoding.for_workflow(self._client, self._id)
            return cast("ReturnType", await outcome(converter, close, self._result_type))

    async def _close_event(
        self, run_id: str | None, rpc_metadata: RPCMetadata, rpc_timeout: timedelta | None
    ) -> history.HistoryEvent:
        events = self._events_of(
            run_id,
            wait_new_event=True,
            event_filter_type=WorkflowHistoryEventFilterType.CLOSE_EVENT,
            skip_archival=True,
            rpc_metadata=rpc_metadata,
            rpc_timeout=rpc_timeout,
        )
        async for event in events:
            return event
        raise RuntimeError(f"the service told of no end of workflow {self._id!r}")

    async def cancel(
        self,
        *,
        reason: str = "",
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> None:
        """Ask the workflow to end: its code gets an `asyncio.CancelledError` and decides."""
        await self._client._impl.cancel_workflow(
            CancelWorkflowInput(
                id=self._id,
                run_id=self._run_id,
                first_execution_run_id=self._first_execution_run_id,
                reason=reason,
                rpc_metadata=rpc_metadata,
                rpc_timeout=rpc_timeout,
            )
        )

    async def describe(
        self, *, rpc_metadata: RPCMetadata = NO_METADATA, rpc_timeout: timedelta | None = None
    ) -> WorkflowExecutionDescription:
        """How the workflow stands."""
        return await self._client._impl.describe_workflow(
            DescribeWorkflowInput(
                id=self._id, run_id=self._run_id, rpc_metadata=rpc_metadata, rpc_timeout=rpc_timeout
            )
        )

    async def fetch_history(
        self,
        *,
        event_filter_type: WorkflowHistoryEventFilterType = WorkflowHistoryEventFilterType.ALL_EVENT,
        skip_archival: bool = False,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> WorkflowHistory:
        """All events of the run, as one `WorkflowHistory`."""
        events = self.fetch_history_events(
            event_filter_type=event_filter_type,
            skip_archival=skip_archival,
            rpc_metadata=rpc_metadata,
            rpc_timeout=rpc_timeout,
        )
        return await whole(self._id, events)

    def fetch_history_events(
        self,
        *,
        page_size: int | None = None,
        next_page_token: bytes | None = None,
        wait_new_event: bool = False,
        event_filter_type: WorkflowHistoryEventFilterType = WorkflowHistoryEventFilterType.ALL_EVENT,
        skip_archival: bool = False,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> WorkflowHistoryEventAsyncIterator:
        """The events of the run one by one, fetched while iterated. ``wait_new_event``: go on until it is closed."""
        return self._events_of(
            self._run_id,
            page_size=page_size,
            next_page_token=next_page_token,
            wait_new_event=wait_new_event,
            event_filter_type=event_filter_type,
            skip_archival=skip_archival,
            rpc_metadata=rpc_metadata,
            rpc_timeout=rpc_timeout,
        )

    def _events_of(
        self,
        run_id: str | None,
        *,
        page_size: int | None = None,
        next_page_token: bytes | None = None,
        wait_new_event: bool,
        event_filter_type: WorkflowHistoryEventFilterType,
        skip_archival: bool,
        rpc_metadata: RPCMetadata,
        rpc_timeout: timedelta | None,
    ) -> WorkflowHistoryEventAsyncIterator:
        return self._client._impl.fetch_workflow_history_events(
            FetchWorkflowHistoryEventsInput(
                id=self._id,
                run_id=run_id,
                page_size=page_size,
                next_page_token=next_page_token,
                wait_new_event=wait_new_event,
                event_filter_type=event_filter_type,
                skip_archival=skip_archival,
                rpc_metadata=rpc_metadata,
                rpc_timeout=rpc_timeout,
            )
        )

    @overload
    async def query(
        self, query: MethodSyncOrAsyncNoParam[SelfType, LocalReturnType], **options: Unpack[QueryOptions]
    ) -> LocalReturnType: ...
    @overload
    async def query(
        self,
        query: MethodSyncOrAsyncSingleParam[SelfType, ParamType, LocalReturnType],
        arg: ParamType,
        **options: Unpack[QueryOptions],
    ) -> LocalReturnType: ...
    @overload
    async def query(
        self,
        query: Callable[[SelfType, FirstType, Unpack[Values]], Awaitable[LocalReturnType]],
        arg: FirstType,
        *more: *Values,
        **options: Unpack[QueryOptions],
    ) -> LocalReturnType: ...
    @overload
    async def query(
        self,
        query: Callable[[SelfType, FirstType, Unpack[Values]], LocalReturnType],
        arg: FirstType,
        *more: *Values,
        **options: Unpack[QueryOptions],
    ) -> LocalReturnType: ...
    @overload
    async def query(
        self,
        query: Callable[Concatenate[SelfType, MultiParamSpec], Awaitable[LocalReturnType]],
        *,
        args: Sequence[Any],
        **options: Unpack[QueryOptions],
    ) -> LocalReturnType: ...
    @overload
    async def query(
        self,
        query: Callable[Concatenate[SelfType, MultiParamSpec], LocalReturnType],
        *,
        args: Sequence[Any],
        **options: Unpack[QueryOptions],
    ) -> LocalReturnType: ...
    @overload
    async def query(
        self,
        query: str,
        arg: Any = ...,
        *more: Any,
        args: Sequence[Any] = ...,
        result_type: type | None = ...,
        **options: Unpack[QueryOptions],
    ) -> Any: ...
    async def query(  # type: ignore[misc]
        self,
        query: str | Callable[..., Any],
        arg: Any = UNSET,
        *more: Any,
        args: Sequence[Any] = (),
        result_type: type | None = None,
        reject_condition: QueryRejectCondition | None = None,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> Any:
        """Ask the workflow's code, and return its answer.

        ``reject_condition`` None: the client's default. Raises `WorkflowQueryFailedError`, `WorkflowQueryRejectedError`.
        """
        named = naming.query_named(query)
        return await self._client._impl.query_workflow(
            QueryWorkflowInput(
                id=self._id,
                run_id=self._run_id,
                query=named.name,
                args=merged_args(arg, more, args),
                reject_condition=reject_condition or self._client._default_workflow_query_reject_condition,
                headers={},
                ret_type=result_type or named.ret_type,
                rpc_metadata=rpc_metadata,
                rpc_timeout=rpc_timeout,
            )
        )

    @overload
    async def signal(
        self, signal: MethodSyncOrAsyncNoParam[SelfType, None], **options: Unpack[RPCOptions]
    ) -> None: ...
    @overload
    async def signal(
        self,
        signal: MethodSyncOrAsyncSingleParam[SelfType, ParamType, None],
        arg: ParamType,
        **options: Unpack[RPCOptions],
    ) -> None: ...
    @overload
    async def signal(
        self,
        signal: Callable[[SelfType, FirstType, Unpack[Values]], Awaitable[None] | None],
        arg: FirstType,
        *more: *Values,
        **options: Unpack[RPCOptions],
    ) -> None: ...
    @overload
    async def signal(
        self,
        signal: Callable[Concatenate[SelfType, MultiParamSpec], Awaitable[None] | None],
        *,
        args: Sequence[Any],
        **options: Unpack[RPCOptions],
    ) -> None: ...
    @overload
    async def signal(
        self,
        signal: str,
        arg: Any = ...,
        *more: Any,
        args: Sequence[Any] = ...,
        **options: Unpack[RPCOptions],
    ) -> None: ...
    async def signal(  # type: ignore[misc]
        self,
        signal: str | Callable[..., Any],
        arg: Any = UNSET,
        *more: Any,
        args: Sequence[Any] = (),
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> None:
        """Send a signal; it is durable when this returns."""
        await self._client._impl.signal_workflow(
            SignalWorkflowInput(
                id=self._id,
                run_id=self._run_id,
                signal=naming.signal_named(signal),
                args=merged_args(arg, more, args),
                headers={},
                rpc_metadata=rpc_metadata,
                rpc_timeout=rpc_timeout,
            )
        )

    async def terminate(
        self,
        *args: Any,
        reason: str | None = None,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> None:
        """End the workflow at once: its code learns nothing. ``args`` are kept in its history as details."""
        await self._client._impl.terminate_workflow(
            TerminateWorkflowInput(
                id=self._id,
                run_id=self._run_id,
                first_execution_run_id=self._first_execution_run_id,
                args=args,
                reason=reason,
                rpc_metadata=rpc_metadata,
                rpc_timeout=rpc_timeout,
            )
        )

    @overload
    async def execute_update(
        self, update: MethodSyncOrAsyncNoParam[SelfType, LocalReturnType], **options: Unpack[UpdateOptions]
    ) -> LocalReturnType: ...
    @overload
    async def execute_update(
        self,
        update: MethodSyncOrAsyncSingleParam[SelfType, ParamType, LocalReturnType],
        arg: ParamType,
        **options: Unpack[UpdateOptions],
    ) -> LocalReturnType: ...
    @overload
    async def execute_update(
        self,
        update: Callable[[SelfType, FirstType, Unpack[Values]], LocalReturnType | Awaitable[LocalReturnType]],
        arg: FirstType,
        *more: *Values,
        **options: Unpack[UpdateOptions],
    ) -> LocalReturnType: ...
    @overload
    async def execute_update(
        self,
        update: Callable[Concatenate[SelfType, MultiParamSpec], LocalReturnType | Awaitable[LocalReturnType]],
        *,
        args: Sequence[Any],
        **options: Unpack[UpdateOptions],
    ) -> LocalReturnType: ...
    @overload
    async def execute_update(
        self,
        update: str,
        arg: Any = ...,
        *more: Any,
        args: Sequence[Any] = ...,
        result_type: type | None = ...,
        **options: Unpack[UpdateOptions],
    ) -> Any: ...
    async def execute_update(  # type: ignore[misc]
        self,
        update: str | Callable[..., Any],
        arg: Any = UNSET,
        *more: Any,
        args: Sequence[Any] = (),
        id: str | None = None,
        result_type: type | None = None,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> Any:
        """Send an update, wait for its handler, and return what it returned.

        Raises `WorkflowUpdateFailedError` when it is rejected or its handler fails, and
        `WorkflowUpdateRPCTimeoutOrCancelledError`.
        """
        handle = await self._start_update(
            update,
            merged_args(arg, more, args),
            WorkflowUpdateStage.COMPLETED,
            id,
            result_type,
            rpc_metadata,
            rpc_timeout,
        )
        return await handle.result(rpc_metadata=rpc_metadata, rpc_timeout=rpc_timeout)

    @overload
    async def start_update(
        self,
        update: MethodSyncOrAsyncNoParam[SelfType, LocalReturnType],
        *,
        wait_for_stage: WorkflowUpdateStage,
        **options: Unpack[UpdateOptions],
    ) -> WorkflowUpdateHandle[LocalReturnType]: ...
    @overload
    async def start_update(
        self,
        update: MethodSyncOrAsyncSingleParam[SelfType, ParamType, LocalReturnType],
        arg: ParamType,
        *,
        wait_for_stage: WorkflowUpdateStage,
        **options: Unpack[UpdateOptions],
    ) -> WorkflowUpdateHandle[LocalReturnType]: ...
    @overload
    async def start_update(
        self,
        update: Callable[[SelfType, FirstType, Unpack[Values]], LocalReturnType | Awaitable[LocalReturnType]],
        arg: FirstType,
        *more: *Values,
        wait_for_stage: WorkflowUpdateStage,
        **options: Unpack[UpdateOptions],
    ) -> WorkflowUpdateHandle[LocalReturnType]: ...
    @overload
    async def start_update(
        self,
        update: Callable[Concatenate[SelfType, MultiParamSpec], LocalReturnType | Awaitable[LocalReturnType]],
        *,
        args: Sequence[Any],
        wait_for_stage: WorkflowUpdateStage,
        **options: Unpack[UpdateOptions],
    ) -> WorkflowUpdateHandle[LocalReturnType]: ...
    @overload
    async def start_update(
        self,
        update: str,
        arg: Any = ...,
        *more: Any,
        wait_for_stage: WorkflowUpdateStage,
        args: Sequence[Any] = ...,
        result_type: type | None = ...,
        **options: Unpack[UpdateOptions],
    ) -> WorkflowUpdateHandle[Any]: ...
    async def start_update(  # type: ignore[misc]
        self,
        update: str | Callable[..., Any],
        arg: Any = UNSET,
        *more: Any,
        wait_for_stage: WorkflowUpdateStage,
        args: Sequence[Any] = (),
        id: str | None = None,
        result_type: type | None = None,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> WorkflowUpdateHandle[Any]:
        """Send an update, and wait until it reached ``wait_for_stage``: ACCEPTED or COMPLETED.

        Raises ValueError for ADMITTED, and `WorkflowUpdateRPCTimeoutOrCancelledError`. A rejection is raised by the
        handle's ``result``.
        """
        return await self._start_update(
            update,
            merged_args(arg, more, args),
            wait_for_stage,
            id,
            result_type,
            rpc_metadata,
            rpc_timeout,
        )

    async def _start_update(
        self,
        update: str | Callable[..., Any],
        args: Sequence[Any],
        stage: WorkflowUpdateStage,
        id: str | None,
        result_type: type | None,
        rpc_metadata: RPCMetadata,
        rpc_timeout: timedelta | None,
    ) -> WorkflowUpdateHandle[Any]:
        named = naming.update_named(update)
        return await self._client._impl.start_workflow_update(
            StartWorkflowUpdateInput(
                id=self._id,
                run_id=self._run_id,
                first_execution_run_id=self._first_execution_run_id,
                update_id=id,
                update=named.name,
                args=args,
                wait_for_stage=checked_stage(stage),
                headers={},
                ret_type=result_type or named.ret_type,
                rpc_metadata=rpc_metadata,
                rpc_timeout=rpc_timeout,
            )
        )

    def get_update_handle(
        self, id: str, *, workflow_run_id: str | None = None, result_type: type | None = None
    ) -> WorkflowUpdateHandle[Any]:
        """A handle to an update sent before, by its id. Asks the service nothing."""
        return WorkflowUpdateHandle(
            self._client,
            id,
            self._id,
            workflow_run_id=workflow_run_id or self._run_id,
            result_type=result_type,
        )

    def get_update_handle_for(
        self,
        update: Callable[Concatenate[SelfType, MultiParamSpec], LocalReturnType | Awaitable[LocalReturnType]],
        id: str,
        *,
        workflow_run_id: str | None = None,
    ) -> WorkflowUpdateHandle[LocalReturnType]:
        """Like `get_update_handle`, typed by the update's method."""
        hint = naming.update_named(update).ret_type
        return self.get_update_handle(id, workflow_run_id=workflow_run_id, result_type=hint)
