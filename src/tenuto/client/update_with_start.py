"""The workflow that an update starts if it is not running: one half of update-with-start."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Unpack, overload

from tenuto.client import naming
from tenuto.client.callables import (
    FirstType,
    MethodAsyncNoParam,
    MethodAsyncSingleParam,
    MultiParamSpec,
    ParamType,
    ReturnType,
    SelfType,
    StartTerms,
    Values,
)
from tenuto.client.inputs import UpdateWithStartStartWorkflowInput
from tenuto.client.terms import start_terms
from tenuto.client.workflow import WorkflowHandle
from tenuto.common import UNSET, WorkflowIDConflictPolicy, merged_args

if TYPE_CHECKING:
    from tenuto.client.core import ClientCore
    from tenuto.wire import workflowservice as ws


class WithStartWorkflowOperation(Generic[SelfType, ReturnType]):
    """What to start, for `Client.execute_update_with_start_workflow`. Usable once.

    Parameters are those of `Client.start_workflow`; ``id_conflict_policy`` says what a running workflow means: usually
    USE_EXISTING, so that the update goes to it.
    """

    @overload
    def __init__(
        self,
        workflow: MethodAsyncNoParam[SelfType, ReturnType],
        *,
        id: str,
        task_queue: str | None = ...,
        id_conflict_policy: WorkflowIDConflictPolicy = ...,
        **terms: Unpack[StartTerms],
    ) -> None: ...
    @overload
    def __init__(
        self,
        workflow: MethodAsyncSingleParam[SelfType, ParamType, ReturnType],
        arg: ParamType,
        *,
        id: str,
        task_queue: str | None = ...,
        id_conflict_policy: WorkflowIDConflictPolicy = ...,
        **terms: Unpack[StartTerms],
    ) -> None: ...
    @overload
    def __init__(
        self,
        workflow: Callable[[SelfType, FirstType, Unpack[Values]], Awaitable[ReturnType]],
        arg: FirstType,
        *more: *Values,
        id: str,
        task_queue: str | None = ...,
        id_conflict_policy: WorkflowIDConflictPolicy = ...,
        **terms: Unpack[StartTerms],
    ) -> None: ...
    @overload
    def __init__(
        self,
        workflow: Callable[Concatenate[SelfType, MultiParamSpec], Awaitable[ReturnType]],
        *,
        args: Sequence[Any],
        id: str,
        task_queue: str | None = ...,
        id_conflict_policy: WorkflowIDConflictPolicy = ...,
        **terms: Unpack[StartTerms],
    ) -> None: ...
    @overload
    def __init__(
        self: WithStartWorkflowOperation[Any, Any],
        workflow: str,
        arg: Any = ...,
        *more: Any,
        args: Sequence[Any] = ...,
        id: str,
        task_queue: str | None = ...,
        id_conflict_policy: WorkflowIDConflictPolicy = ...,
        result_type: type | None = ...,
        **terms: Unpack[StartTerms],
    ) -> None: ...
    def __init__(  # type: ignore[misc]
        self,
        workflow: str | Callable[..., Awaitable[Any]],
        arg: Any = UNSET,
        *more: Any,
        args: Sequence[Any] = (),
        id: str,
        task_queue: str | None = None,
        id_conflict_policy: WorkflowIDConflictPolicy = WorkflowIDConflictPolicy.USE_EXISTING,
        result_type: type | None = None,
        **terms: Unpack[StartTerms],
    ) -> None:
        if id_conflict_policy == WorkflowIDConflictPolicy.UNSPECIFIED:
            raise ValueError("WorkflowIDConflictPolicy is required")
        named = naming.workflow_named(workflow)
        self._definition_task_queue = named.task_queue
        self._start_workflow_input = UpdateWithStartStartWorkflowInput(
            workflow=named.name,
            args=merged_args(arg, more, args),
            id=id,
            task_queue=task_queue or "",
            id_conflict_policy=id_conflict_policy,
            headers={},
            ret_type=result_type or named.ret_type,
            **start_terms(**terms),
        )
        self._used = False
        self._done = asyncio.Event()
        self._handle: WorkflowHandle[SelfType, ReturnType] | None = None
        self._error: BaseException | None = None

    async def workflow_handle(self) -> WorkflowHandle[SelfType, ReturnType]:
        """Wait until the workflow is started or found running. Raises what the start failed with."""
        await self._done.wait()
        if self._error is not None:
            raise self._error
        assert self._handle is not None
        return self._handle

    def _take(self, client: ClientCore) -> UpdateWithStartStartWorkflowInput:
        """What to start; the second time, RuntimeError."""
        if self._used:
            raise RuntimeError("WithStartWorkflowOperation cannot be reused")
        self._used = True
        asked = self._start_workflow_input
        asked.task_queue = client._task_queue(asked.task_queue, self._definition_task_queue)
        return asked

    def _started(self, client: ClientCore, answer: ws.StartWorkflowExecutionResponse) -> None:
        if self._handle is None:
            self._handle = WorkflowHandle(
                client,
                self._start_workflow_input.id,
                result_run_id=answer.run_id,
                first_execution_run_id=answer.first_execution_run_id or answer.run_id,
                result_type=self._start_workflow_input.ret_type,
                start_workflow_response=answer,
            )
            self._done.set()

    def _failed(self, error: BaseException) -> None:
        if self._handle is None and self._error is None:
            self._error = error
            self._done.set()
