"""The end of the chain for sets of worker builds, passed on as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from tenuto.client.build_ids import WorkerBuildIdVersionSets, WorkerTaskReachability
from tenuto.client.inputs_more import (
    GetWorkerBuildIdCompatibilityInput,
    GetWorkerTaskReachabilityInput,
    UpdateWorkerBuildIdCompatibilityInput,
)
from tenuto.client.interceptor import OutboundInterceptor
from tenuto.wire import workflowservice as ws

if TYPE_CHECKING:
    from tenuto.client.core import ClientCore


class BuildIdCalls(OutboundInterceptor):
    """Calls about sets of worker builds, made."""

    def __init__(self, client: ClientCore) -> None:
        self._client = client

    async def update_worker_build_id_compatibility(
        self, input: UpdateWorkerBuildIdCompatibilityInput
    ) -> None:
        await self._client._call(
            "UpdateWorkerBuildIdCompatibility",
            ws.UpdateWorkerBuildIdCompatibilityRequest(
                namespace=self._client.namespace,
                task_queue=input.task_queue,
                **input.operation._fields(),
            ),
            ws.UpdateWorkerBuildIdCompatibilityResponse,
            input,
        )

    async def get_worker_build_id_compatibility(
        self, input: GetWorkerBuildIdCompatibilityInput
    ) -> WorkerBuildIdVersionSets:
        answer = await self._client._call(
            "GetWorkerBuildIdCompatibility",
            ws.GetWorkerBuildIdCompatibilityRequest(
                namespace=self._client.namespace, task_queue=input.task_queue, max_sets=input.max_sets or 0
            ),
            ws.GetWorkerBuildIdCompatibilityResponse,
            input,
        )
        return WorkerBuildIdVersionSets._from_proto(answer)

    async def get_worker_task_reachability(
        self, input: GetWorkerTaskReachabilityInput
    ) -> WorkerTaskReachability:
        answer = await self._client._call(
            "GetWorkerTaskReachability",
            ws.GetWorkerTaskReachabilityRequest(
                namespace=self._client.namespace,
                build_ids=input.build_ids,
                task_queues=input.task_queues,
                reachability=cast("Any", input.reachability.value if input.reachability else 0),
            ),
            ws.GetWorkerTaskReachabilityResponse,
            input,
        )
        return WorkerTaskReachability._from_proto(answer)
