"""A handle to one update of a workflow: its outcome, waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Generic, cast

from tenuto.client import encoding
from tenuto.client.callables import LocalReturnType
from tenuto.client.errors import WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from tenuto.client.inputs import NO_METADATA, CallTerms, RPCMetadata
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.wire import common, update
from tenuto.wire import workflowservice as ws

if TYPE_CHECKING:
    from tenuto.client.core import ClientCore


class WorkflowUpdateStage(IntEnum):
    """How far an update has come."""

    ADMITTED = 1
    """The service has it; nothing is durable."""
    ACCEPTED = 2
    """Its validator let it pass."""
    COMPLETED = 3
    """Its handler is done, or it was rejected."""


def checked_stage(stage: WorkflowUpdateStage) -> WorkflowUpdateStage:
    """Raises ValueError for a stage that cannot be waited for."""
    if stage == WorkflowUpdateStage.ADMITTED:
        raise ValueError("ADMITTED wait stage not supported")
    return stage


class _CancelledWait(WorkflowUpdateRPCTimeoutOrCancelledError, asyncio.CancelledError):
    """The waiting task was cancelled: a cancellation for asyncio, an error of the update for whoever catches that."""


@contextmanager
def update_wait() -> Iterator[None]:
    """Turns what ends a wait for an update too early into the error that says so."""
    try:
        yield
    except RPCError as error:
        if error.status in (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED):
            raise WorkflowUpdateRPCTimeoutOrCancelledError() from error
        raise
    except asyncio.CancelledError as error:
        raise _CancelledWait() from error


class WorkflowUpdateHandle(Generic[LocalReturnType]):
    """One update, by its id and its workflow's. Made by `WorkflowHandle.start_update` and ``get_update_handle``."""

    def __init__(
        self,
        client: ClientCore,
        id: str,
        workflow_id: str,
        *,
        workflow_run_id: str | None = None,
        result_type: type | None = None,
        known_outcome: update.Outcome | None = None,
    ) -> None:
        self._client = client
        self._id = id
        self._workflow_id = workflow_id
        self._workflow_run_id = workflow_run_id
        self._result_type = result_type
        self._known_outcome = known_outcome

    @property
    def id(self) -> str:
        """The update's id."""
        return self._id

    @property
    def workflow_id(self) -> str:
        """The workflow it was sent to."""
        return self._workflow_id

    @property
    def workflow_run_id(self) -> str | None:
        """The run it was sent to, if known."""
        return self._workflow_run_id

    async def result(
        self, *, rpc_metadata: RPCMetadata = NO_METADATA, rpc_timeout: timedelta | None = None
    ) -> LocalReturnType:
        """Wait for the handler, and return what it returned.

        Raises `WorkflowUpdateFailedError` when it was rejected or its handler failed, and
        `WorkflowUpdateRPCTimeoutOrCancelledError`.
        """
        outcome = await self._poll_until_outcome(rpc_metadata=rpc_metadata, rpc_timeout=rpc_timeout)
        converter = encoding.for_workflow(self._client, self._workflow_id)
        if outcome.HasField("failure"):
            raise WorkflowUpdateFailedError(await encoding.error_of(converter, outcome.failure))
        value = await encoding.first_value(converter, outcome.success.payloads, self._result_type)
        return cast("LocalReturnType", value)

    async def _poll_until_outcome(
        self, *, rpc_metadata: RPCMetadata = NO_METADATA, rpc_timeout: timedelta | None = None
    ) -> update.Outcome:
        if self._known_outcome is not None:
            return self._known_outcome
        terms = CallTerms(rpc_metadata, rpc_timeout)
        request = ws.PollWorkflowExecutionUpdateRequest(
            namespace=self._client.namespace,
            update_ref=update.UpdateRef(
                workflow_execution=common.WorkflowExecution(
                    workflow_id=self._workflow_id, run_id=self._workflow_run_id or ""
                ),
                update_id=self._id,
            ),
            identity=self._client.identity,
            wait_policy=update.WaitPolicy(
                lifecycle_stage=cast("Any", int(WorkflowUpdateStage.COMPLETED)),
            ),
        )
        with update_wait():
            while True:
                answer = await self._client._call(
                    "PollWorkflowExecutionUpdate", request, ws.PollWorkflowExecutionUpdateResponse, terms
                )
                if answer.HasField("outcome"):
                    self._known_outcome = answer.outcome
                    return answer.outcome
