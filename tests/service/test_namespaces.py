"""Namespaces: registered, described, changed, deleted; and the names of search attributes in them."""

from typing import Any

import pytest

from tenuto.clock import ManualClock
from tenuto.service.errors import Code
from tests.service.house import House, S, on_virtual_time, said

HOUR = {"seconds": 3600}


async def register(house: House, name: str = "n1", **fields: Any) -> None:
    await house.call("RegisterNamespace", namespace=name, workflow_execution_retention_period=HOUR, **fields)


def test_a_namespace_is_there_at_once() -> None:
    async def scene(house: House) -> None:
        await register(house, description="d", owner_email="o", data={"a": "b"})
        await house.start(namespace="n1")
        told = await house.call("DescribeNamespace", namespace="n1")
        info = told.namespace_info
        assert (info.description, info.owner_email, dict(info.data)) == ("d", "o", {"a": "b"})
        assert told.config.workflow_execution_retention_ttl.seconds == 3600
        assert info.capabilities.eager_workflow_start and info.limits.blob_size_limit_error == 2**21
        same = await house.call("DescribeNamespace", namespace="", id=info.id)
        assert same == told

    on_virtual_time(scene)


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [
        ({"namespace": ""}, Code.INVALID_ARGUMENT, "Namespace not set on request."),
        (
            {"workflow_execution_retention_period": {"seconds": 60}},
            Code.INVALID_ARGUMENT,
            "A valid retention period is not set on request.",
        ),
        (
            {"is_global_namespace": True},
            Code.INVALID_ARGUMENT,
            "Cannot register global namespace when not enabled",
        ),
        ({"active_cluster_name": "other"}, Code.INVALID_ARGUMENT, "Invalid cluster name: other"),
        ({"namespace": "default"}, Code.ALREADY_EXISTS, 'Namespace "default" already exists'),
    ],
)
def test_registration_can_be_refused(fields: dict[str, Any], code: Code, text: str) -> None:
    async def scene(house: House) -> None:
        wanted = {"namespace": "n1", "workflow_execution_retention_period": HOUR, **fields}
        assert said(await house.refusal("RegisterNamespace", **wanted)) == (code, text)

    on_virtual_time(scene)


def test_an_unknown_namespace_is_not_found_with_its_name_in_the_detail() -> None:
    async def scene(house: House) -> None:
        for method in ("DescribeNamespace", "StartWorkflowExecution", "PollWorkflowTaskQueue"):
            error = await house.refusal(method, namespace="nope")
            assert said(error) == (Code.NOT_FOUND, "Namespace nope is not found.")
            assert error.details[0].namespace == "nope"  # type: ignore[attr-defined]

    on_virtual_time(scene)


def test_a_deprecated_namespace_starts_nothing_and_serves_the_rest() -> None:
    async def scene(house: House) -> None:
        await register(house)
        await house.start(namespace="n1")
        await house.call("DeprecateNamespace", namespace="n1")
        error = await house.refusal("StartWorkflowExecution", namespace="n1", workflow_id="x")
        text = "Namespace has invalid state: Deprecated. Must be Registered."
        assert said(error) == (Code.FAILED_PRECONDITION, text)
        await house.call(
            "SignalWorkflowExecution",
            namespace="n1",
            workflow_execution={"workflow_id": "w"},
            signal_name="s",
        )
        back = await house.refusal("UpdateNamespace", namespace="n1", update_info={"state": 1})
        assert said(back) == (Code.INVALID_ARGUMENT, "Invalid namespace state update.")

    on_virtual_time(scene)


def test_changes_merge_and_last() -> None:
    async def scene(house: House) -> None:
        await register(house, data={"a": "b"})
        await house.call(
            "UpdateNamespace",
            namespace="n1",
            update_info={"description": "dd", "data": {"c": "d"}},
            config={"workflow_execution_retention_ttl": {"seconds": 7200}},
        )
        again = House(house.store, house.clock)
        await again.namespaces.load()
        told = await again.call("DescribeNamespace", namespace="n1")
        assert dict(told.namespace_info.data) == {"a": "b", "c": "d"}
        assert told.namespace_info.description == "dd"
        assert told.config.workflow_execution_retention_ttl.seconds == 7200

    on_virtual_time(scene)


def test_a_deleted_namespace_frees_its_name_and_loses_its_runs() -> None:
    async def scene(house: House) -> None:
        await register(house)
        await house.start(namespace="n1")
        gone = await house.call("DeleteNamespace", namespace="n1")
        assert gone.deleted_namespace.startswith("n1-deleted-")
        await register(house)
        fresh = await house.refusal(
            "DescribeWorkflowExecution", namespace="n1", execution={"workflow_id": "w"}
        )
        assert fresh.code is Code.NOT_FOUND
        for _ in range(20):
            await house.clock.flow(S)
        old = house.namespaces.named(gone.deleted_namespace)
        assert await count(house, old.id) == 0
        kept = await house.refusal("DeleteNamespace", namespace="temporal-system")
        assert said(kept) == (Code.FAILED_PRECONDITION, "unable to delete system namespace")

    on_virtual_time(scene)


async def count(house: House, namespace_id: str) -> int:
    from tenuto.store.spi import VisibilityFilter

    return await house.shard.count_runs(VisibilityFilter(namespace_id))


def test_a_deletion_goes_on_after_a_restart() -> None:
    async def scene(house: House) -> None:
        await register(house)
        await house.start(namespace="n1")
        known = house.namespaces.named("n1")
        await house.namespaces.delete(known)
        assert await count(house, known.id) == 1
        await house.close()
        again = House(house.store, ManualClock(house.clock.now()))
        await again.open()
        for _ in range(20):
            await again.clock.flow(S)
        assert await count(again, known.id) == 0
        await again.close()

    on_virtual_time(scene)


def test_lists_leave_out_the_deleted_unless_asked() -> None:
    async def scene(house: House) -> None:
        await register(house)
        gone = await house.call("DeleteNamespace", namespace="n1")
        plain = await house.call("ListNamespaces")
        assert {one.namespace_info.name for one in plain.namespaces} == {"default", "temporal-system"}
        full = await house.call("ListNamespaces", namespace_filter={"include_deleted": True})
        assert gone.deleted_namespace in {one.namespace_info.name for one in full.namespaces}
        first = await house.call("ListNamespaces", page_size=1)
        second = await house.call("ListNamespaces", page_size=1, next_page_token=first.next_page_token)
        assert len(first.namespaces) == len(second.namespaces) == 1 and not second.next_page_token

    on_virtual_time(scene)


def test_search_attributes_are_named_within_bounds() -> None:
    async def scene(house: House) -> None:
        add = "AddSearchAttributes"
        await house.call(add, search_attributes={"A": 1, "B": 1, "C": 1})
        await house.call(add, search_attributes={"A": 1})
        full = await house.refusal(add, search_attributes={"D": 1})
        text = "Unable to create search attributes: cannot have more than 3 search attribute of type Text."
        assert said(full) == (Code.INVALID_ARGUMENT, text)
        taken = await house.refusal(add, search_attributes={"StartTime": 2})
        assert said(taken) == (Code.INVALID_ARGUMENT, "Search attribute StartTime is reserved by system.")
        listed = await house.call("ListSearchAttributes")
        assert dict(listed.custom_attributes) == {"A": 1, "B": 1, "C": 1}
        assert listed.system_attributes["WorkflowId"] == 2
        await house.call("RemoveSearchAttributes", search_attributes=["B", "Unknown"])
        await house.call(add, search_attributes={"D": 1})
        system = await house.refusal("RemoveSearchAttributes", search_attributes=["WorkflowId"])
        assert system.message == "Unable to remove non-custom search attributes: WorkflowId."

    on_virtual_time(scene)
