"""The services method by method: ``await client.workflow_service.start_workflow_execution(request)``.

Methods are made from their names when first asked for; `facades.pyi` lists them all for type checkers, and a test keeps it
true. Must never know what a method does.
"""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tenuto.transport import routes
from tenuto.transport.base import NO_HEADERS, Headers
from tenuto.wire import Message, service_module

if TYPE_CHECKING:
    from tenuto.transport.services import ServiceClient


def _camel(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class _Facade:
    """One service. Every method takes ``(req, retry=False, metadata={}, timeout=None)``."""

    _service = ""
    _prefix = ""

    def __init__(self, client: "ServiceClient") -> None:
        self.service_client = client

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        if name.startswith("_"):
            raise AttributeError(name)
        word = _camel(name)
        if not self._knows(word):
            raise AttributeError(f"{type(self).__name__} has no method {name!r}")
        method = self._prefix + word

        async def call(
            req: Message,
            retry: bool = False,
            metadata: Headers = NO_HEADERS,
            timeout: timedelta | None = None,
        ) -> Message:
            return await self.service_client.call(
                method, req, retry=retry, metadata=metadata, timeout=timeout
            )

        call.__name__ = name
        call.__qualname__ = f"{type(self).__name__}.{name}"
        setattr(self, name, call)
        return call

    def __dir__(self) -> list[str]:
        words = (
            name.removesuffix("Request")
            for name in dir(service_module(self._service))
            if name.endswith("Request")
        )
        return [_snake(word) for word in words if self._knows(word)]

    def _knows(self, method: str) -> bool:
        return hasattr(service_module(self._service), f"{method}Request")


class WorkflowService(_Facade):
    """What clients and workers ask."""

    _service = routes.WORKFLOW


class OperatorService(_Facade):
    """What operators ask."""

    _service = routes.OPERATOR


class TestService(_Facade):
    """Time of a test server."""

    __test__ = False
    _service = routes.TEST
    _prefix = f"{routes.TEST}/"

    def __dir__(self) -> list[str]:
        return sorted(
            {*super().__dir__(), "get_current_time", "sleep_until", "unlock_time_skipping_with_sleep"}
        )

    def _knows(self, method: str) -> bool:
        # Not every method has a request of its own.
        return method in ("GetCurrentTime", "SleepUntil", "UnlockTimeSkippingWithSleep") or super()._knows(
            method
        )


class CloudService(_Facade):
    """The API of a hosted service."""

    _service = routes.CLOUD
    _prefix = f"{routes.CLOUD}/"


class HealthService(_Facade):
    """Whether a service serves."""

    _service = routes.HEALTH
    _prefix = f"{routes.HEALTH}/"

    def __dir__(self) -> list[str]:
        return ["check"]

    def _knows(self, method: str) -> bool:
        return method == "Check"
