"""What a worker sends back for a workflow task: the messages, filled.

This file must never talk to a server, and must never decide whether a task has failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from tenuto import __version__
from tenuto.run.history import SDK_NAME
from tenuto.wire import duration_pb2, enums_command, enums_query, enums_queue, taskqueue
from tenuto.wire import query as wire_query
from tenuto.wire import workflowservice as ws

if TYPE_CHECKING:
    from tenuto.run.types import Completion, QueryAnswer, TaskFailure
    from tenuto.wire import command, protocol
    from tenuto.worker.deployment import Build

_SCHEDULE_ACTIVITY = enums_command.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK


class Answer:
    """What a run has answered since the workflow task before: perhaps in several pieces, sent as one."""

    __slots__ = (
        "closed",
        "commands",
        "core_flags",
        "lang_flags",
        "messages",
        "retried_locally",
        "versioning_behavior",
    )

    def __init__(self) -> None:
        self.commands: list[command.Command] = []
        self.messages: list[protocol.Message] = []
        self.core_flags: list[int] = []
        self.lang_flags: list[int] = []
        self.versioning_behavior = 0
        self.closed = False
        self.retried_locally = 0

    def take(self, completion: Completion) -> None:
        """Add a piece."""
        if completion.withdrawn:
            gone = {id(each) for each in completion.withdrawn}
            self.commands = [each for each in self.commands if id(each) not in gone]
        self.commands += completion.commands
        self.messages += completion.messages
        self.core_flags += completion.core_flags
        self.lang_flags += completion.lang_flags
        self.versioning_behavior = completion.versioning_behavior
        self.closed = self.closed or completion.closed


class Forms:
    """The fields that are the same in every answer of a worker. ``sticky_timeout`` positive."""

    def __init__(
        self,
        *,
        namespace: str,
        identity: str,
        task_queue: str,
        sticky_queue: str | None,
        sticky_timeout: timedelta,
        build: Build,
    ) -> None:
        self._namespace = namespace
        self._identity = identity
        self._stamp = build.stamp
        self._deployment = build.options
        self._versioned = build.deployment_versioning
        self._sticky: taskqueue.StickyExecutionAttributes | None = None
        if sticky_queue:
            timeout = duration_pb2.Duration()
            timeout.FromTimedelta(sticky_timeout)
            queue = taskqueue.TaskQueue(
                name=sticky_queue, kind=enums_queue.TASK_QUEUE_KIND_STICKY, normal_name=task_queue
            )
            self._sticky = taskqueue.StickyExecutionAttributes(
                worker_task_queue=queue, schedule_to_start_timeout=timeout
            )
        self._last = ws.RespondWorkflowTaskCompletedRequest(
            worker_version_stamp=self._stamp,
            deployment_options=self._deployment,
            namespace=namespace,
            identity=identity,
        )
        self._last.capabilities.discard_speculative_workflow_task_with_events = True
        self._next = ws.RespondWorkflowTaskCompletedRequest(
            sticky_attributes=self._sticky, return_new_workflow_task=self._sticky is not None
        )
        self._next.MergeFrom(self._last)

    def completed(
        self, token: bytes, answer: Answer, *, and_go_on: bool, name: bool
    ) -> ws.RespondWorkflowTaskCompletedRequest:
        """``and_go_on``: ask for another workflow task at once. ``name``: say which framework works here."""
        request = ws.RespondWorkflowTaskCompletedRequest()
        # Most of it is the same every time; this is in the way of every step.
        request.CopyFrom(self._last if answer.closed else self._next)
        request.task_token = token
        request.commands.extend(answer.commands)
        if answer.messages:
            request.messages.extend(answer.messages)
        if and_go_on:
            request.force_create_new_workflow_task = request.return_new_workflow_task = True
        if self._versioned:
            request.versioning_behavior = answer.versioning_behavior  # type: ignore[assignment]
        if answer.core_flags:
            request.sdk_metadata.core_used_flags.extend(answer.core_flags)
        if answer.lang_flags:
            request.sdk_metadata.lang_used_flags.extend(answer.lang_flags)
        if name:
            request.sdk_metadata.sdk_name, request.sdk_metadata.sdk_version = SDK_NAME, __version__
        if answer.retried_locally:
            request.metering_metadata.nonfirst_local_activity_execution_attempts = answer.retried_locally
        return request

    def failed(self, token: bytes, failed: TaskFailure) -> ws.RespondWorkflowTaskFailedRequest:
        """The task could not be done."""
        return ws.RespondWorkflowTaskFailedRequest(
            task_token=token,
            cause=failed.cause,  # type: ignore[arg-type]
            failure=failed.failure,
            worker_version=self._stamp,
            deployment_options=self._deployment,
            namespace=self._namespace,
            identity=self._identity,
        )

    def queried(
        self, token: bytes, answer: QueryAnswer, cause: int = 0
    ) -> ws.RespondQueryTaskCompletedRequest:
        """The answer to a task that is a query. ``cause``, a `WorkflowTaskFailedCause`, when the run could not be asked."""
        request = ws.RespondQueryTaskCompletedRequest(
            task_token=token,
            namespace=self._namespace,
            completed_type=(
                enums_query.QUERY_RESULT_TYPE_FAILED
                if answer.failure
                else enums_query.QUERY_RESULT_TYPE_ANSWERED
            ),
            cause=cause,  # type: ignore[arg-type]
        )
        if answer.failure is not None:
            request.error_message = answer.message
            request.failure.CopyFrom(answer.failure)
        elif answer.result is not None:
            request.query_result.payloads.append(answer.result)
        return request


def add_query_results(
    request: ws.RespondWorkflowTaskCompletedRequest, answers: Mapping[str, QueryAnswer]
) -> None:
    """Answers to the queries that came with a workflow task."""
    for query_id, answer in answers.items():
        slot: wire_query.WorkflowQueryResult = request.query_results[query_id]
        if answer.failure is not None:
            slot.result_type = enums_query.QUERY_RESULT_TYPE_FAILED
            slot.error_message = answer.message
            slot.failure.CopyFrom(answer.failure)
        else:
            slot.result_type = enums_query.QUERY_RESULT_TYPE_ANSWERED
            slot.answer.SetInParent()
            if answer.result is not None:
                slot.answer.payloads.append(answer.result)


def eager_ones(commands: Iterable[command.Command]) -> list[command.Command]:
    """The commands that would have their activity started here at once."""
    return [
        made
        for made in commands
        if made.command_type == _SCHEDULE_ACTIVITY
        and made.schedule_activity_task_command_attributes.request_eager_execution
    ]
