"""A service in memory, a client on it, and a worker played by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tenuto.client import Client
from tenuto.converter import DataConverter
from tenuto.server import Node
from tenuto.store.memory import MemoryStore
from tenuto.transport.config import ConnectConfig
from tenuto.transport.local import LocalTransport
from tenuto.transport.services import ServiceClient
from tenuto.wire import command, common, enums_command, failure, protocol, update
from tenuto.wire import workflowservice as ws

QUEUE = "q"
PATIENCE = 60
"""Seconds after which a scene hangs: more than any takes on a machine that stalls."""
_Command: Any = command.Command
_Services: Any = ws


class Desk:
    """One node with a client. Whoever would be the worker answers workflow tasks here, one by one."""

    def __init__(self, node: Node, service_client: ServiceClient, **options: Any) -> None:
        self.node = node
        self.service_client = service_client
        self.client = Client(service_client, default_task_queue=QUEUE, **options)

    async def task(self, queue: str = QUEUE) -> ws.PollWorkflowTaskQueueResponse:
        """The next workflow task of the queue."""
        answer = await self.service_client.call(
            "PollWorkflowTaskQueue",
            _Services.PollWorkflowTaskQueueRequest(
                namespace="default", task_queue={"name": queue}, identity="hand"
            ),
        )
        assert isinstance(answer, ws.PollWorkflowTaskQueueResponse)
        assert answer.task_token
        return answer

    async def answer(
        self,
        task: ws.PollWorkflowTaskQueueResponse,
        *commands: command.Command,
        messages: Sequence[protocol.Message] = (),
    ) -> None:
        """Complete a workflow task."""
        await self.service_client.call(
            "RespondWorkflowTaskCompleted",
            ws.RespondWorkflowTaskCompletedRequest(
                namespace="default",
                task_token=task.task_token,
                identity="hand",
                commands=commands,
                messages=messages,
            ),
        )

    async def answer_query(
        self, task: ws.PollWorkflowTaskQueueResponse, value: Any = None, error: str = ""
    ) -> None:
        """Complete a workflow task that is only a query."""
        await self.service_client.call(
            "RespondQueryTaskCompleted",
            _Services.RespondQueryTaskCompletedRequest(
                namespace="default",
                task_token=task.task_token,
                completed_type=2 if error else 1,
                query_result=None if error else await payloads(value),
                error_message=error,
                failure=failure.Failure(message=error) if error else None,
            ),
        )

    async def activity(self, queue: str = QUEUE) -> ws.PollActivityTaskQueueResponse:
        """The next activity task of the queue."""
        answer = await self.service_client.call(
            "PollActivityTaskQueue",
            _Services.PollActivityTaskQueueRequest(
                namespace="default", task_queue={"name": queue}, identity="hand"
            ),
        )
        assert isinstance(answer, ws.PollActivityTaskQueueResponse)
        assert answer.task_token
        return answer


async def payloads(*values: Any) -> common.Payloads:
    """The values, as a worker would encode them."""
    return common.Payloads(payloads=await DataConverter.default.encode(values))


async def complete(*values: Any) -> command.Command:
    """The workflow returns this."""
    made: command.Command = _Command(
        command_type=enums_command.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
        complete_workflow_execution_command_attributes={"result": await payloads(*values)},
    )
    return made


async def fail(error: BaseException) -> command.Command:
    """The workflow raises this."""
    why = failure.Failure()
    await DataConverter.default.encode_failure(error, why)
    made: command.Command = _Command(
        command_type=enums_command.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION,
        fail_workflow_execution_command_attributes={"failure": why},
    )
    return made


async def cancelled(*details: Any) -> command.Command:
    """The workflow ends as cancelled."""
    made: command.Command = _Command(
        command_type=enums_command.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION,
        cancel_workflow_execution_command_attributes={"details": await payloads(*details)},
    )
    return made


async def continue_as_new(workflow_type: str, *args: Any) -> command.Command:
    """The workflow goes on in a new run."""
    made: command.Command = _Command(
        command_type=enums_command.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION,
        continue_as_new_workflow_execution_command_attributes={
            "workflow_type": {"name": workflow_type},
            "task_queue": {"name": QUEUE},
            "input": await payloads(*args),
        },
    )
    return made


async def schedule_activity(name: str, activity_id: str = "a") -> command.Command:
    """The workflow asks for an activity."""
    made: command.Command = _Command(
        command_type=enums_command.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK,
        schedule_activity_task_command_attributes={
            "activity_id": activity_id,
            "activity_type": {"name": name},
            "task_queue": {"name": QUEUE},
            "start_to_close_timeout": {"seconds": 60},
            "heartbeat_timeout": {"seconds": 60},
        },
    )
    return made


def of_update(task: ws.PollWorkflowTaskQueueResponse) -> update.Request:
    """The update that came with a workflow task."""
    (message,) = task.messages
    request = update.Request()
    assert message.body.Unpack(request)
    return request


def accept(task: ws.PollWorkflowTaskQueueResponse) -> protocol.Message:
    """The update is accepted."""
    (asked,) = task.messages
    request = of_update(task)
    message = protocol.Message(
        id=f"{asked.protocol_instance_id}/accept", protocol_instance_id=asked.protocol_instance_id
    )
    message.body.Pack(
        update.Acceptance(
            accepted_request_message_id=asked.id,
            accepted_request_sequencing_event_id=asked.event_id,
            accepted_request=request,
        )
    )
    return message


def respond(request: update.Request, outcome: update.Outcome) -> protocol.Message:
    """The update is done."""
    own = request.meta.update_id
    message = protocol.Message(id=f"{own}/complete", protocol_instance_id=own)
    message.body.Pack(update.Response(meta=request.meta, outcome=outcome))
    return message


def reject(task: ws.PollWorkflowTaskQueueResponse, why: failure.Failure) -> protocol.Message:
    """The update is rejected."""
    (asked,) = task.messages
    message = protocol.Message(
        id=f"{asked.protocol_instance_id}/reject", protocol_instance_id=asked.protocol_instance_id
    )
    message.body.Pack(
        update.Rejection(
            rejected_request_message_id=asked.id,
            rejected_request_sequencing_event_id=asked.event_id,
            rejected_request=of_update(task),
            failure=why,
        )
    )
    return message


def send(*messages: protocol.Message) -> list[command.Command]:
    """The commands that put messages in their place."""
    return [
        _Command(
            command_type=enums_command.COMMAND_TYPE_PROTOCOL_MESSAGE,
            protocol_message_command_attributes={"message_id": message.id},
        )
        for message in messages
        if not message.id.endswith("/reject")
    ]


def at_a_desk(scene: Callable[[Desk], Awaitable[None]], **options: Any) -> None:
    """Play a scene at a desk of its own; ``options`` are the client's."""

    async def play() -> None:
        node = Node(MemoryStore())
        service = await node.open()
        service_client = ServiceClient(
            ConnectConfig("memory://desk", identity="caller"), LocalTransport(service)
        )
        try:
            async with asyncio.timeout(PATIENCE):
                await scene(Desk(node, service_client, **options))
        finally:
            await service_client.close()
            await node.close()

    asyncio.run(play())
