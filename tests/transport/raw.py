"""Words for tests that speak the protocol message by message: requests, and a worker of a few lines."""

import asyncio
import uuid
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from tenuto.transport.config import ConnectConfig
from tenuto.transport.services import ServiceClient
from tenuto.wire import command, enums_command
from tenuto.wire import workflowservice as ws

NAMESPACE = "default"
PATIENCE = timedelta(seconds=50)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a story; a minute is more than any takes."""
    asyncio.run(asyncio.wait_for(main, 60))


async def connect(target: str, **settings: Any) -> ServiceClient:
    return await ServiceClient.connect(ConnectConfig(target, **settings))


def start(
    workflow_id: str, namespace: str = NAMESPACE, queue: str = "queue"
) -> ws.StartWorkflowExecutionRequest:
    request = ws.StartWorkflowExecutionRequest(
        namespace=namespace, workflow_id=workflow_id, request_id=str(uuid.uuid4()), identity="client"
    )
    request.workflow_type.name, request.task_queue.name = "Flow", queue
    request.workflow_task_timeout.seconds = 120  # no stall of the machine brings a task back
    return request


def poll(queue: str = "queue") -> ws.PollWorkflowTaskQueueRequest:
    request = ws.PollWorkflowTaskQueueRequest(namespace=NAMESPACE, identity="worker")
    request.task_queue.name = queue
    return request


def poll_activity(queue: str = "queue") -> ws.PollActivityTaskQueueRequest:
    request = ws.PollActivityTaskQueueRequest(namespace=NAMESPACE, identity="worker")
    request.task_queue.name = queue
    return request


def describe(workflow_id: str) -> ws.DescribeWorkflowExecutionRequest:
    request = ws.DescribeWorkflowExecutionRequest(namespace=NAMESPACE)
    request.execution.workflow_id = workflow_id
    return request


def activity(seconds: int = 600) -> command.Command:
    """SCHEDULE_ACTIVITY_TASK on the same queue."""
    made = command.Command(command_type=enums_command.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK)
    attributes = made.schedule_activity_task_command_attributes
    attributes.activity_id, attributes.activity_type.name = "a", "Act"
    attributes.task_queue.name = "queue"
    attributes.start_to_close_timeout.seconds = seconds
    return made


def completion() -> command.Command:
    made = command.Command(command_type=enums_command.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION)
    made.complete_workflow_execution_command_attributes.SetInParent()
    return made


async def answer_task(client: ServiceClient, *commands: command.Command) -> ws.PollWorkflowTaskQueueResponse:
    """Poll a workflow task and complete it."""
    task = await client.workflow_service.poll_workflow_task_queue(poll(), timeout=PATIENCE)
    await client.workflow_service.respond_workflow_task_completed(
        ws.RespondWorkflowTaskCompletedRequest(
            namespace=NAMESPACE, task_token=task.task_token, commands=commands, identity="worker"
        )
    )
    return task


async def answer_activity(client: ServiceClient) -> ws.PollActivityTaskQueueResponse:
    """Poll an activity task and complete it."""
    task = await client.workflow_service.poll_activity_task_queue(poll_activity(), timeout=PATIENCE)
    await client.workflow_service.respond_activity_task_completed(
        ws.RespondActivityTaskCompletedRequest(
            namespace=NAMESPACE, task_token=task.task_token, identity="worker"
        )
    )
    return task
