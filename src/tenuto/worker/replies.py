"""What a worker tells the service about workflow tasks: encoded, sent, and the answer to the answer taken apart.

This file must never drive a run, and must never keep one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, cast

from tenuto.run.types import QueryAnswer, TaskFailure
from tenuto.transport.base import NO_HEADERS, Headers
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.transport.sizes import NO_LIMITS, beyond, refusal
from tenuto.wire import KEEP_HEADER, enums_failed, failure
from tenuto.wire import workflowservice as ws
from tenuto.worker.answers import Answer, Forms, add_query_results, eager_ones
from tenuto.worker.pages import REQUEST_TOO_LARGE, TooLarge, send_pages

if TYPE_CHECKING:
    from tenuto.client import Client
    from tenuto.worker.contexts import Contexts
    from tenuto.worker.pages import Paging
    from tenuto.worker.payloads import Payloads

    Task = ws.PollWorkflowTaskQueueResponse

logger = logging.getLogger("tenuto.worker")

_MARK = {"__temporal_error_identifier": "WorkflowTaskFailure"}
"""Lets log handlers tell these lines from others."""

_UNHANDLED = enums_failed.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE
_KEEP = MappingProxyType({KEEP_HEADER: "1"})
_PAYLOADS_TOO_LARGE = enums_failed.WORKFLOW_TASK_FAILED_CAUSE_PAYLOADS_TOO_LARGE
_TOO_LARGE = enums_failed.WORKFLOW_TASK_FAILED_CAUSE_GRPC_MESSAGE_TOO_LARGE


class TaskFailed(Exception):
    """The workflow task in hand cannot be done."""

    def __init__(self, failed: TaskFailure) -> None:
        super().__init__(failed.failure.message)
        self.failed = failed


class EagerSlots(Protocol):
    """Room for activities that are started with the answer to a workflow task."""

    def reserve(self, queue: str, count: int) -> int:
        """Take up to ``count`` slots for activities of ``queue``; how many were taken."""
        ...

    def release(self, count: int) -> None:
        """Give back slots that were taken and are not needed."""
        ...

    def start(self, task: ws.PollActivityTaskQueueResponse) -> None:
        """Begin with an activity, in a slot that was taken."""
        ...


class Replies:
    """``client`` may be set to another one at any time. At most ``max_eager`` activities start with one answer."""

    def __init__(
        self,
        client: Client,
        forms: Forms,
        payloads: Payloads,
        task_queue: str,
        eager: EagerSlots | None,
        max_eager: int,
    ) -> None:
        self.client = client
        self.limits = NO_LIMITS
        """What the service refuses: such answers are not sent. May be set at any time."""
        self.paging: Paging | None = None
        """Set where the service takes large answers in pages."""
        self._forms = forms
        self._payloads = payloads
        self._task_queue = task_queue
        self._eager = eager
        self._max_eager = max_eager

    # ---- a task that is done ----------------------------------------------------------------------------------------

    async def complete(
        self,
        task: Task,
        answer: Answer,
        queries: Mapping[str, QueryAnswer],
        *,
        go_on: bool,
        name: bool,
        contexts: Contexts | None = None,
        keep: bool = False,
    ) -> ws.RespondWorkflowTaskCompletedResponse:
        """Send the answer; activities that come back are begun. ``go_on``, ``name``: see `Forms.completed`. ``keep``: the
        task may stay here when the answer has but recorded steps.

        Raises `TaskFailed` when it cannot be encoded or sent for its size, `RPCError` when the service does not want it.
        """
        eager = self._eager
        reserved = self._reserve(answer, eager) if eager is not None else 0
        began = 0
        try:
            request = self._forms.completed(task.task_token, answer, and_go_on=go_on, name=name)
            if queries:
                add_query_results(request, queries)
            if self._payloads.encoded:
                await self._encode(request, task, contexts)
            self._must_fit(request)
            response = await self._send(request, _KEEP if keep else NO_HEADERS)
            if eager is not None:
                for activity in response.activity_tasks:
                    began += 1
                    eager.start(activity)
            return response
        finally:
            if eager is not None and reserved > began:
                eager.release(reserved - began)

    def _must_fit(self, request: ws.RespondWorkflowTaskCompletedRequest) -> None:
        """An answer to a query may be of any size: the service refuses it alone."""
        found = beyond(request, self.limits)
        if found is None:
            return
        if request.query_results:
            lesser = ws.RespondWorkflowTaskCompletedRequest()
            lesser.CopyFrom(request)
            lesser.query_results.clear()
            found = beyond(lesser, self.limits)
            if found is None:
                return
        told = failure.Failure(message=refusal(found, self.limits))
        told.application_failure_info.type = "PayloadsTooLarge"
        raise TaskFailed(TaskFailure(cause=_PAYLOADS_TOO_LARGE, failure=told))

    def _reserve(self, answer: Answer, eager: EagerSlots) -> int:
        """Reserve slots for activities to be started at once; those that get none are started in the usual way."""
        wanted = eager_ones(answer.commands)
        if not wanted:
            return 0
        reserved = eager.reserve(self._task_queue, min(len(wanted), self._max_eager))
        for made in wanted[reserved:]:
            made.schedule_activity_task_command_attributes.request_eager_execution = False
        return reserved

    async def _send(
        self, request: ws.RespondWorkflowTaskCompletedRequest, headers: Headers
    ) -> ws.RespondWorkflowTaskCompletedResponse:
        service = self.client.service_client
        try:
            pages = self.paging.split(request) if self.paging is not None else None
            if pages is not None:
                return await send_pages(
                    pages,
                    lambda page: service.call("RespondWorkflowTaskCompleted", page, metadata=headers),
                )
            answer = await service.call("RespondWorkflowTaskCompleted", request, retry=True, metadata=headers)
        except TooLarge as error:
            raise TaskFailed(TaskFailure(cause=REQUEST_TOO_LARGE, failure=error.told())) from None
        except RPCError as error:
            if error.status == RPCStatusCode.RESOURCE_EXHAUSTED and "larger than max" in error.message:
                told = failure.Failure(
                    message=f"The answer to the workflow task is too large: {error.message}"
                )
                raise TaskFailed(TaskFailure(cause=_TOO_LARGE, failure=told, error=error)) from None
            raise
        return cast("ws.RespondWorkflowTaskCompletedResponse", answer)

    # ---- a task that is a query -------------------------------------------------------------------------------------

    async def answer_query(self, task: Task, answer: QueryAnswer, cause: int = 0) -> None:
        """Raises like ``complete``."""
        request = self._forms.queried(task.task_token, answer, cause)
        await self._encode(request, task)
        await self.client.service_client.call("RespondQueryTaskCompleted", request, retry=True)

    # ---- a task that cannot be done ---------------------------------------------------------------------------------

    async def fail(self, task: Task, failed: TaskFailure) -> None:
        """Say that the task cannot be done: once. When it comes again it is left to time out, so that nobody spins."""
        logger.warning(
            "Failed workflow task of %s (run %s, type %s, attempt %d): %s",
            task.workflow_execution.workflow_id,
            task.workflow_execution.run_id,
            task.workflow_type.name,
            task.attempt,
            failed.failure.message,
            exc_info=failed.error,
            extra={**_MARK, "temporal_workflow": self._facts(task)},
        )
        try:
            if task.HasField("query"):
                told = QueryAnswer(failure=failed.failure, message=failed.failure.message)
                await self.answer_query(task, told, failed.cause)
            elif task.attempt <= 1:
                await self._fail(task, failed)
        except TaskFailed as worse:
            await self._fail(task, worse.failed)

    def _facts(self, task: Task) -> dict[str, object]:
        """What the lines of workflow code carry too, so that one formatter serves both."""
        return {
            "attempt": task.attempt,
            "namespace": self.client.namespace,
            "run_id": task.workflow_execution.run_id,
            "task_queue": self._task_queue,
            "workflow_id": task.workflow_execution.workflow_id,
            "workflow_type": task.workflow_type.name,
        }

    async def _fail(self, task: Task, failed: TaskFailure) -> None:
        request = self._forms.failed(task.task_token, failed)
        await self._encode(request, task)
        await self.client.service_client.call("RespondWorkflowTaskFailed", request, retry=True)

    def failure(self, error: BaseException) -> TaskFailure:
        """A task fails with ``error``, which is not the workflow's own."""
        return TaskFailure(cause=_UNHANDLED, failure=self._payloads.failure_of(error), error=error)

    async def _encode(
        self,
        request: ws.RespondWorkflowTaskCompletedRequest
        | ws.RespondWorkflowTaskFailedRequest
        | ws.RespondQueryTaskCompletedRequest,
        task: Task,
        contexts: Contexts | None = None,
    ) -> None:
        if not self._payloads.encoded:
            return
        try:
            await self._payloads.encode(request, task.workflow_execution.workflow_id, contexts)
        except Exception as error:  # noqa: BLE001 - a codec may raise anything, and fails the workflow task
            told = failure.Failure(message=f"Failed encoding: {error}")
            told.application_failure_info.type = type(error).__name__
            raise TaskFailed(TaskFailure(cause=_UNHANDLED, failure=told, error=error)) from None


def tell_refused(task: Task, error: Exception) -> None:
    """Log that nobody wanted an answer. That is no news when the task was over, or when something had just come in."""
    expected = isinstance(error, RPCError) and (
        error.status == RPCStatusCode.NOT_FOUND or "UnhandledCommand" in error.message
    )
    logger.log(
        logging.DEBUG if expected else logging.WARNING,
        "Workflow task of %s (run %s) was not answered: %s",
        task.workflow_execution.workflow_id,
        task.workflow_execution.run_id,
        error,
    )
