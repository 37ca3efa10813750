"""The service: every RPC by its name. What all calls share happens here, once: the namespace, its state, the task token.

Frontends and the in-process transport call `Service.call`; there is no other door.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from tenuto.engine.types import Rejected
from tenuto.service import system, tokens
from tenuto.service.activities import Activities
from tenuto.service.attribute_calls import AttributeCalls
from tenuto.service.call import Call
from tenuto.service.core import Core
from tenuto.service.errors import Code, ServiceError, from_rejected, invalid, namespace_state
from tenuto.service.histories import Histories
from tenuto.service.namespace_calls import NamespaceCalls
from tenuto.service.namespaces import DELETED, DEPRECATED, REGISTERED
from tenuto.service.nexus import Nexus
from tenuto.service.operations import Operations
from tenuto.service.queries import Queries
from tenuto.service.schedule_lists import ScheduleLists
from tenuto.service.schedules import Schedules
from tenuto.service.standalone import Standalone
from tenuto.service.standalone_lists import StandaloneLists
from tenuto.service.taskqueues import TaskQueues
from tenuto.service.tasks import Tasks
from tenuto.service.updates import Updates
from tenuto.service.visibility import Visibility
from tenuto.service.workers import Workers
from tenuto.service.workflows import Workflows
from tenuto.wire import Message

Rule = Callable[[Any, Call], Awaitable[Message | bytes]]

FREE = frozenset(
    {
        "GetSystemInfo",
        "GetClusterInfo",
        "DescribeNamespace",
        "ListNamespaces",
        "RegisterNamespace",
        "UpdateNamespace",
        "DeprecateNamespace",
        "DeleteNamespace",
        "GetSearchAttributes",
        "ListClusters",
        "ListNexusEndpoints",
        "GetNexusEndpoint",
        "CreateNexusEndpoint",
        "UpdateNexusEndpoint",
        "DeleteNexusEndpoint",
        "AddOrUpdateRemoteCluster",
        "RemoveRemoteCluster",
    }
)
"""Methods that are not about one existing namespace."""
OPERATOR = frozenset({"AddSearchAttributes", "RemoveSearchAttributes", "ListSearchAttributes"})
"""Methods that complain about a missing namespace in other words."""
STARTING = frozenset({"StartWorkflowExecution", "SignalWithStartWorkflowExecution", "ExecuteMultiOperation"})
"""Methods that a deprecated namespace refuses."""
BAD_TOKEN = "Error deserializing task token."
_WORD = re.compile(r"(?<!^)(?=[A-Z])")


def snake(method: str) -> str:
    return _WORD.sub("_", method).lower()


class Service:
    """All use cases over one `Core`."""

    def __init__(self, core: Core) -> None:
        self.core = core
        histories = Histories(core)
        queries = Queries(core, histories)
        activities = Activities(core)
        workers = Workers(core)
        self.nexus = Nexus(core, workers)
        tasks = Tasks(core, histories, queries, activities, self.nexus)
        self._namespaces = NamespaceCalls(core)
        self._families: tuple[object, ...] = (
            Workflows(core, tasks),
            Updates(core),
            histories,
            queries,
            tasks,
            activities,
            Operations(core),
            TaskQueues(core),
            workers,
            self.nexus,
            self._namespaces,
            AttributeCalls(core),
            Visibility(core),
            Schedules(core),
            ScheduleLists(core),
            Standalone(core),
            StandaloneLists(core),
            system.System(core),
        )
        self._rules: dict[str, Rule | None] = {}

    def resume(self) -> None:
        """Go on with what an earlier process began in the background: deleting the runs of deleted namespaces."""
        self._namespaces.resume()

    async def call(self, method: str, request: Message, call: Call) -> Message | bytes:
        """Answer one request: a response message, or its serialized bytes. Raises `ServiceError`."""
        rule = self._rules[method] if method in self._rules else self._find(method)
        try:
            if method not in FREE:
                self._admit(method, request, call)
            if rule is None:
                system.refuse(method, request)
            return await rule(request, call)
        except Rejected as rejected:
            raise from_rejected(rejected) from rejected

    def _find(self, method: str) -> Rule | None:
        name = snake(method)
        rule = next((getattr(family, name) for family in self._families if hasattr(family, name)), None)
        self._rules[method] = rule
        return rule

    def offers(self, method: str) -> bool:
        """Whether the method is answered by a rule rather than by a deliberate refusal."""
        return self._find(method) is not None

    def _admit(self, method: str, request: Any, call: Call) -> None:
        """Find the call's namespace, by its token or by name, and see that its state permits the call."""
        fields = request.DESCRIPTOR.fields_by_name
        name: str = request.namespace if "namespace" in fields else ""
        if "task_token" in fields:
            named = self.core.namespaces.named(name) if name else None
            if not request.task_token:
                invalid("Task token not set on request.")
            self._take_token(request.task_token, call)
            if named is not None and named.id != call.namespace.id:
                invalid("Operation requested with a token from a different namespace.")
        else:
            if not name:
                invalid("Namespace is not set on request." if method in OPERATOR else "Namespace is empty.")
            if len(name) > self.core.limits.id_bytes:
                invalid("Namespace length exceeds limit.")
            call.namespace = self.core.namespaces.named(name)
        state = call.namespace.record.state
        if state == DELETED:
            raise namespace_state(call.namespace.name, state, (REGISTERED, DEPRECATED))
        if state != REGISTERED and method in STARTING:
            raise namespace_state(call.namespace.name, state, (REGISTERED,))

    def _take_token(self, raw: bytes, call: Call) -> None:
        try:
            call.token = tokens.decode_task(raw)
        except tokens.Malformed as error:
            raise ServiceError(Code.INVALID_ARGUMENT, BAD_TOKEN) from error
        call.namespace = self.core.namespaces.identified(call.token.namespace_id)
