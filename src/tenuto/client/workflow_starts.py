"""The part of a client that starts workflows and finds them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Concatenate, Unpack, cast, overload

from tenuto import ambient
from tenuto.client import naming
from tenuto.client.callables import (
    FirstType,
    MethodAsyncNoParam,
    MethodAsyncSingleParam,
    MultiParamSpec,
    ParamType,
    ReturnType,
    SelfType,
    StartOptions,
    StartTerms,
    Values,
)
from tenuto.client.core import ClientCore
from tenuto.client.inputs import NO_METADATA, RPCMetadata, StartWorkflowInput
from tenuto.client.terms import start_terms
from tenuto.client.workflow import WorkflowHandle
from tenuto.common import UNSET, WorkflowIDConflictPolicy, merged_args

if TYPE_CHECKING:
    from tenuto.workflow.function import FunctionWorkflow


class WorkflowStarts(ClientCore):
    """Starts workflows, and makes handles to them."""

    @overload
    async def start_workflow(
        self,
        workflow: FunctionWorkflow[..., ReturnType],
        arg: Any = ...,
        *more: Any,
        args: Sequence[Any] = ...,
        result_type: type | None = ...,
        **options: Unpack[StartOptions],
    ) -> WorkflowHandle[Any, ReturnType]: ...
    @overload
    async def start_workflow(
        self,
        workflow: MethodAsyncNoParam[SelfType, ReturnType],
        **options: Unpack[StartOptions],
    ) -> WorkflowHandle[SelfType, ReturnType]: ...
    @overload
    async def start_workflow(
        self,
        workflow: MethodAsyncSingleParam[SelfType, ParamType, ReturnType],
        arg: ParamType,
        **options: Unpack[StartOptions],
    ) -> WorkflowHandle[SelfType, ReturnType]: ...
    @overload
    async def start_workflow(
        self,
        workflow: Callable[[SelfType, FirstType, Unpack[Values]], Awaitable[ReturnType]],
        arg: FirstType,
        *more: *Values,
        **options: Unpack[StartOptions],
    ) -> WorkflowHandle[SelfType, ReturnType]: ...
    @overload
    async def start_workflow(
        self,
        workflow: Callable[Concatenate[SelfType, MultiParamSpec], Awaitable[ReturnType]],
        *,
        args: Sequence[Any],
        **options: Unpack[StartOptions],
    ) -> WorkflowHandle[SelfType, ReturnType]: ...
    @overload
    async def start_workflow(
        self,
        workflow: str,
        arg: Any = ...,
        *more: Any,
        args: Sequence[Any] = ...,
        result_type: type | None = ...,
        **options: Unpack[StartOptions],
    ) -> WorkflowHandle[Any, Any]: ...
    async def start_workflow(  # type: ignore[misc]
        self,
        workflow: str | Callable[..., Awaitable[Any]],
        arg: Any = UNSET,
        *more: Any,
        args: Sequence[Any] = (),
        id: str | None = None,
        task_queue: str | None = None,
        result_type: type | None = None,
        id_conflict_policy: WorkflowIDConflictPolicy = WorkflowIDConflictPolicy.UNSPECIFIED,
        start_signal: str | None = None,
        start_signal_args: Sequence[Any] = (),
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
        request_eager_start: bool = False,
        **terms: Unpack[StartTerms],
    ) -> WorkflowHandle[Any, Any]:
        """Start a workflow, and return a handle once its start is durable.

        ``workflow``: its run method, a function workflow, or its name. Arguments one by one, or as ``args``. ``id`` None:
        the type and a random UUID. ``task_queue`` None: the definition's, else the client's, else "default". Durations
        are timedeltas or seconds; None: unlimited, for ``task_timeout`` 10 s. ``start_signal``: signal a running workflow
        of this id, or start one with the signal. ``result_type``: what the result becomes, for workflows given by name.
        ``request_eager_start``: begin in a worker of this client if it has a free place.
        Raises `WorkflowAlreadyStartedError`, `RPCError`.
        """
        named = naming.workflow_named(workflow)
        return await self._impl.start_workflow(
            StartWorkflowInput(
                workflow=named.name,
                args=merged_args(arg, more, args),
                id=id or f"{named.name}-{ambient.new_id()}",
                task_queue=self._task_queue(task_queue, named.task_queue),
                id_conflict_policy=id_conflict_policy,
                headers={},
                start_signal=start_signal,
                start_signal_args=start_signal_args,
                ret_type=result_type or named.ret_type,
                rpc_metadata=rpc_metadata,
                rpc_timeout=rpc_timeout,
                request_eager_start=request_eager_start,
                **start_terms(**terms),
            )
        )

    @overload
    async def execute_workflow(
        self,
        workflow: FunctionWorkflow[..., ReturnType],
        arg: Any = ...,
        *more: Any,
        args: Sequence[Any] = ...,
        result_type: type | None = ...,
        **options: Unpack[StartOptions],
    ) -> ReturnType: ...
    @overload
    async def execute_workflow(
        self,
        workflow: MethodAsyncNoParam[SelfType, ReturnType],
        **options: Unpack[StartOptions],
    ) -> ReturnType: ...
    @overload
    async def execute_workflow(
        self,
        workflow: MethodAsyncSingleParam[SelfType, ParamType, ReturnType],
        arg: ParamType,
        **options: Unpack[StartOptions],
    ) -> ReturnType: ...
    @overload
    async def execute_workflow(
        self,
        workflow: Callable[[SelfType, FirstType, Unpack[Values]], Awaitable[ReturnType]],
        arg: FirstType,
        *more: *Values,
        **options: Unpack[StartOptions],
    ) -> ReturnType: ...
    @overload
    async def execute_workflow(
        self,
        workflow: Callable[Concatenate[SelfType, MultiParamSpec], Awaitable[ReturnType]],
        *,
        args: Sequence[Any],
        **options: Unpack[StartOptions],
    ) -> ReturnType: ...
    @overload
    async def execute_workflow(
        self,
        workflow: str,
        arg: Any = ...,
        *more: Any,
        args: Sequence[Any] = ...,
        result_type: type | None = ...,
        **options: Unpack[StartOptions],
    ) -> Any: ...
    async def execute_workflow(  # type: ignore[misc]
        self,
        workflow: str | Callable[..., Awaitable[Any]],
        arg: Any = UNSET,
        *more: Any,
        args: Sequence[Any] = (),
        result_type: type | None = None,
        **options: Unpack[StartOptions],
    ) -> Any:
        """Start a workflow, wait until it closes, and return what it returned.

        Options are those of `start_workflow`. Raises `WorkflowFailureError` too.
        """
        start = cast("Callable[..., Awaitable[WorkflowHandle[Any, Any]]]", self.start_workflow)
        handle = await start(workflow, arg, *more, args=args, result_type=result_type, **options)
        return await handle.result()

    def get_workflow_handle(
        self,
        workflow_id: str,
        *,
        run_id: str | None = None,
        first_execution_run_id: str | None = None,
        result_type: type | None = None,
    ) -> WorkflowHandle[Any, Any]:
        """A handle to a workflow by its id. Asks the service nothing: whether there is one, its methods tell.

        ``run_id`` None: whichever run is current.
        """
        return WorkflowHandle(
            self,
            workflow_id,
            run_id=run_id,
            result_run_id=run_id,
            first_execution_run_id=first_execution_run_id,
            result_type=result_type,
        )

    def get_workflow_handle_for(
        self,
        workflow: Callable[Concatenate[SelfType, MultiParamSpec], Awaitable[ReturnType]],
        workflow_id: str,
        *,
        run_id: str | None = None,
        first_execution_run_id: str | None = None,
    ) -> WorkflowHandle[SelfType, ReturnType]:
        """Like `get_workflow_handle`, typed by the workflow's run method."""
        return self.get_workflow_handle(
            workflow_id,
            run_id=run_id,
            first_execution_run_id=first_execution_run_id,
            result_type=naming.workflow_named(workflow).ret_type,
        )
