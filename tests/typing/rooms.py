"""Streams, and Nexus operations without a workflow, as a type checker sees them. Never run."""

from typing import Any, assert_type

import nexusrpc

from tenuto.client import Client, NexusOperationHandle
from tenuto.contrib.workflow_streams import (
    TopicHandle,
    WorkflowStream,
    WorkflowStreamClient,
    WorkflowTopicHandle,
)
from tenuto.wire import common


@nexusrpc.service
class Kitchen:
    boil: nexusrpc.Operation[str, int]


async def streams(stream: WorkflowStream, client: WorkflowStreamClient, payload: common.Payload) -> None:
    inside = stream.topic("words", type=str)
    assert_type(inside, WorkflowTopicHandle[str])
    inside.publish("a")
    inside.publish(payload)
    inside.publish(1)  # type: ignore[arg-type]
    assert_type(stream.topic("any"), WorkflowTopicHandle[Any])
    outside = client.topic("words", type=str)
    assert_type(outside, TopicHandle[str])
    outside.publish(1)  # type: ignore[arg-type]
    async for item in outside.subscribe():
        assert_type(item.data, str)
    async for word in client.subscribe(["words"], result_type=str):
        assert_type(word.data, str)
    async for anything in client.subscribe():
        assert_type(anything.data, Any)


async def operations(client: Client) -> None:
    kitchen = client.create_nexus_client(Kitchen, "kitchen")
    assert_type(await kitchen.start_operation(Kitchen.boil, "egg", id="1"), NexusOperationHandle[int])
    assert_type(await kitchen.execute_operation(Kitchen.boil, "egg", id="1", summary="soft"), int)
    await kitchen.execute_operation(Kitchen.boil, 1, id="1")  # type: ignore[misc]
    await kitchen.execute_operation(Kitchen.boil, "egg", id="1", sumary="soft")  # type: ignore[call-overload]
    assert_type(await kitchen.execute_operation("boil", "egg", id="1", result_type=int), int)
    assert_type(await kitchen.execute_operation("boil", "egg", id="1"), Any)
    assert_type(
        await client.get_nexus_operation_handle("1", operation=Kitchen.boil).result(),
        int,
    )
    assert_type(client.get_nexus_operation_handle("1", result_type=int), NexusOperationHandle[int])
