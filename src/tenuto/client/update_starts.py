"""The part of a client that sends an update to a workflow and starts it if need be, in one operation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, Concatenate, Unpack, overload

from tenuto.client import naming
from tenuto.client.callables import (
    FirstType,
    LocalReturnType,
    MethodSyncOrAsyncNoParam,
    MethodSyncOrAsyncSingleParam,
    MultiParamSpec,
    ParamType,
    SelfType,
    UpdateOptions,
    Values,
)
from tenuto.client.core import ClientCore
from tenuto.client.inputs import (
    NO_METADATA,
    CallTerms,
    RPCMetadata,
    StartWorkflowUpdateWithStartInput,
    UpdateWithStartUpdateWorkflowInput,
)
from tenuto.client.update import WorkflowUpdateHandle, WorkflowUpdateStage, checked_stage
from tenuto.client.update_with_start import WithStartWorkflowOperation
from tenuto.common import UNSET, merged_args


class UpdateStarts(ClientCore):
    """Sends updates that start their workflow."""

    @overload
    async def execute_update_with_start_workflow(
        self,
        update: MethodSyncOrAsyncNoParam[SelfType, LocalReturnType],
        *,
        start_workflow_operation: WithStartWorkflowOperation[SelfType, Any],
        **options: Unpack[UpdateOptions],
    ) -> LocalReturnType: ...
    @overload
    async def execute_update_with_start_workflow(
        self,
        update: MethodSyncOrAsyncSingleParam[SelfType, ParamType, LocalReturnType],
        arg: ParamType,
        *,
        start_workflow_operation: WithStartWorkflowOperation[SelfType, Any],
        **options: Unpack[UpdateOptions],
    ) -> LocalReturnType: ...
    @overload
    async def execute_update_with_start_workflow(
        self,
        update: Callable[[SelfType, FirstType, Unpack[Values]], LocalReturnType | Awaitable[LocalReturnType]],
        arg: FirstType,
        *more: *Values,
        start_workflow_operation: WithStartWorkflowOperation[SelfType, Any],
        **options: Unpack[UpdateOptions],
    ) -> LocalReturnType: ...
    @overload
    async def execute_update_with_start_workflow(
        self,
        update: Callable[Concatenate[SelfType, MultiParamSpec], LocalReturnType | Awaitable[LocalReturnType]],
        *,
        args: Sequence[Any],
        start_workflow_operation: WithStartWorkflowOperation[SelfType, Any],
        **options: Unpack[UpdateOptions],
    ) -> LocalReturnType: ...
    @overload
    async def execute_update_with_start_workflow(
        self,
        update: str,
        arg: Any = ...,
        *more: Any,
        start_workflow_operation: WithStartWorkflowOperation[Any, Any],
        args: Sequence[Any] = ...,
        result_type: type | None = ...,
        **options: Unpack[UpdateOptions],
    ) -> Any: ...
    async def execute_update_with_start_workflow(  # type: ignore[misc]
        self,
        update: str | Callable[..., Any],
        arg: Any = UNSET,
        *more: Any,
        start_workflow_operation: WithStartWorkflowOperation[Any, Any],
        args: Sequence[Any] = (),
        id: str | None = None,
        result_type: type | None = None,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> Any:
        """Send an update to a workflow, starting it if it is not running; wait for the handler, return what it returned.

        Start and update happen both or not at all. Raises `WorkflowUpdateFailedError`,
        `WorkflowUpdateRPCTimeoutOrCancelledError`, `WorkflowAlreadyStartedError`, `RPCError`; RuntimeError when
        ``start_workflow_operation`` was used before.
        """
        handle = await self._update_with_start(
            update,
            merged_args(arg, more, args),
            WorkflowUpdateStage.COMPLETED,
            start_workflow_operation,
            id,
            result_type,
            CallTerms(rpc_metadata, rpc_timeout),
        )
        return await handle.result(rpc_metadata=rpc_metadata, rpc_timeout=rpc_timeout)

    @overload
    async def start_update_with_start_workflow(
        self,
        update: MethodSyncOrAsyncNoParam[SelfType, LocalReturnType],
        *,
        start_workflow_operation: WithStartWorkflowOperation[SelfType, Any],
        wait_for_stage: WorkflowUpdateStage,
        **options: Unpack[UpdateOptions],
    ) -> WorkflowUpdateHandle[LocalReturnType]: ...
    @overload
    async def start_update_with_start_workflow(
        self,
        update: MethodSyncOrAsyncSingleParam[SelfType, ParamType, LocalReturnType],
        arg: ParamType,
        *,
        start_workflow_operation: WithStartWorkflowOperation[SelfType, Any],
        wait_for_stage: WorkflowUpdateStage,
        **options: Unpack[UpdateOptions],
    ) -> WorkflowUpdateHandle[LocalReturnType]: ...
    @overload
    async def start_update_with_start_workflow(
        self,
        update: Callable[[SelfType, FirstType, Unpack[Values]], LocalReturnType | Awaitable[LocalReturnType]],
        arg: FirstType,
        *more: *Values,
        start_workflow_operation: WithStartWorkflowOperation[SelfType, Any],
        wait_for_stage: WorkflowUpdateStage,
        **options: Unpack[UpdateOptions],
    ) -> WorkflowUpdateHandle[LocalReturnType]: ...
    @overload
    async def start_update_with_start_workflow(
        self,
        update: Callable[Concatenate[SelfType, MultiParamSpec], LocalReturnType | Awaitable[LocalReturnType]],
        *,
        args: Sequence[Any],
        start_workflow_operation: WithStartWorkflowOperation[SelfType, Any],
        wait_for_stage: WorkflowUpdateStage,
        **options: Unpack[UpdateOptions],
    ) -> WorkflowUpdateHandle[LocalReturnType]: ...
    @overload
    async def start_update_with_start_workflow(
        self,
        update: str,
        arg: Any = ...,
        *more: Any,
        start_workflow_operation: WithStartWorkflowOperation[Any, Any],
        wait_for_stage: WorkflowUpdateStage,
        args: Sequence[Any] = ...,
        result_type: type | None = ...,
        **options: Unpack[UpdateOptions],
    ) -> WorkflowUpdateHandle[Any]: ...
    async def start_update_with_start_workflow(  # type: ignore[misc]
        self,
        update: str | Callable[..., Any],
        arg: Any = UNSET,
        *more: Any,
        start_workflow_operation: WithStartWorkflowOperation[Any, Any],
        wait_for_stage: WorkflowUpdateStage,
        args: Sequence[Any] = (),
        id: str | None = None,
        result_type: type | None = None,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> WorkflowUpdateHandle[Any]:
        """Like `execute_update_with_start_workflow`, waiting only until the update reached ``wait_for_stage``."""
        return await self._update_with_start(
            update,
            merged_args(arg, more, args),
            wait_for_stage,
            start_workflow_operation,
            id,
            result_type,
            CallTerms(rpc_metadata, rpc_timeout),
        )

    async def _update_with_start(
        self,
        update: str | Callable[..., Any],
        args: Sequence[Any],
        stage: WorkflowUpdateStage,
        operation: WithStartWorkflowOperation[Any, Any],
        id: str | None,
        result_type: type | None,
        terms: CallTerms,
    ) -> WorkflowUpdateHandle[Any]:
        named = naming.update_named(update)
        asked = UpdateWithStartUpdateWorkflowInput(
            update_id=id,
            update=named.name,
            args=args,
            wait_for_stage=checked_stage(stage),
            headers={},
            ret_type=result_type or named.ret_type,
        )
        start = operation._take(self)
        try:
            return await self._impl.start_update_with_start_workflow(
                StartWorkflowUpdateWithStartInput(
                    start_workflow_input=start,
                    update_workflow_input=asked,
                    rpc_metadata=terms.rpc_metadata,
                    rpc_timeout=terms.rpc_timeout,
                    _on_start=lambda answer: operation._started(self, answer),
                    _on_start_error=operation._failed,
                )
            )
        except BaseException as error:
            operation._failed(error)
            raise
