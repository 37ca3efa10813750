"""From a method's name to where it lives: the path on the wire, and how its answer is read.

Must never load the messages of a service before one of its methods is called.
"""

from collections.abc import Callable
from typing import Final

from tenuto.wire import Message, operatorservice, service_module, workflowservice

WORKFLOW: Final = "temporal.api.workflowservice.v1.WorkflowService"
OPERATOR: Final = "temporal.api.operatorservice.v1.OperatorService"
TEST: Final = "temporal.api.testservice.v1.TestService"
CLOUD: Final = "temporal.api.cloud.cloudservice.v1.CloudService"
HEALTH: Final = "grpc.health.v1.Health"
_ANSWERS = {
    f"{HEALTH}/Check": "HealthCheckResponse",
    f"{TEST}/SleepUntil": "SleepResponse",
    f"{TEST}/UnlockTimeSkippingWithSleep": "SleepResponse",
}
"""Answers that are not called after their method."""


class Route:
    """Where one method lives."""

    __slots__ = ("bare", "method", "parse", "path")

    def __init__(self, service: str, method: str) -> None:
        module = service_module(service)
        answer = _ANSWERS.get(f"{service}/{method}", f"{method}Response")
        self.method = method
        self.path = f"/{service}/{method}"
        self.parse: Callable[[bytes], Message] = getattr(module, answer).FromString
        self.bare = service in (WORKFLOW, OPERATOR)
        """Whether the service of this house answers it by its bare name."""


_routes: dict[str, Route] = {}


def route(method: str) -> Route:
    """The route of ``"StartWorkflowExecution"`` or ``"package.Service/Method"``. Raises LookupError when there is none."""
    found = _routes.get(method)
    if found is None:
        found = _routes[method] = _find(method)
    return found


def _find(method: str) -> Route:
    service, slash, name = method.rpartition("/")
    try:
        if slash:
            return Route(service, name)
        for service, module in ((WORKFLOW, workflowservice), (OPERATOR, operatorservice)):
            if hasattr(module, f"{name}Response"):
                return Route(service, name)
        return Route(TEST, name)
    except (KeyError, AttributeError):
        raise LookupError(f"no service is known to have a method {method!r}") from None
