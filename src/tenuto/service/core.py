"""What every use case shares: the way to shards and matching, the namespaces, the clock, and one call's frame."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tenuto.limits import LIMITS, Limits
from tenuto.matching.host import Matching
from tenuto.matching.types import Clock
from tenuto.service.errors import Code, ServiceError
from tenuto.service.namespaces import Namespaces, NamespaceRecord
from tenuto.shard.api import Shards
from tenuto.store.spi import ChainKey
from tenuto.wire import errordetails

NO_DEADLINE = 2**62


@dataclass(slots=True)
class Call:
    """One call as its frontend received it."""

    deadline_at: int = NO_DEADLINE
    """The caller's deadline (ns since the epoch)."""
    headers: Callable[[], Mapping[str, str]] = field(default=lambda: {})

    @property
    def client_name(self) -> str:
        return self.headers().get("client-name", "")


@dataclass(slots=True)
class Core:
    shards: Shards
    matching: Matching
    clock: Clock
    namespaces: Namespaces
    limits: Limits = LIMITS
    new_id: Callable[[], str] = lambda: str(uuid.uuid4())
    store_name: str = "sqlite"

    def namespace(self, name: str, *, starting: bool = False) -> NamespaceRecord:
        """The namespace of a request, by name. Raises NOT_FOUND, or FAILED_PRECONDITION when its state forbids the call."""
        record = self.namespaces.by_name.get(name)
        if record is None:
            raise namespace_missing(name)
        if starting and record.state != 1:
            raise ServiceError(
                Code.FAILED_PRECONDITION,
                "Namespace has invalid state: Deprecated. Must be Registered.",
                errordetails.NamespaceInvalidStateFailure(
                    namespace=name,
                    state=record.state,  # type: ignore[arg-type]
                    allowed_states=[1],  # type: ignore[list-item]
                ),
            )
        return record

    def key(self, namespace: str, workflow_id: str) -> ChainKey:
        return ChainKey(self.namespace(namespace).id, workflow_id)

    async def submit(self, key: ChainKey, request: Any) -> Any:
        return await self.shards.submit(key, request)


def namespace_missing(name: str) -> ServiceError:
    if not name:
        return ServiceError(Code.INVALID_ARGUMENT, "Namespace not set on request.")
    return ServiceError(
        Code.NOT_FOUND, f"Namespace {name} is not found.", errordetails.NamespaceNotFoundFailure(namespace=name)
    )
