"""Clients for the start of an operation: what they start backs it. This file must never handle a cancellation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, TypeVar, Unpack, cast, overload

import nexusrpc
from nexusrpc.handler import StartOperationContext, StartOperationResultAsync, StartOperationResultSync

from tenuto.client.behalf import on_behalf
from tenuto.client.callables import (
    MethodAsyncNoParam,
    MethodAsyncSingleParam,
    MultiParamSpec,
    ParamType,
    ReturnType,
    SelfType,
    StartActivityOptions,
    StartOptions,
)
from tenuto.client.errors import WorkflowUpdateFailedError
from tenuto.client.update import WorkflowUpdateHandle, WorkflowUpdateStage
from tenuto.common import UNSET, MetricMeter
from tenuto.nexus._behind import Backing
from tenuto.nexus._link_conversion import (
    temporal_link_to_nexus_link,
    workflow_execution_started_event_link_from_workflow_handle,
)
from tenuto.nexus._operation_context import _fields, scope
from tenuto.nexus._token import OperationToken, OperationTokenType, WorkflowHandle

if TYPE_CHECKING:
    from tenuto.client import Client
    from tenuto.workflow.function import FunctionWorkflow

_ResultT = TypeVar("_ResultT")
_NOTHING: Any = object()


@contextmanager
def _backing(context: StartOperationContext, method: str, token: OperationToken) -> Iterator[Backing]:
    behind = Backing(context, method, token)
    held = on_behalf.set(behind)
    try:
        yield behind
    finally:
        on_behalf.reset(held)


async def _start_workflow(
    context: StartOperationContext, workflow: Any, arg: Any, more: Sequence[Any], options: dict[str, Any]
) -> WorkflowHandle[Any]:
    here = scope()
    client = here.client()
    workflow_id = options["id"] = options.get("id") or context.request_id
    options["task_queue"] = options.get("task_queue") or here.info.task_queue
    method = "SignalWithStartWorkflowExecution" if options.get("start_signal") else "StartWorkflowExecution"
    token = OperationToken(
        type=OperationTokenType.WORKFLOW, namespace=client.namespace, workflow_id=workflow_id
    )
    start = cast("Callable[..., Awaitable[Any]]", client.start_workflow)
    with _backing(context, method, token) as behind:
        handle = await start(workflow, arg, *more, **options)
    if not behind.linked and method == "StartWorkflowExecution":
        link = workflow_execution_started_event_link_from_workflow_handle(handle, context.request_id)
        made = temporal_link_to_nexus_link(link)
        if made is not None:
            context.outbound_links.append(made)
    return WorkflowHandle(client.namespace, workflow_id)


class WorkflowRunOperationContext(StartOperationContext):
    """What the start of an operation of `workflow_run_operation` is given."""

    @classmethod
    def _from_start_operation_context(cls, ctx: StartOperationContext) -> WorkflowRunOperationContext:
        return cls(**_fields(ctx))

    @property
    def metric_meter(self) -> MetricMeter:
        """A meter whose measurements name the service, the operation and the task queue."""
        return scope().metric_meter()

    @overload
    async def start_workflow(
        self,
        workflow: FunctionWorkflow[..., ReturnType],
        arg: Any = ...,
        *more: Any,
        args: Sequence[Any] = ...,
        **options: Unpack[StartOptions],
    ) -> WorkflowHandle[ReturnType]: ...
    @overload
    async def start_workflow(
        self, workflow: MethodAsyncNoParam[SelfType, ReturnType], **options: Unpack[StartOptions]
    ) -> WorkflowHandle[ReturnType]: ...
    @overload
    async def start_workflow(
        self,
        workflow: MethodAsyncSingleParam[SelfType, ParamType, ReturnType],
        arg: ParamType,
        **options: Unpack[StartOptions],
    ) -> WorkflowHandle[ReturnType]: ...
    @overload
    async def start_workflow(
        self,
        workflow: Callable[Concatenate[SelfType, MultiParamSpec], Awaitable[ReturnType]],
        *,
        args: Sequence[Any],
        **options: Unpack[StartOptions],
    ) -> WorkflowHandle[ReturnType]: ...
    @overload
    async def start_workflow(
        self,
        workflow: str,
        arg: Any = ...,
        *more: Any,
        args: Sequence[Any] = ...,
        result_type: type[ReturnType] | None = ...,
        **options: Unpack[StartOptions],
    ) -> WorkflowHandle[ReturnType]: ...
    async def start_workflow(
        self, workflow: Any, arg: Any = UNSET, *more: Any, **options: Any
    ) -> WorkflowHandle[Any]:
        """Start the workflow that backs this operation; return what this returns.

        Options are those of ``Client.start_workflow``. ``task_queue`` None: the operation's own. ``id`` None: the id of the
        operation's request; one from what the operation is about is better. Raises as ``Client.start_workflow`` does.
        """
        return await _start_workflow(self, workflow, arg, more, options)


@dataclass(frozen=True)
class TemporalOperationResult(Generic[_ResultT]):
    """What the start of an operation of `temporal_operation` returns: its result, or the token by which it goes on."""

    value: _ResultT = _NOTHING
    token: str | None = None

    def __post_init__(self) -> None:
        if (self.value is _NOTHING) == (self.token is None):
            raise ValueError("TemporalOperationResult needs exactly one of value or token")
        given: object = self.token
        if given is not None and (not isinstance(given, str) or not given):
            raise ValueError("TemporalOperationResult needs a token that is a non-empty string")

    @classmethod
    def sync(cls, value: _ResultT) -> TemporalOperationResult[_ResultT]:
        """It has ended."""
        return cls(value=value)

    @classmethod
    def async_token(cls, token: str) -> TemporalOperationResult[_ResultT]:
        """It goes on."""
        return cls(token=token)

    def _to_nexus_result(self) -> StartOperationResultSync[_ResultT] | StartOperationResultAsync:
        if self.token is not None:
            return StartOperationResultAsync(self.token)
        return StartOperationResultSync(self.value)


class TemporalNexusClient:
    """What the start of an operation of `temporal_operation` starts things with: one of them, which backs the operation."""

    def __init__(self, context: StartOperationContext) -> None:
        self._context = context
        self._taken = False

    @property
    def client(self) -> Client:
        """The worker's client: what it starts does not back the operation."""
        return scope().client()

    @contextmanager
    def _only(self) -> Iterator[None]:
        """For one start, or one after another that failed. Raises HandlerError."""
        if self._taken:
            raise nexusrpc.HandlerError(
                "Only one async operation can be started per operation handler invocation. "
                "Use TemporalNexusClient.client for additional workflow interactions",
                type=nexusrpc.HandlerErrorType.BAD_REQUEST,
            )
        self._taken = True
        try:
            yield
        except BaseException:
            self._taken = False
            raise

    @overload
    async def start_workflow(
        self,
        workflow: FunctionWorkflow[..., ReturnType],
        arg: Any = ...,
        *more: Any,
        args: Sequence[Any] = ...,
        **options: Unpack[StartOptions],
    ) -> TemporalOperationResult[ReturnType]: ...
    @overload
    async def start_workflow(
        self, workflow: MethodAsyncNoParam[SelfType, ReturnType], **options: Unpack[StartOptions]
    ) -> TemporalOperationResult[ReturnType]: ...
    @overload
    async def start_workflow(
        self,
        workflow: MethodAsyncSingleParam[SelfType, ParamType, ReturnType],
        arg: ParamType,
        **options: Unpack[StartOptions],
    ) -> TemporalOperationResult[ReturnType]: ...
    @overload
    async def start_workflow(
        self,
        workflow: Callable[Concatenate[SelfType, MultiParamSpec], Awaitable[ReturnType]],
        *,
        args: Sequence[Any],
        **options: Unpack[StartOptions],
    ) -> TemporalOperationResult[ReturnType]: ...
    @overload
    async def start_workflow(
        self,
        workflow: str,
        arg: Any = ...,
        *more: Any,
        args: Sequence[Any] = ...,
        result_type: type[ReturnType] | None = ...,
        **options: Unpack[StartOptions],
    ) -> TemporalOperationResult[ReturnType]: ...
    async def start_workflow(
        self, workflow: Any, arg: Any = UNSET, *more: Any, **options: Any
    ) -> TemporalOperationResult[Any]:
        """As of `WorkflowRunOperationContext`. Raises HandlerError, too, when something backs the operation already."""
        with self._only():
            handle = await _start_workflow(self._context, workflow, arg, more, options)
        return TemporalOperationResult.async_token(handle.to_token())

    async def start_activity(
        self,
        activity: str | Callable[..., Awaitable[_ResultT]] | Callable[..., _ResultT],
        arg: Any = UNSET,
        *more: Any,
        args: Sequence[Any] = (),
        **options: Unpack[StartActivityOptions],
    ) -> TemporalOperationResult[_ResultT]:
        """Start the activity that backs the operation, without a workflow.

        Options are those of ``Client.start_activity``; ``task_queue`` and ``id`` as of `start_workflow`. Raises HandlerError
        when something backs the operation already.
        """
        here = scope()
        client = here.client()
        options["id"] = options.get("id") or self._context.request_id
        options["task_queue"] = options.get("task_queue") or here.info.task_queue
        token = OperationToken(
            type=OperationTokenType.ACTIVITY, namespace=client.namespace, activity_id=options["id"]
        )
        start = cast("Callable[..., Awaitable[Any]]", client.start_activity)
        with self._only(), _backing(self._context, "StartActivityExecution", token):
            handle = await start(activity, arg, *more, args=args, **options)
        whole = OperationToken(
            type=OperationTokenType.ACTIVITY,
            namespace=client.namespace,
            activity_id=handle.id,
            run_id=handle.run_id,
        )
        return TemporalOperationResult.async_token(whole.encode())

    async def start_workflow_update(
        self,
        workflow_id: str,
        update: str | Callable[..., Any],
        arg: Any = UNSET,
        *more: Any,
        args: Sequence[Any] = (),
        wait_for_stage: Literal[WorkflowUpdateStage.ACCEPTED] = WorkflowUpdateStage.ACCEPTED,
        update_id: str | None = None,
        result_type: type | None = None,
        run_id: str | None = None,
        first_execution_run_id: str | None = None,
        rpc_metadata: Any = None,
        rpc_timeout: Any = None,
    ) -> TemporalOperationResult[Any]:
        """Send the update that backs the operation, and wait until it is accepted.

        ``update_id`` None: the id of the operation's request. An update that has ended by then ends the operation.
        Raises HandlerError when something backs the operation already, OperationError when the update failed.
        """
        client = self.client
        told = update_id or self._context.request_id
        token = OperationToken(
            type=OperationTokenType.UPDATE_WORKFLOW,
            namespace=client.namespace,
            workflow_id=workflow_id,
            update_id=told,
            run_id=run_id,
        )
        target = client.get_workflow_handle(
            workflow_id, run_id=run_id, first_execution_run_id=first_execution_run_id
        )
        start = cast("Callable[..., Awaitable[WorkflowUpdateHandle[Any]]]", target.start_update)
        with self._only(), _backing(self._context, "UpdateWorkflowExecution", token):
            handle = await start(
                update,
                arg,
                *more,
                args=args,
                wait_for_stage=wait_for_stage,
                id=told,
                result_type=result_type,
                rpc_metadata=rpc_metadata or {},
                rpc_timeout=rpc_timeout,
            )
        if handle._known_outcome is not None:
            try:
                return TemporalOperationResult.sync(await handle.result())
            except WorkflowUpdateFailedError as error:
                raise nexusrpc.OperationError(
                    str(error), state=nexusrpc.OperationErrorState.FAILED
                ) from error.cause
        whole = OperationToken(
            type=OperationTokenType.UPDATE_WORKFLOW,
            namespace=client.namespace,
            workflow_id=workflow_id,
            update_id=told,
            run_id=handle.workflow_run_id,
        )
        return TemporalOperationResult.async_token(whole.encode())
