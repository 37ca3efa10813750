"""The RPCs about namespaces (platform-surface 2)."""

import asyncio
from typing import Any

import msgspec

from tenuto.engine import types
from tenuto.engine.types import Rejected
from tenuto.limits import LIMITS
from tenuto.service import tokens, validate
from tenuto.service.call import Call
from tenuto.service.core import Core, duration, nanoseconds
from tenuto.service.errors import Code, ServiceError, invalid
from tenuto.service.namespaces import (
    DELETED,
    DEPRECATED,
    SYSTEM_ID,
    BadBinary,
    KnownNamespace,
    NamespaceRecord,
)
from tenuto.store.spi import ChainKey, VisibilityFilter
from tenuto.wire import duration_pb2
from tenuto.wire import namespace as wire_namespace
from tenuto.wire import operatorservice as ops
from tenuto.wire import workflowservice as ws

CAPABILITIES = (
    "eager_workflow_start",
    "sync_update",
    "async_update",
    "worker_heartbeats",
    "reported_problems_search_attribute",
    "standalone_activities",
    "poller_autoscaling",
    "standalone_activity_start_delay",
    "standalone_activity_operator_commands",
)
"""What a namespace can do here; clients switch features on these."""
CLUSTER = "active"
PAGE = 100
ERASE_PAGE = 100
BAD_RETENTION = "A valid retention period is not set on request."


class NamespaceCalls:
    """Register, describe, change and delete namespaces."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._erasing: set[asyncio.Task[None]] = set()

    # ---- reading ------------------------------------------------------------------------------------------------

    async def describe_namespace(
        self, request: ws.DescribeNamespaceRequest, call: Call
    ) -> ws.DescribeNamespaceResponse:
        if request.namespace and request.id:
            invalid("GetNamespace operation failed.  Both ID and Name specified in request.")
        if not request.namespace and not request.id:
            invalid("Namespace not set on request.")
        all_known = self._core.namespaces
        known = all_known.named(request.namespace) if request.namespace else all_known.identified(request.id)
        response = ws.DescribeNamespaceResponse()
        _describe(known, response)
        return response

    async def list_namespaces(
        self, request: ws.ListNamespacesRequest, call: Call
    ) -> ws.ListNamespacesResponse:
        after = ""
        if request.next_page_token:
            try:
                after = tokens.decode_name(request.next_page_token)
            except tokens.Malformed:
                invalid("Invalid NextPageToken.")
        wanted = [
            known
            for known in self._core.namespaces.listed()
            if known.id > after
            and (known.record.state != DELETED or request.namespace_filter.include_deleted)
        ]
        size = request.page_size if request.page_size > 0 else PAGE
        response = ws.ListNamespacesResponse()
        for known in wanted[:size]:
            _describe(known, response.namespaces.add())
        if len(wanted) > size:
            response.next_page_token = tokens.encode(tokens.NameToken(wanted[size - 1].id))
        return response

    # ---- changing -----------------------------------------------------------------------------------------------

    async def register_namespace(
        self, request: ws.RegisterNamespaceRequest, call: Call
    ) -> ws.RegisterNamespaceResponse:
        if not request.namespace:
            invalid("Namespace not set on request.")
        validate.length(request.namespace, "Namespace")
        retention = _retention(request.workflow_execution_retention_period)
        if request.is_global_namespace:
            invalid("Cannot register global namespace when not enabled")
        _check_clusters(request.active_cluster_name, *(one.cluster_name for one in request.clusters))
        await self._core.namespaces.register(
            NamespaceRecord(
                "",
                request.namespace,
                description=request.description,
                owner_email=request.owner_email,
                data=dict(request.data),
                retention_ns=retention,
            )
        )
        return ws.RegisterNamespaceResponse()

    async def update_namespace(
        self, request: ws.UpdateNamespaceRequest, call: Call
    ) -> ws.UpdateNamespaceResponse:
        if not request.namespace:
            invalid("Namespace not set on request.")
        known = self._core.namespaces.named(request.namespace)
        changes = _info_changes(known.record, request) | self._config_changes(known.record, request)
        if request.promote_namespace:
            invalid(
                "global namespace is not enabled on this cluster, cannot update global namespace or promote local "
                f"namespace: {request.namespace}"
            )
        if changes:
            known = await self._core.namespaces.change(
                known, msgspec.structs.replace(known.record, **changes)
            )
        response = ws.UpdateNamespaceResponse()
        _describe(known, response)
        return response

    def _config_changes(self, record: NamespaceRecord, request: ws.UpdateNamespaceRequest) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        config = request.config
        if config.HasField("workflow_execution_retention_ttl"):
            changes["retention_ns"] = _retention(config.workflow_execution_retention_ttl)
        if config.custom_search_attribute_aliases:
            changes["aliases"] = _aliases(record.aliases, dict(config.custom_search_attribute_aliases))
        binaries = dict(record.bad_binaries)
        for checksum, binary in config.bad_binaries.binaries.items():
            binaries.setdefault(checksum, BadBinary(binary.reason, binary.operator, self._core.clock.now()))
        if request.delete_bad_binary:
            if request.delete_bad_binary not in binaries:
                invalid(f"Bad binary checksum {request.delete_bad_binary} doesn't exists.")
            del binaries[request.delete_bad_binary]
        if len(binaries) > 10:
            invalid(f"Total resetBinaries cannot exceed the max limit 10, your request has {len(binaries)}")
        if binaries != record.bad_binaries:
            changes["bad_binaries"] = binaries
        return changes

    async def deprecate_namespace(
        self, request: ws.DeprecateNamespaceRequest, call: Call
    ) -> ws.DeprecateNamespaceResponse:
        if not request.namespace:
            invalid("Namespace not set on request.")
        known = self._core.namespaces.named(request.namespace)
        await self._core.namespaces.change(known, msgspec.structs.replace(known.record, state=DEPRECATED))
        return ws.DeprecateNamespaceResponse()

    async def delete_namespace(
        self, request: ops.DeleteNamespaceRequest, call: Call
    ) -> ops.DeleteNamespaceResponse:
        """Frees the name at once; runs go in the background."""
        if request.namespace and request.namespace_id:
            invalid("Only one of namespace name or Id should be set on request.")
        if not request.namespace and not request.namespace_id:
            invalid("Namespace not set on request.")
        all_known = self._core.namespaces
        known = (
            all_known.named(request.namespace)
            if request.namespace
            else all_known.identified(request.namespace_id)
        )
        if known.id == SYSTEM_ID:
            raise ServiceError(Code.FAILED_PRECONDITION, "unable to delete system namespace")
        deleted = await all_known.delete(known)
        self._begin_erasing(deleted)
        return ops.DeleteNamespaceResponse(deleted_namespace=deleted.name)

    def resume(self) -> None:
        """Go on deleting the runs of namespaces that were deleted before this process began."""
        for known in self._core.namespaces.listed():
            if known.record.state == DELETED:
                self._begin_erasing(known)

    def _begin_erasing(self, deleted: KnownNamespace) -> None:
        task = asyncio.get_running_loop().create_task(self._erase(deleted))
        self._erasing.add(task)
        task.add_done_callback(self._erasing.discard)

    async def _erase(self, deleted: KnownNamespace) -> None:
        """Delete all runs of a deleted namespace. What a crash interrupts, the next process goes on with."""
        core = self._core
        while True:
            page = await core.shards.list_runs(VisibilityFilter(deleted.id), None, ERASE_PAGE)
            if not page:
                return
            for row in page:
                try:
                    await core.shards.submit(ChainKey(deleted.id, row.workflow_id), types.Delete(row.run_id))
                except Rejected:
                    await core.sleep(core.clock.now() + 1_000_000_000)


def _retention(value: duration_pb2.Duration) -> int:
    retention = nanoseconds(value)
    if retention < LIMITS.retention_minimum_ns:
        invalid(BAD_RETENTION)
    return min(retention, LIMITS.duration_ns)


def _check_clusters(*names: str) -> None:
    """There is one cluster."""
    for name in names:
        if name not in ("", CLUSTER):
            invalid(f"Invalid cluster name: {name}")


def _info_changes(record: NamespaceRecord, request: ws.UpdateNamespaceRequest) -> dict[str, Any]:
    info = request.update_info
    changes: dict[str, Any] = {}
    if info.description:
        changes["description"] = info.description
    if info.owner_email:
        changes["owner_email"] = info.owner_email
    if info.data:
        changes["data"] = {**record.data, **info.data}
    if info.state and info.state != record.state:
        if not record.state < info.state <= DELETED:
            invalid("Invalid namespace state update.")
        changes["state"] = int(info.state)
    return changes


def _aliases(old: dict[str, str], changes: dict[str, str]) -> dict[str, str]:
    """Upserted field -> name; an empty name frees the field."""
    merged = dict(old)
    for field, name in changes.items():
        if not name:
            merged.pop(field, None)
        elif field in merged and merged[field] != name:
            invalid("Custom search attribute field name already allocated.")
        elif name not in merged.values():
            merged[field] = name
    return merged


def _describe(known: KnownNamespace, response: Any) -> None:
    """Fill a Describe, List or Update answer."""
    record = known.record
    info: wire_namespace.NamespaceInfo = response.namespace_info
    info.name, info.id, info.state = record.name, record.id, record.state  # type: ignore[assignment]
    info.description, info.owner_email = record.description, record.owner_email
    info.data.update(record.data)
    for flag in CAPABILITIES:
        setattr(info.capabilities, flag, True)
    info.capabilities.workflow_pause = record.pause_enabled
    info.supports_schedules = True
    info.limits.blob_size_limit_error = LIMITS.blob_bytes
    info.limits.memo_size_limit_error = LIMITS.memo_bytes
    config: wire_namespace.NamespaceConfig = response.config
    config.workflow_execution_retention_ttl.CopyFrom(duration(record.retention_ns))
    config.history_archival_state = 1  # type: ignore[assignment]
    config.visibility_archival_state = 1  # type: ignore[assignment]
    config.bad_binaries.SetInParent()
    for checksum, binary in record.bad_binaries.items():
        entry = config.bad_binaries.binaries[checksum]
        entry.reason, entry.operator = binary.reason, binary.operator
    config.custom_search_attribute_aliases.update(record.aliases)
    replication = response.replication_config
    replication.active_cluster_name = CLUSTER
    replication.clusters.add(cluster_name=CLUSTER)
    if known.id != SYSTEM_ID and record.name != "default":
        replication.state = 1
