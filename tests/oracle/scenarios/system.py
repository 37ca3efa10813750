"""Namespaces, system calls, task queues, search attributes, and everything a default server refuses."""

import time
from typing import Any

from tests.oracle.build import cases, duration
from tests.oracle.commands import done
from tests.oracle.registry import scenario
from tests.oracle.session import Session


@scenario
def system_shape(s: Session) -> None:
    s.call("GetSystemInfo")
    cluster = s.ask("GetClusterInfo")
    s.record("cluster fields", sorted(field.name for field, _ in cluster.ListFields()))
    s.record("supported clients", sorted(cluster.supported_clients.items()))


@scenario
def namespace_default_shape(s: Session) -> None:
    s.call("DescribeNamespace", namespace="default")
    s.call("DescribeNamespace", namespace="temporal-system")
    s.call("DescribeNamespace", namespace="nowhere")
    s.call("DescribeNamespace", namespace="")
    s.call("DescribeNamespace", namespace="", id="00000000-0000-4000-8000-000000000000")
    s.call("DescribeNamespace", namespace="default", id="00000000-0000-4000-8000-000000000000", label="both")


@scenario
def namespace_life(s: Session) -> None:
    name = s.unique("ns")
    fields: dict[str, Any] = {"description": "d", "owner_email": "o@x", "data": {"k": "v"}}
    s.call("RegisterNamespace", namespace=name, workflow_execution_retention_period=86400, **fields)
    s.call("RegisterNamespace", namespace=name, workflow_execution_retention_period=86400, label="again")
    s.call("DescribeNamespace", namespace=name)
    change = {"description": "new", "data": {"k2": "v2"}}
    s.call("UpdateNamespace", namespace=name, update_info=change)
    s.call(
        "UpdateNamespace",
        namespace=name,
        config={"workflow_execution_retention_ttl": 172800},
        label="retention",
    )
    s.call(
        "UpdateNamespace", namespace=name, config={"workflow_execution_retention_ttl": 60}, label="too short"
    )
    s.call("UpdateNamespace", namespace=name, label="nothing")
    s.call("DeprecateNamespace", namespace=name)
    s.call("DescribeNamespace", namespace=name, label="deprecated")
    time.sleep(2.5)
    s.start(namespace=name, label="in a deprecated namespace")
    bad_state = {"state": "NAMESPACE_STATE_REGISTERED"}
    s.call("UpdateNamespace", namespace=name, update_info=bad_state, label="cannot go back")
    s.call("DeleteNamespace", namespace=name)
    s.call("DescribeNamespace", namespace=name, label="deleted")
    s.call(
        "RegisterNamespace", namespace=name, workflow_execution_retention_period=86400, label="name is free"
    )


@scenario
def namespace_bad_arguments(s: Session) -> None:
    day = 86400
    for label, fields in cases(
        {
            "no name": {"namespace": "", "workflow_execution_retention_period": day},
            "long name": {"namespace": "n" * 1001, "workflow_execution_retention_period": day},
            "no retention": {"namespace": s.unique("a")},
            "short retention": {"namespace": s.unique("b"), "workflow_execution_retention_period": 60},
            "negative retention": {
                "namespace": s.unique("c"),
                "workflow_execution_retention_period": duration(-60),
            },
            "global": {
                "namespace": s.unique("d"),
                "workflow_execution_retention_period": day,
                "is_global_namespace": True,
            },
            "other cluster": {
                "namespace": s.unique("e"),
                "workflow_execution_retention_period": day,
                "active_cluster_name": "mars",
            },
            "default": {"namespace": "default", "workflow_execution_retention_period": day},
        }
    ).items():
        s.call("RegisterNamespace", label=label, **fields)
    s.call("UpdateNamespace", namespace="nowhere", update_info={"description": "x"})
    s.call("UpdateNamespace", namespace="")
    s.call("DeprecateNamespace", namespace="nowhere")
    s.call("DeleteNamespace", namespace="nowhere")
    s.call("DeleteNamespace", namespace="temporal-system")
    s.call("DeleteNamespace", namespace="")


@scenario
def namespace_holds_its_own_workflows(s: Session) -> None:
    name = s.unique("own")
    s.call("RegisterNamespace", namespace=name, workflow_execution_retention_period=86400)
    time.sleep(2.5)
    s.namespace = name
    s.start()
    s.step(done("there"))
    s.describe()
    s.call("DescribeWorkflowExecution", namespace="default", execution=s.wid(), label="not in default")


@scenario
def task_queue_shapes(s: Session) -> None:
    s.call("DescribeTaskQueue", task_queue=s.tq(), label="unknown queue")
    s.poll(timeout=3, label="nothing")
    s.call("DescribeTaskQueue", task_queue=s.tq(), label="one poller")
    s.call(
        "DescribeTaskQueue", task_queue=s.tq(), task_queue_type="TASK_QUEUE_TYPE_ACTIVITY", label="activities"
    )
    s.call("DescribeTaskQueue", task_queue="", label="no name")
    s.call("DescribeTaskQueue", label="no queue")
    s.call("DescribeTaskQueue", task_queue=s.tq(), namespace="nowhere", label="namespace")
    s.call("ListTaskQueuePartitions", task_queue="", label="no name")
    partitions = s.ask("ListTaskQueuePartitions", task_queue=s.tq())
    s.record("partitions", [entry.key for entry in partitions.workflow_task_queue_partitions])


@scenario
def search_attribute_registry(s: Session) -> None:
    listed = s.call("ListSearchAttributes")
    s.record("type", str(type(listed).__name__))
    keyword, text = "INDEXED_VALUE_TYPE_KEYWORD", "INDEXED_VALUE_TYPE_TEXT"
    s.call("AddSearchAttributes", search_attributes={"StartTime": keyword}, label="system name")
    s.call("AddSearchAttributes", search_attributes={}, label="nothing")
    s.call("AddSearchAttributes", search_attributes={"OracleKeyword": keyword}, label="exists")
    s.call("AddSearchAttributes", search_attributes={"OracleKeyword": text}, label="other type")
    s.call("RemoveSearchAttributes", search_attributes=["Nope"], label="unknown")
    s.call("RemoveSearchAttributes", search_attributes=["StartTime"], label="system name")
    s.call("RemoveSearchAttributes", label="nothing")


@scenario
def refused_by_default(s: Session) -> None:
    s.start()
    target = {"workflow_execution": s.wid()}
    deployment = {"deployment": {"series_name": "d", "build_id": "b"}}
    for method, fields in cases(
        {
            "PauseWorkflowExecution": {"workflow_id": s.wid(), "request_id": "r"},
            "UnpauseWorkflowExecution": {"workflow_id": s.wid(), "request_id": "r"},
            "ListArchivedWorkflowExecutions": {},
            "UpdateWorkerBuildIdCompatibility": {
                "task_queue": s.tq(),
                "add_new_build_id_in_new_default_set": "b",
            },
            "GetWorkerBuildIdCompatibility": {"task_queue": s.tq()},
            "UpdateWorkerVersioningRules": {"task_queue": s.tq()},
            "GetWorkerVersioningRules": {"task_queue": s.tq()},
            "GetWorkerTaskReachability": {"build_ids": ["b"]},
            "DescribeDeployment": deployment,
            "ListDeployments": {},
            "GetDeploymentReachability": deployment,
            "GetCurrentDeployment": {"series_name": "d"},
            "SetCurrentDeployment": deployment,
            "CreateWorkflowRule": {"spec": {"id": "r"}},
            "DescribeWorkflowRule": {"rule_id": "r"},
            "DeleteWorkflowRule": {"rule_id": "r"},
            "ListWorkflowRules": {},
            "TriggerWorkflowRule": {"execution": s.wid(), "id": "r"},
            "FetchWorkerConfig": {},
            "UpdateWorkerConfig": {},
            "StartNexusOperationExecution": {"operation_id": "o"},
            "DescribeNexusOperationExecution": {"operation_id": "o"},
            "PollNexusOperationExecution": {"operation_id": "o"},
            "ListNexusOperationExecutions": {},
            "CountNexusOperationExecutions": {},
            "RequestCancelNexusOperationExecution": {"operation_id": "o"},
            "TerminateNexusOperationExecution": {"operation_id": "o"},
            "DeleteNexusOperationExecution": {"operation_id": "o"},
            "PollWorkflowExecutionTimeSkipping": target,
        }
    ).items():
        known = {
            name: value
            for name, value in fields.items()
            if name in s.target.request_type(method).fields_by_name
        }
        s.call(method, 5, **known)


@scenario
def worker_registry_calls(s: Session) -> None:
    s.call(
        "RecordWorkerHeartbeat",
        worker_heartbeat=[{"worker_instance_key": s.unique("k"), "task_queue": s.tq()}],
    )
    s.call("RecordWorkerHeartbeat", label="nothing")
    s.call("DescribeWorker", worker_instance_key="nope")
    s.call("ShutdownWorker", sticky_task_queue=s.tq("-sticky"), reason="bye")
    s.call("ShutdownWorker", label="nothing")


@scenario
def nexus_endpoint_errors(s: Session) -> None:
    s.call("GetNexusEndpoint", id="00000000-0000-4000-8000-000000000000")
    s.call("GetNexusEndpoint")
    s.call("ListNexusEndpoints", name="nobody")
    s.call("CreateNexusEndpoint")
    s.call("DeleteNexusEndpoint", id="00000000-0000-4000-8000-000000000000", version=1)


@scenario
def listing_errors(s: Session) -> None:
    for label, query in cases(
        {
            "syntax": "WorkflowId = ",
            "unknown column": "Nope = 1",
            "bad type": "OracleInt = 'x'",
            "bad operator": "WorkflowType > 3",
            "limit": "WorkflowId = 'x' LIMIT 3",
        }
    ).items():
        s.call("ListWorkflowExecutions", query=query, label=label)
        s.call("CountWorkflowExecutions", query=query, label=label)
    s.call("ListWorkflowExecutions", next_page_token=b"garbage", label="token")
    s.call("ListWorkflowExecutions", page_size=-1, query="WorkflowId = 'nothing'", label="page size")


@scenario
def listing_one_workflow(s: Session) -> None:
    attributes = {"OracleKeyword": s.unique("k"), "OracleInt": 5}
    s.start(search_attributes=attributes, memo={"m": 1})
    s.step(done())
    query = f"WorkflowId = '{s.wid()}'"
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        listed = s.ask("ListWorkflowExecutions", query=query + " AND ExecutionStatus = 'Completed'")
        if listed.executions:
            break
        time.sleep(0.1)
    s.call("ListWorkflowExecutions", query=query)
    s.call("CountWorkflowExecutions", query=query)
    s.call("CountWorkflowExecutions", query=query + " GROUP BY ExecutionStatus", label="grouped")
    s.call("ScanWorkflowExecutions", query=query)


@scenario
def listing_by_attribute(s: Session) -> None:
    s.start(search_attributes={"OracleKeyword": s.unique("k")})
    query = f"OracleKeyword = '{s.unique('k')}'"
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        listed = s.ask("ListWorkflowExecutions", query=query)
        if getattr(listed, "executions", None):
            break
        time.sleep(0.1)
    s.call("ListWorkflowExecutions", query=query)


@scenario
def client_deadlines(s: Session) -> None:
    s.start()
    s.step()
    for timeout in (0.5, 1.5):
        s.call(
            "GetWorkflowExecutionHistory",
            timeout,
            execution=s.wid(),
            wait_new_event=True,
            history_event_filter_type="HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT",
        )
