"""The registry of Nexus endpoints: one record in the store for the whole cluster, read again when a name is not known.

The record is a compare-and-set document, so that two nodes cannot give one name away. This room must never touch a run.
"""

import re
from collections.abc import Callable

import msgspec

from tenuto.service import validate
from tenuto.service.core import Core, timestamp
from tenuto.service.errors import Code, ServiceError, invalid, not_found, unimplemented
from tenuto.store.spi import Store, StoreError
from tenuto.wire import nexus

KIND, KEY = "nexus", "endpoints"
NAME_CHARACTERS = 200
DESCRIPTION_BYTES = 20_000
URL_CHARACTERS = 4096
_NAME = re.compile(r"^[a-zA-Z][a-zA-Z0-9\-]*[a-zA-Z0-9]$")
EXTERNAL = "endpoints with an external target are not supported, only those with a worker target"


class EndpointRecord(msgspec.Struct, frozen=True, array_like=True):
    """An endpoint as it is stored; its target is a task queue."""

    id: str
    version: int
    name: str
    namespace: str
    task_queue: str
    description: bytes = b""
    """Serialized Payload."""
    created_at: int = 0
    modified_at: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[EndpointRecord]).decode


class Endpoints:
    """All endpoints, as this node knows them; ``new_id`` makes UUIDs."""

    def __init__(self, store: Store, new_id: Callable[[], str]) -> None:
        self._store = store
        self._new_id = new_id
        self._version: int | None = None
        self._by_id: dict[str, EndpointRecord] = {}
        self._by_name: dict[str, EndpointRecord] = {}

    async def refresh(self) -> None:
        """Read what other nodes, and earlier processes, have written. Raises UNAVAILABLE."""
        try:
            stored = await self._store.get_record(KIND, KEY)
        except StoreError as error:
            raise _unreachable(error) from error
        self._version = stored.version if stored is not None else None
        self._learn(_decode(stored.value) if stored is not None else [])

    def _learn(self, records: list[EndpointRecord]) -> None:
        self._by_id = {record.id: record for record in records}
        self._by_name = {record.name: record for record in records}

    # ---- reading --------------------------------------------------------------------------------------------------------

    async def named(self, name: str) -> EndpointRecord | None:
        if name not in self._by_name:
            await self.refresh()
        return self._by_name.get(name)

    async def found(self, endpoint_id: str, name: str = "") -> EndpointRecord | None:
        """The endpoint of that id or, if it is gone, the one that has its name now."""
        if endpoint_id not in self._by_id:
            await self.refresh()
        return self._by_id.get(endpoint_id) or (self._by_name.get(name) if name else None)

    async def listed(self) -> list[EndpointRecord]:
        await self.refresh()
        return [self._by_id[key] for key in sorted(self._by_id)]

    # ---- writing --------------------------------------------------------------------------------------------------------

    async def create(self, spec: nexus.EndpointSpec, now: int) -> EndpointRecord:
        """Raises ALREADY_EXISTS, UNAVAILABLE."""
        await self.refresh()
        self._check_free(spec.name, "")
        record = _record(self._new_id(), 1, spec, now, 0)
        await self._put({**self._by_id, record.id: record})
        return record

    async def update(
        self, endpoint_id: str, version: int, spec: nexus.EndpointSpec, now: int
    ) -> EndpointRecord:
        """Raises NOT_FOUND, FAILED_PRECONDITION for another version, ALREADY_EXISTS, UNAVAILABLE."""
        await self.refresh()
        old = self._by_id.get(endpoint_id)
        if old is None:
            not_found(f"error updating Nexus endpoint. endpoint ID {endpoint_id} not found")
        if version != old.version:
            text = f"nexus endpoint version mismatch. received: {version} expected {old.version}"
            raise ServiceError(Code.FAILED_PRECONDITION, text)
        self._check_free(spec.name, endpoint_id)
        record = _record(endpoint_id, version + 1, spec, old.created_at, now)
        await self._put({**self._by_id, endpoint_id: record})
        return record

    async def delete(self, endpoint_id: str) -> None:
        """Raises NOT_FOUND, UNAVAILABLE."""
        await self.refresh()
        if endpoint_id not in self._by_id:
            not_found(f"error deleting nexus endpoint with ID: {endpoint_id}")
        await self._put({key: record for key, record in self._by_id.items() if key != endpoint_id})

    def _check_free(self, name: str, endpoint_id: str) -> None:
        other = self._by_name.get(name)
        if other is not None and other.id != endpoint_id:
            verb = "updating" if endpoint_id else "creating"
            text = f"error {verb} Nexus endpoint. Endpoint with name {name} already registered"
            raise ServiceError(Code.ALREADY_EXISTS, text)

    async def _put(self, records: dict[str, EndpointRecord]) -> None:
        everything = list(records.values())
        try:
            version = await self._store.put_record(KIND, KEY, _encode(everything), self._version)
        except StoreError as error:
            raise _unreachable(error) from error
        if version is None:
            raise ServiceError(Code.UNAVAILABLE, "Nexus endpoints are being changed, please retry.")
        self._version = version
        self._learn(everything)


def _unreachable(error: StoreError) -> ServiceError:
    return ServiceError(Code.UNAVAILABLE, f"Nexus endpoints cannot be reached now, please retry: {error}")


def _record(
    endpoint_id: str, version: int, spec: nexus.EndpointSpec, created_at: int, modified_at: int
) -> EndpointRecord:
    worker = spec.target.worker
    described = spec.description.SerializeToString() if spec.HasField("description") else b""
    return EndpointRecord(
        endpoint_id,
        version,
        spec.name,
        worker.namespace,
        worker.task_queue,
        described,
        created_at,
        modified_at,
    )


def to_wire(record: EndpointRecord) -> nexus.Endpoint:
    endpoint = nexus.Endpoint(
        id=record.id,
        version=record.version,
        created_time=timestamp(record.created_at),
        url_prefix=f"/nexus/endpoints/{record.id}/services",
    )
    if record.modified_at:
        endpoint.last_modified_time.CopyFrom(timestamp(record.modified_at))
    endpoint.spec.name = record.name
    if record.description:
        endpoint.spec.description.ParseFromString(record.description)
    endpoint.spec.target.worker.namespace = record.namespace
    endpoint.spec.target.worker.task_queue = record.task_queue
    return endpoint


# ---- what a specification may say --------------------------------------------------------------------------------------


def check(spec: nexus.EndpointSpec, core: Core) -> None:
    """Raises INVALID_ARGUMENT, FAILED_PRECONDITION for an unknown namespace, UNIMPLEMENTED for an external target."""
    problems = [*_name_problems(spec.name), *_target_problems(spec.target)]
    if spec.description.ByteSize() > DESCRIPTION_BYTES:
        problems.append(f"description size exceeds limit of {DESCRIPTION_BYTES}")
    if problems:
        invalid(", ".join(problems))
    if spec.target.WhichOneof("variant") == "external":
        unimplemented(EXTERNAL)
    name = spec.target.worker.namespace
    if not core.namespaces.knows(name):
        text = f"could not verify namespace referenced by target exists: Namespace {name} is not found."
        raise ServiceError(Code.FAILED_PRECONDITION, text)


def _name_problems(name: str) -> list[str]:
    if not name:
        return ["endpoint name not set"]
    if len(name) > NAME_CHARACTERS:
        return [f"endpoint name exceeds length limit of {NAME_CHARACTERS}"]
    if _NAME.fullmatch(name) is None:
        shown = _NAME.pattern.replace("\\", "\\\\")
        return [f'endpoint name must match the regex: "{shown}"']
    return []


def _target_problems(target: nexus.EndpointTarget) -> list[str]:
    problems = []
    if target.WhichOneof("variant") is None:
        problems.append("empty target variant")
    elif target.WhichOneof("variant") == "external":
        problems += _url_problems(target.external.url)
    else:
        if not target.worker.namespace:
            problems.append("target namespace not set")
        try:
            if not target.worker.task_queue:
                invalid("taskQueue is not set")
            validate.queue_name(target.worker.task_queue)
        except ServiceError as error:
            problems.append(f'invalid target task queue: "{error.message}"')
    return problems


def _url_problems(url: str) -> list[str]:
    if not url:
        return ["empty target URL"]
    if len(url) > URL_CHARACTERS:
        return [f"target URL length exceeds limit of {URL_CHARACTERS}"]
    scheme, separator, _ = url.partition("://")
    scheme = scheme if separator else ""
    if scheme not in ("http", "https"):
        return [f'invalid target URL scheme: "{scheme}", expected http or https']
    return []
