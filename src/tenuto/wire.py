"""The only door to protocol messages.

Every other room says ``from tenuto.wire import common, history`` and never names ``temporalio.api``. The messages come
from the official package, because two copies of one ``.proto`` cannot live in protobuf's default pool.

This room must never define a message, and must never import grpc.

The official package's front door loads its compiled core, which a server never needs (30 MB and 60 ms). While these
modules load, a placeholder stands in for that front door; it becomes the real one on the first attribute anybody asks of it.
"""

import importlib
import importlib.machinery
import importlib.util
import sys
from types import ModuleType
from typing import Any


class _DeferredPackage(ModuleType):
    """A package whose ``__init__`` runs when somebody first needs a name from it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__all__":
            raise AttributeError(name)
        spec = self.__spec__
        self.__class__ = ModuleType  # type: ignore[assignment]
        assert spec is not None and spec.loader is not None
        spec.loader.exec_module(self)
        return getattr(self, name)


def _defer(package: str) -> None:
    if package in sys.modules:
        return
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise ImportError(f"{package!r} is not installed: Tenuto takes its protocol messages from it")
    module = _DeferredPackage(package)
    module.__spec__ = spec
    module.__path__ = list(spec.submodule_search_locations or [])
    module.__file__ = spec.origin
    module.__loader__ = spec.loader
    sys.modules[package] = module
    parent, _, child = package.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)


_defer("temporalio")
# Their front doors load grpc, for stubs that nobody here uses (40 ms).
_defer("temporalio.api.operatorservice.v1")
_defer("temporalio.api.workflowservice.v1")

import temporalio.api.operatorservice.v1.request_response_pb2 as operatorservice  # noqa: E402
import temporalio.api.workflowservice.v1.request_response_pb2 as workflowservice  # noqa: E402
from google.protobuf import any_pb2 as any_pb2  # noqa: E402
from google.protobuf import duration_pb2 as duration_pb2  # noqa: E402
from google.protobuf import field_mask_pb2 as field_mask_pb2  # noqa: E402
from google.protobuf import timestamp_pb2 as timestamp_pb2  # noqa: E402
from google.protobuf import wrappers_pb2 as wrappers_pb2  # noqa: E402
from google.protobuf.message import DecodeError as DecodeError  # noqa: E402
from google.protobuf.message import Message as Message  # noqa: E402
from temporalio.api.activity.v1 import message_pb2 as activity  # noqa: E402
from temporalio.api.command.v1 import message_pb2 as command  # noqa: E402
from temporalio.api.common.v1 import grpc_status_pb2 as grpc_status  # noqa: E402
from temporalio.api.common.v1 import message_pb2 as common  # noqa: E402
from temporalio.api.deployment.v1 import message_pb2 as deployment  # noqa: E402
from temporalio.api.enums.v1 import activity_pb2 as enums_activity  # noqa: E402
from temporalio.api.enums.v1 import batch_operation_pb2 as enums_batch  # noqa: E402
from temporalio.api.enums.v1 import command_type_pb2 as enums_command  # noqa: E402
from temporalio.api.enums.v1 import common_pb2 as enums_common  # noqa: E402
from temporalio.api.enums.v1 import event_type_pb2 as enums_event  # noqa: E402
from temporalio.api.enums.v1 import failed_cause_pb2 as enums_failed  # noqa: E402
from temporalio.api.enums.v1 import namespace_pb2 as enums_namespace  # noqa: E402
from temporalio.api.enums.v1 import nexus_pb2 as enums_nexus  # noqa: E402
from temporalio.api.enums.v1 import query_pb2 as enums_query  # noqa: E402
from temporalio.api.enums.v1 import reset_pb2 as enums_reset  # noqa: E402
from temporalio.api.enums.v1 import task_queue_pb2 as enums_queue  # noqa: E402
from temporalio.api.enums.v1 import update_pb2 as enums_update  # noqa: E402
from temporalio.api.enums.v1 import workflow_pb2 as enums_workflow  # noqa: E402
from temporalio.api.errordetails.v1 import message_pb2 as errordetails  # noqa: E402
from temporalio.api.failure.v1 import message_pb2 as failure  # noqa: E402
from temporalio.api.filter.v1 import message_pb2 as filter  # noqa: E402, A004
from temporalio.api.history.v1 import message_pb2 as history  # noqa: E402
from temporalio.api.namespace.v1 import message_pb2 as namespace  # noqa: E402
from temporalio.api.nexus.v1 import message_pb2 as nexus  # noqa: E402
from temporalio.api.protocol.v1 import message_pb2 as protocol  # noqa: E402
from temporalio.api.query.v1 import message_pb2 as query  # noqa: E402
from temporalio.api.replication.v1 import message_pb2 as replication  # noqa: E402
from temporalio.api.schedule.v1 import message_pb2 as schedule  # noqa: E402
from temporalio.api.sdk.v1 import enhanced_stack_trace_pb2 as sdk_stacks  # noqa: E402
from temporalio.api.sdk.v1 import external_storage_pb2 as sdk_storage  # noqa: E402
from temporalio.api.sdk.v1 import user_metadata_pb2 as sdk_metadata  # noqa: E402
from temporalio.api.sdk.v1 import workflow_metadata_pb2 as sdk_workflow_metadata  # noqa: E402
from temporalio.api.taskqueue.v1 import message_pb2 as taskqueue  # noqa: E402
from temporalio.api.update.v1 import message_pb2 as update  # noqa: E402
from temporalio.api.version.v1 import message_pb2 as version  # noqa: E402
from temporalio.api.worker.v1 import message_pb2 as worker  # noqa: E402
from temporalio.api.workflow.v1 import message_pb2 as workflow  # noqa: E402


def _quicken(*modules: ModuleType) -> None:
    """Let ``enums_x.Kind.NAME`` be an attribute as any other: protobuf's wrappers look every name up in the descriptor."""
    for module in modules:
        for wrapper in vars(module).values():
            if hasattr(wrapper, "DESCRIPTOR") and hasattr(wrapper, "items"):
                vars(wrapper).update(wrapper.items())


_quicken(
    enums_activity,
    enums_command,
    enums_common,
    enums_event,
    enums_failed,
    enums_query,
    enums_reset,
    enums_update,
    enums_workflow,
)


KEEP_HEADER = "tenuto-keep-task"
"""Header of a completion that only records steps: "1" from a worker that can go on with the same task. Services that know
it then answer with a task that has no history; others do as always, and hand out the next task."""


def load_services() -> None:
    """Registers the services themselves, not only their messages, with protobuf's pool: reflection alone asks for them."""
    from temporalio.api.operatorservice.v1 import service_pb2 as operator_pb2  # noqa: F401
    from temporalio.api.workflowservice.v1 import service_pb2 as workflow_pb2  # noqa: F401


def service_module(name: str) -> ModuleType:
    """The module with the requests and answers of a service, as in ``temporal.api.testservice.v1.TestService``.

    The rarer services are loaded when asked for. Raises KeyError for a service that is not known.
    """
    return importlib.import_module(_SERVICE_MODULES[name])


_API = "temporalio.api"
_SERVICE_MODULES = {
    "temporal.api.workflowservice.v1.WorkflowService": f"{_API}.workflowservice.v1.request_response_pb2",
    "temporal.api.operatorservice.v1.OperatorService": f"{_API}.operatorservice.v1.request_response_pb2",
    "temporal.api.testservice.v1.TestService": f"{_API}.testservice.v1.request_response_pb2",
    "temporal.api.cloud.cloudservice.v1.CloudService": f"{_API}.cloud.cloudservice.v1.request_response_pb2",
    "grpc.health.v1.Health": "grpc_health.v1.health_pb2",
}


class _Shared:
    """Answers for ``<alias>.X`` with the very module ``temporalio.api.X``."""

    def __init__(self, real: str) -> None:
        self._real = real
        self._own: tuple[Any, Any] | None = None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._real)
        self._own = module.__spec__, module.__loader__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # It is loaded already, under its own name, and shall go on to know itself by that.
        assert self._own is not None
        module.__spec__, module.__loader__ = self._own


class _Sharing:
    def __init__(self, alias: str) -> None:
        self._prefix = f"{alias}."

    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not fullname.startswith(self._prefix):
            return None
        real = f"{_API}.{fullname.removeprefix(self._prefix)}"
        found = importlib.util.find_spec(real)
        if found is None:
            return None
        is_package = found.submodule_search_locations is not None
        return importlib.machinery.ModuleSpec(fullname, _Shared(real), is_package=is_package)  # type: ignore[arg-type]


def share_messages(alias: str) -> None:
    """From now on ``import <alias>.common.v1`` gives the module with the official messages, itself and no copy."""
    if not any(isinstance(finder, _Sharing) and finder._prefix == f"{alias}." for finder in sys.meta_path):
        sys.meta_path.insert(0, _Sharing(alias))


__all__ = [
    "KEEP_HEADER",
    "DecodeError",
    "Message",
    "activity",
    "any_pb2",
    "command",
    "common",
    "deployment",
    "duration_pb2",
    "enums_activity",
    "enums_batch",
    "enums_command",
    "enums_common",
    "enums_event",
    "enums_failed",
    "enums_namespace",
    "enums_nexus",
    "enums_query",
    "enums_queue",
    "enums_reset",
    "enums_update",
    "enums_workflow",
    "errordetails",
    "failure",
    "field_mask_pb2",
    "filter",
    "grpc_status",
    "history",
    "load_services",
    "namespace",
    "nexus",
    "operatorservice",
    "protocol",
    "query",
    "replication",
    "schedule",
    "sdk_metadata",
    "sdk_stacks",
    "sdk_storage",
    "sdk_workflow_metadata",
    "service_module",
    "share_messages",
    "taskqueue",
    "timestamp_pb2",
    "update",
    "version",
    "worker",
    "workflow",
    "workflowservice",
    "wrappers_pb2",
]
