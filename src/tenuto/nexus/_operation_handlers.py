"""Handlers of operations that something else backs: how they start, and what their cancellation cancels.

This file must never read annotations.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import nexusrpc
from nexusrpc.handler import (
    CancelOperationContext,
    OperationHandler,
    StartOperationContext,
    StartOperationResultAsync,
    StartOperationResultSync,
)

from tenuto.nexus._operation_context import (
    TemporalCancelOperationContext,
    TemporalStartOperationContext,
    client,
)
from tenuto.nexus._temporal_client import (
    TemporalNexusClient,
    TemporalOperationResult,
    WorkflowRunOperationContext,
)
from tenuto.nexus._token import OperationToken, OperationTokenType, WorkflowHandle

InputT = TypeVar("InputT")
OutputT = TypeVar("OutputT")


def _unreadable(error: Exception | str) -> nexusrpc.HandlerError:
    made = nexusrpc.HandlerError(
        f"the operation's token is of no use: {error}",
        type=nexusrpc.HandlerErrorType.INTERNAL,
        retryable_override=False,
    )
    if isinstance(error, Exception):
        made.__cause__ = error
    return made


class WorkflowRunOperationHandler(OperationHandler[InputT, OutputT]):
    """An operation whose ``start`` starts a workflow, that backs it. Its cancellation is the workflow's."""

    def __init__(
        self, start: Callable[[WorkflowRunOperationContext, InputT], Awaitable[WorkflowHandle[OutputT]]]
    ) -> None:
        if not inspect.iscoroutinefunction(start):
            raise RuntimeError(f"{start} is not an `async def`, as the start of an operation must be")
        self._start = start

    async def start(
        self, ctx: StartOperationContext, input: InputT
    ) -> StartOperationResultSync[OutputT] | StartOperationResultAsync:
        handle: object = await self._start(
            WorkflowRunOperationContext._from_start_operation_context(ctx), input
        )
        if not isinstance(handle, WorkflowHandle):
            raise RuntimeError(
                f"the start of a workflow_run_operation must return what ctx.start_workflow(...) returned, not a "
                f"{type(handle).__name__}: only the workflow that it starts tells the operation's caller of its end"
            )
        return StartOperationResultAsync(handle.to_token())

    async def cancel(self, ctx: CancelOperationContext, token: str) -> None:
        """Cancel the workflow. Raises HandlerError, `RPCError`."""
        try:
            handle: WorkflowHandle[OutputT] = WorkflowHandle.from_token(token)
            target = handle._to_client_workflow_handle(client())
        except (TypeError, ValueError) as error:
            raise _unreadable(error) from error
        await target.cancel()


@dataclass(frozen=True)
class CancelWorkflowRunOptions:
    """Which workflow to cancel."""

    workflow_id: str


@dataclass(frozen=True)
class CancelUpdateWorkflowOptions:
    """Which update to cancel."""

    workflow_id: str
    update_id: str
    run_id: str


@dataclass(frozen=True)
class CancelActivityOptions:
    """Which activity to cancel."""

    activity_id: str
    run_id: str


class TemporalOperationHandler(OperationHandler[InputT, OutputT], ABC):
    """An operation that a workflow, an activity or an update backs, or that ends at once: override `start_operation`.

    Cancelling it cancels what backs it; override one of the ``cancel_...`` to do something else.
    """

    @abstractmethod
    async def start_operation(
        self, ctx: TemporalStartOperationContext, client: TemporalNexusClient, input: InputT
    ) -> TemporalOperationResult[OutputT]:
        """Start it, with one call of ``client``, or end it at once."""

    async def start(
        self, ctx: StartOperationContext, input: InputT
    ) -> StartOperationResultSync[OutputT] | StartOperationResultAsync:
        context = TemporalStartOperationContext._from_start_operation_context(ctx)
        result: object = await self.start_operation(context, TemporalNexusClient(context), input)
        if not isinstance(result, TemporalOperationResult):
            raise RuntimeError(
                f"the start of a temporal operation must return a TemporalOperationResult, not a {type(result).__name__}"
            )
        return result._to_nexus_result()

    async def cancel(self, ctx: CancelOperationContext, token: str) -> None:
        """Raises HandlerError when the token is of no use, else what the ``cancel_...`` raise."""
        context = TemporalCancelOperationContext._from_cancel_operation_context(ctx)
        try:
            read = OperationToken.decode(token)
        except TypeError as error:
            raise _unreadable(error) from error
        workflow_id, run_id = read.workflow_id or "", read.run_id or ""
        if read.type is OperationTokenType.WORKFLOW:
            await self.cancel_workflow_run(context, CancelWorkflowRunOptions(workflow_id))
        elif read.type is OperationTokenType.UPDATE_WORKFLOW:
            update = CancelUpdateWorkflowOptions(workflow_id, read.update_id or "", run_id)
            await self.cancel_workflow_update(context, update)
        else:
            if not run_id:
                raise _unreadable("it does not say which run of the activity is meant")
            await self.cancel_activity(context, CancelActivityOptions(read.activity_id or "", run_id))

    async def cancel_workflow_run(
        self, ctx: TemporalCancelOperationContext, options: CancelWorkflowRunOptions
    ) -> None:
        """The operation is backed by a workflow."""
        await client().get_workflow_handle(options.workflow_id).cancel()

    async def cancel_workflow_update(
        self, ctx: TemporalCancelOperationContext, options: CancelUpdateWorkflowOptions
    ) -> None:
        """The operation is backed by an update; those cannot be cancelled. Raises HandlerError unless overridden."""
        raise nexusrpc.HandlerError(
            "an operation that an update backs cannot be cancelled",
            type=nexusrpc.HandlerErrorType.NOT_IMPLEMENTED,
        )

    async def cancel_activity(
        self, ctx: TemporalCancelOperationContext, options: CancelActivityOptions
    ) -> None:
        """The operation is backed by an activity."""
        await client().get_activity_handle(options.activity_id, run_id=options.run_id).cancel()


class MethodOperationHandler(TemporalOperationHandler[InputT, OutputT]):
    """An operation whose start is a method."""

    def __init__(
        self,
        start: Callable[
            [TemporalStartOperationContext, TemporalNexusClient, InputT],
            Awaitable[TemporalOperationResult[OutputT]],
        ],
    ) -> None:
        if not inspect.iscoroutinefunction(start):
            raise RuntimeError(f"{start} is not an `async def`, as the start of an operation must be")
        self._start = start

    async def start_operation(
        self, ctx: TemporalStartOperationContext, client: TemporalNexusClient, input: InputT
    ) -> TemporalOperationResult[OutputT]:
        return await self._start(ctx, client, input)
