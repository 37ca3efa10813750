"""What the service says of itself, and what it deliberately refuses (platform-surface 1, 13, 16.2)."""

from typing import Any, NoReturn

from tenuto.service.call import Call
from tenuto.service.core import SERVER_VERSION, Core
from tenuto.service.errors import denied, invalid, unimplemented
from tenuto.wire import operatorservice as ops
from tenuto.wire import workflowservice as ws

CAPABILITIES = (
    "signal_and_query_header",
    "internal_error_differentiation",
    "activity_failure_include_heartbeat",
    "supports_schedules",
    "encoded_failure_attributes",
    "upsert_memo",
    "eager_workflow_start",
    "sdk_metadata",
    "build_id_based_versioning",
    "count_group_by_execution_status",
    "nexus",
)
"""True of this service; clients switch behaviour on each."""
CLIENTS = dict.fromkeys(
    (
        "temporal-go",
        "temporal-java",
        "temporal-php",
        "temporal-typescript",
        "temporal-cli",
        "temporal-server",
    ),
    "<2.0.0",
) | {"temporal-ui": "<3.0.0", "Nexus-go-sdk": "<2.0.0"}

DEPLOYMENTS = "Deployments are deprecated and no longer supported, use Worker Deployments instead"
SETS = "Worker versioning v0.1 (Version Set-based, deprecated) is disabled on this namespace."
RULES = "Worker versioning v0.2 (Rules-based, deprecated) is disabled on this namespace."
NEXUS = "Standalone Nexus operation is disabled"
LATER = "method {} not supported"

_DEPRECATED = (
    "DescribeDeployment",
    "ListDeployments",
    "GetDeploymentReachability",
    "GetCurrentDeployment",
    "SetCurrentDeployment",
)
_NEXUS = tuple(
    f"{verb}NexusOperationExecution{plural}"
    for verb, plural in (
        ("Start", ""),
        ("Describe", ""),
        ("Poll", ""),
        ("List", "s"),
        ("Count", "s"),
        ("RequestCancel", ""),
        ("Terminate", ""),
        ("Delete", ""),
    )
)


class System:
    """Calls about the service itself."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def get_system_info(self, request: ws.GetSystemInfoRequest, call: Call) -> ws.GetSystemInfoResponse:
        response = ws.GetSystemInfoResponse(server_version=SERVER_VERSION)
        for flag in CAPABILITIES:
            setattr(response.capabilities, flag, True)
        return response

    async def get_cluster_info(
        self, request: ws.GetClusterInfoRequest, call: Call
    ) -> ws.GetClusterInfoResponse:
        core = self._core
        return ws.GetClusterInfoResponse(
            supported_clients=CLIENTS,
            server_version=SERVER_VERSION,
            cluster_id=core.cluster_id,
            cluster_name="active",
            history_shard_count=core.shard_count,
            persistence_store=core.store_name,
            visibility_store=core.store_name,
            initial_failover_version=1,
            failover_version_increment=10,
        )

    async def list_clusters(self, request: ops.ListClustersRequest, call: Call) -> ops.ListClustersResponse:
        core = self._core
        response = ops.ListClustersResponse()
        response.clusters.add(
            cluster_name="active",
            cluster_id=core.cluster_id,
            address=core.address,
            initial_failover_version=1,
            history_shard_count=core.shard_count,
            is_connection_enabled=True,
        )
        return response


def refuse(method: str, request: Any) -> NoReturn:
    """The answer to a method that this service does not offer: always a deliberate one."""
    if method in _DEPRECATED:
        unimplemented(DEPLOYMENTS)
    if method in _NEXUS:
        unimplemented(NEXUS)
    match method:
        case "UpdateWorkerBuildIdCompatibility" | "GetWorkerBuildIdCompatibility":
            denied(SETS)
        case "UpdateWorkerVersioningRules" | "GetWorkerVersioningRules" | "GetWorkerTaskReachability":
            denied(RULES)
        case "FetchWorkerConfig" | "UpdateWorkerConfig":
            unimplemented(f"{method} command is not enabled.")
        case "ListArchivedWorkflowExecutions":
            invalid("Cluster is not configured for visibility archival.")
        case "PollWorkflowExecutionTimeSkipping":
            unimplemented("The Time-Skipping feature is not enabled for namespace.")
    unimplemented(LATER.format(method))
