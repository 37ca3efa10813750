"""Raw calls: one method name, request bytes, response bytes. No SDK, no retries, nothing between the bench and the wire."""

from types import TracebackType
from typing import Any, Self

import grpc
from temporalio.api.command.v1 import message_pb2 as command
from temporalio.api.common.v1 import message_pb2 as common
from temporalio.api.enums.v1 import command_type_pb2 as kinds
from temporalio.api.taskqueue.v1 import message_pb2 as taskqueue
from temporalio.api.workflowservice.v1 import request_response_pb2 as wire

__all__ = ["Raw", "common", "wire"]

SERVICE = "/temporal.api.workflowservice.v1.WorkflowService/"
OPTIONS = [("grpc.max_receive_message_length", 64 << 20), ("grpc.max_send_message_length", 64 << 20)]
RECONNECT = [
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
]
NAMESPACE = "default"
STICKY_KIND = 2


def same(message: bytes) -> bytes:
    """Bytes on both sides: the caller serializes, or does not parse at all."""
    return message


class Raw:
    """Blocking raw calls to one address over one connection."""

    def __init__(self, address: str) -> None:
        # A channel shared with an earlier one to the same address would keep its connection back-off.
        self._channel = grpc.insecure_channel(
            address, options=[*OPTIONS, *RECONNECT, ("grpc.use_local_subchannel_pool", 1)]
        )
        self._methods: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()

    def call(self, method: str, request: Any, timeout: float = 30) -> bytes:
        """Calls `method` with a message; returns the response's bytes. Raises grpc.RpcError."""
        invoke = self._methods.get(method)
        if invoke is None:
            invoke = self._methods[method] = self._channel.unary_unary(SERVICE + method, same, same)
        return bytes(invoke(request.SerializeToString(), timeout=timeout))

    def answers(self, method: str, request: Any) -> bool:
        """Whether the call succeeds within a second."""
        try:
            self.call(method, request, timeout=1)
        except grpc.RpcError:
            return False
        return True


def queue(name: str) -> taskqueue.TaskQueue:
    """A task queue by name."""
    return taskqueue.TaskQueue(name=name)


def start_request(workflow_id: str, plan: str, task_queue: str) -> wire.StartWorkflowExecutionRequest:
    """Starts workflow type `plan`, which the canned worker knows how to answer."""
    request = wire.StartWorkflowExecutionRequest(
        namespace=NAMESPACE,
        workflow_id=workflow_id,
        request_id=workflow_id,
        identity="bench",
        workflow_type=common.WorkflowType(name=plan),
        task_queue=queue(task_queue),
    )
    request.workflow_task_timeout.FromSeconds(60)
    return request


def schedule_activity(number: int, task_queue: str) -> command.Command:
    """One activity with a small input."""
    found = command.Command(command_type=kinds.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK)
    attributes = found.schedule_activity_task_command_attributes
    attributes.activity_id = str(number)
    attributes.activity_type.name = "echo"
    attributes.task_queue.name = task_queue
    attributes.input.payloads.add(metadata={"encoding": b"json/plain"}, data=b'"hello"')
    attributes.start_to_close_timeout.FromSeconds(600)
    return found


def start_timer(number: int, seconds: int) -> command.Command:
    """One timer."""
    found = command.Command(command_type=kinds.COMMAND_TYPE_START_TIMER)
    found.start_timer_command_attributes.timer_id = str(number)
    found.start_timer_command_attributes.start_to_fire_timeout.FromSeconds(seconds)
    return found


def complete_workflow() -> command.Command:
    """The end, with a small result."""
    found = command.Command(command_type=kinds.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION)
    found.complete_workflow_execution_command_attributes.result.payloads.add(
        metadata={"encoding": b"json/plain"}, data=b'"done"'
    )
    return found
