"""The registry of namespaces: records in the store, all of them in memory, changes visible at once.

Each record is a compare-and-set document, so that two nodes cannot register one name. This room must never touch a run.
"""

from collections.abc import Callable, Iterable

import msgspec

from tenuto.engine.types import Namespace
from tenuto.limits import DAY, LIMITS
from tenuto.service.attributes import custom_types
from tenuto.service.errors import Code, ServiceError, namespace_not_found
from tenuto.store.spi import Store
from tenuto.wire import errordetails

KIND = "namespace"
REGISTERED, DEPRECATED, DELETED = 1, 2, 3
SYSTEM_NAME = "temporal-system"
SYSTEM_ID = "32049b68-7872-4094-8e63-d0dd59896a83"
SYSTEM_RETENTION_NS = 7 * DAY


class BadBinary(msgspec.Struct, frozen=True, array_like=True):
    reason: str
    operator: str
    created_at: int


class NamespaceRecord(msgspec.Struct, frozen=True, array_like=True):
    """A namespace as it is stored."""

    id: str
    name: str
    state: int = REGISTERED
    description: str = ""
    owner_email: str = ""
    data: dict[str, str] = {}
    retention_ns: int = LIMITS.retention_ns
    bad_binaries: dict[str, BadBinary] = {}
    aliases: dict[str, str] = {}
    """Search attributes: field (``Keyword01``) -> the name users gave it."""
    pause_enabled: bool = False


class KnownNamespace:
    """A namespace as it is used: its record, and what follows from it."""

    __slots__ = ("attributes", "facts", "id", "name", "record", "version")

    def __init__(self, record: NamespaceRecord, version: int) -> None:
        self.record = record
        self.version = version
        self.id = record.id
        self.name = record.name
        self.facts = Namespace(record.id, record.name, record.retention_ns, record.pause_enabled)
        self.attributes = custom_types(record.aliases)
        """Custom search attributes: name -> IndexedValueType."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(NamespaceRecord).decode


class Namespaces:
    """All namespaces. ``new_id`` makes UUIDs."""

    def __init__(self, store: Store, new_id: Callable[[], str]) -> None:
        self._store = store
        self._new_id = new_id
        self._by_id: dict[str, KnownNamespace] = {}
        self._by_name: dict[str, KnownNamespace] = {}

    async def load(self, create: Iterable[str] = ("default",)) -> None:
        """Read every record, and register the system's namespace and those of ``create`` that are missing."""
        self._by_id.clear()
        self._by_name.clear()
        for stored in await self._store.list_records(KIND):
            known = KnownNamespace(_decode(stored.value), stored.version)
            other = self._by_id.get(known.id)
            # A deletion that was interrupted between its two writes leaves both names; the deleted one stands.
            if other is not None and other.record.state == DELETED:
                await self._store.put_record(KIND, known.name, None, known.version)
                continue
            if other is not None:
                await self._store.put_record(KIND, other.name, None, other.version)
                del self._by_name[other.name]
            self._remember(known)
        if SYSTEM_NAME not in self._by_name:
            await self._ensure(
                NamespaceRecord(
                    SYSTEM_ID,
                    SYSTEM_NAME,
                    description="Temporal internal system namespace",
                    owner_email="temporal-core@temporal.io",
                    retention_ns=SYSTEM_RETENTION_NS,
                )
            )
        for name in create:
            if name not in self._by_name:
                await self._ensure(NamespaceRecord(self._new_id(), name))

    async def _ensure(self, record: NamespaceRecord) -> None:
        """Register, or adopt what another node (or an earlier try that seemed to fail) has registered meanwhile."""
        try:
            await self._create(record)
        except ServiceError as refused:
            stored = await self._store.get_record(KIND, record.name)
            if refused.code is not Code.ALREADY_EXISTS or stored is None:
                raise
            self._remember(KnownNamespace(_decode(stored.value), stored.version))

    def _remember(self, known: KnownNamespace) -> None:
        self._by_id[known.id] = known
        self._by_name[known.name] = known

    # -- reading

    @property
    def store(self) -> Store:
        """Where the records are, for other registries that are kept in the same way."""
        return self._store

    def facts(self, namespace_id: str) -> Namespace | None:
        """What the engine may know of a namespace; None when there is none with this id."""
        known = self._by_id.get(namespace_id)
        return None if known is None else known.facts

    def named(self, name: str) -> KnownNamespace:
        """Raises NOT_FOUND. Deleted namespaces are not found under their old names."""
        known = self._by_name.get(name)
        if known is None:
            raise namespace_not_found(name)
        return known

    def knows(self, name: str) -> bool:
        """Whether there is a namespace of this name."""
        return name in self._by_name

    def identified(self, namespace_id: str) -> KnownNamespace:
        """Raises NOT_FOUND."""
        known = self._by_id.get(namespace_id)
        if known is None:
            raise namespace_not_found(namespace_id)
        return known

    def listed(self) -> list[KnownNamespace]:
        """All, deleted ones included, by id."""
        return [self._by_id[key] for key in sorted(self._by_id)]

    # -- writing

    async def register(self, record: NamespaceRecord) -> KnownNamespace:
        """Register under a new id. Raises ALREADY_EXISTS."""
        return await self._create(msgspec.structs.replace(record, id=self._new_id()))

    async def _create(self, record: NamespaceRecord) -> KnownNamespace:
        version = None
        if record.name not in self._by_name:
            version = await self._store.put_record(KIND, record.name, _encode(record), None)
        if version is None:
            detail = errordetails.NamespaceAlreadyExistsFailure()
            raise ServiceError(Code.ALREADY_EXISTS, f'Namespace "{record.name}" already exists', (detail,))
        known = KnownNamespace(record, version)
        self._remember(known)
        return known

    async def change(self, known: KnownNamespace, record: NamespaceRecord) -> KnownNamespace:
        """Replace a record that keeps its name. Raises UNAVAILABLE when somebody else has changed it meanwhile."""
        version = await self._store.put_record(KIND, record.name, _encode(record), known.version)
        if version is None:
            raise ServiceError(Code.UNAVAILABLE, f"Namespace {record.name} is being changed, please retry.")
        changed = KnownNamespace(record, version)
        self._remember(changed)
        return changed

    async def delete(self, known: KnownNamespace) -> KnownNamespace:
        """Mark as deleted and free the name; runs and the record itself go later (`erase`)."""
        record = known.record
        name = f"{record.name}-deleted-{record.id[:5]}"
        gone = msgspec.structs.replace(record, name=name, state=DELETED)
        version = await self._store.put_record(KIND, name, _encode(gone), None)
        if version is None:
            raise ServiceError(Code.UNAVAILABLE, f"Namespace {record.name} is being deleted, please retry.")
        await self._store.put_record(KIND, record.name, None, known.version)
        self._by_name.pop(record.name, None)
        deleted = KnownNamespace(gone, version)
        self._remember(deleted)
        return deleted

    async def erase(self, known: KnownNamespace) -> None:
        """Drop the record of a deleted namespace whose runs are gone."""
        await self._store.put_record(KIND, known.name, None, known.version)
        self._by_name.pop(known.name, None)
        self._by_id.pop(known.id, None)


NO_NAMESPACE = KnownNamespace(NamespaceRecord("", ""), 0)
