"""What a worker asks with: the polls, filled once and sent again and again.

This file must never talk to a server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenuto.wire import enums_queue, taskqueue, wrappers_pb2
from tenuto.wire import workflowservice as ws

if TYPE_CHECKING:
    from tenuto.worker.deployment import Build


def workflow_poll(
    namespace: str, queue: str, identity: str, build: Build, instance_key: str, normal_name: str = ""
) -> ws.PollWorkflowTaskQueueRequest:
    """A poll for workflow tasks; ``normal_name`` is set for a sticky queue: the queue behind it."""
    kind = enums_queue.TASK_QUEUE_KIND_STICKY if normal_name else enums_queue.TASK_QUEUE_KIND_NORMAL
    return ws.PollWorkflowTaskQueueRequest(
        namespace=namespace,
        task_queue=taskqueue.TaskQueue(name=queue, kind=kind, normal_name=normal_name),
        identity=identity,
        worker_instance_key=instance_key,
        binary_checksum=build.build_id if build.deployment_version is None else "",
        worker_version_capabilities=build.capabilities,
        deployment_options=build.options,
    )


def activity_poll(
    namespace: str, queue: str, identity: str, build: Build, instance_key: str, per_second: float | None
) -> ws.PollActivityTaskQueueRequest:
    """A poll for activities; ``per_second`` bounds what the service hands out of the queue, to all its workers."""
    request = ws.PollActivityTaskQueueRequest(
        namespace=namespace,
        task_queue=taskqueue.TaskQueue(name=queue, kind=enums_queue.TASK_QUEUE_KIND_NORMAL),
        identity=identity,
        worker_instance_key=instance_key,
        worker_version_capabilities=build.capabilities,
        deployment_options=build.options,
    )
    if per_second is not None:
        request.task_queue_metadata.max_tasks_per_second.CopyFrom(wrappers_pb2.DoubleValue(value=per_second))
    return request


def nexus_poll(
    namespace: str, queue: str, identity: str, build: Build, instance_key: str
) -> ws.PollNexusTaskQueueRequest:
    """A poll for Nexus tasks."""
    return ws.PollNexusTaskQueueRequest(
        namespace=namespace,
        task_queue=taskqueue.TaskQueue(name=queue, kind=enums_queue.TASK_QUEUE_KIND_NORMAL),
        identity=identity,
        worker_instance_key=instance_key,
        worker_version_capabilities=build.capabilities,
        deployment_options=build.options,
    )
