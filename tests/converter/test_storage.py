"""Large payloads go elsewhere and come back."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import temporalio.api.common.v1
import temporalio.converter

from tenuto.converter import (
    ActivitySerializationContext,
    DataConverter,
    ExternalStorage,
    FileStorageDriver,
    StorageDriver,
    StorageDriverActivityInfo,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
    StorageDriverWorkflowInfo,
    StorageOperationMetrics,
    WorkflowSerializationContext,
    decode_message,
    encode_message,
)
from tenuto.wire import common, history


class Shelf(StorageDriver):
    def __init__(self, name: str = "shelf") -> None:
        self.kept: list[common.Payload] = []
        self.targets: list[Any] = []
        self.batches: list[int] = []
        self._name = name

    def name(self) -> str:
        return self._name

    async def store(
        self, context: StorageDriverStoreContext, payloads: Sequence[common.Payload]
    ) -> list[StorageDriverClaim]:
        self.targets.append(context.target)
        self.batches.append(len(payloads))
        self.kept.extend(payloads)
        first = len(self.kept) - len(payloads)
        return [StorageDriverClaim({"at": str(first + index)}) for index in range(len(payloads))]

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[common.Payload]:
        self.batches.append(len(claims))
        return [self.kept[int(claim.claim_data["at"])] for claim in claims]


def with_storage(*drivers: StorageDriver, threshold: int = 50, **options: Any) -> DataConverter:
    storage = ExternalStorage(drivers, payload_size_threshold=threshold, **options)
    return DataConverter(external_storage=storage)


def test_only_large_payloads_are_stored_in_one_batch() -> None:
    shelf = Shelf()
    converter = with_storage(shelf)
    payloads = asyncio.run(converter.encode(["small", "x" * 100, "y" * 200]))
    assert [payload.metadata["encoding"] for payload in payloads] == [
        b"json/plain",
        b"json/protobuf",
        b"json/protobuf",
    ]
    assert payloads[1].external_payloads[0].size_bytes == shelf.kept[0].ByteSize()
    assert asyncio.run(converter.decode(payloads)) == ["small", "x" * 100, "y" * 200]
    assert shelf.batches == [2, 2]


def test_either_kit_reads_the_others_references(tmp_path: Path) -> None:
    class Theirs(temporalio.converter.StorageDriver):
        def name(self) -> str:
            return "shelf"

        async def store(self, context: Any, payloads: Any) -> Any:
            claims = await shelf.store(StorageDriverStoreContext(), payloads)
            return [temporalio.converter.StorageDriverClaim(claim.claim_data) for claim in claims]

        async def retrieve(self, context: Any, claims: Any) -> Any:
            return await shelf.retrieve(StorageDriverRetrieveContext(), claims)

    async def scenario() -> None:
        official = temporalio.converter.DataConverter(
            external_storage=temporalio.converter.ExternalStorage(
                drivers=[Theirs()], payload_size_threshold=0
            )
        )
        mine = with_storage(shelf, threshold=0)
        written = await mine.encode(["a"])
        shelf.kept.clear()
        assert await official.encode(["a"]) == written
        assert await official.decode(written) == ["a"]
        assert await mine.decode(written) == ["a"]

    shelf = Shelf()
    asyncio.run(scenario())


def test_the_older_form_of_a_reference_is_read() -> None:
    shelf = Shelf()
    asyncio.run(with_storage(shelf, threshold=0).encode(["a"]))
    old = common.Payload(
        metadata={"encoding": b"json/external-storage-reference"},
        data=b'{"driver_name":"shelf","driver_claim":{"claim_data":{"at":"0"}}}',
    )
    assert asyncio.run(with_storage(shelf).decode([old])) == ["a"]


def test_references_without_storage_are_refused_by_code() -> None:
    payloads = asyncio.run(with_storage(Shelf(), threshold=0).encode(["a"]))
    with pytest.raises(RuntimeError, match="TMPRL1105"):
        asyncio.run(DataConverter.default.decode(payloads))
    with pytest.raises(RuntimeError) as caught:
        DataConverter.default.payload_converter.from_payloads(payloads)
    assert "TMPRL1105" in str(caught.value)
    with pytest.raises(ValueError, match="No driver found with name 'shelf'"):
        asyncio.run(with_storage(Shelf("other")).decode(payloads))
    payloads[0].data = b"{"
    with pytest.raises(RuntimeError, match="TMPRL1106"):
        asyncio.run(with_storage(Shelf()).decode(payloads))


def test_the_selector_chooses_or_declines() -> None:
    one, two = Shelf("one"), Shelf("two")
    choices = iter([one, None, two])
    converter = with_storage(one, two, threshold=0, driver_selector=lambda context, payload: next(choices))
    payloads = asyncio.run(converter.encode(["a", "b", "c"]))
    assert [len(one.kept), len(two.kept)] == [1, 1]
    assert payloads[1].data == b'"b"'
    assert asyncio.run(converter.decode(payloads)) == ["a", "b", "c"]
    stranger = with_storage(one, two, threshold=0, driver_selector=lambda context, payload: Shelf("three"))
    with pytest.raises(ValueError, match="'three' returned by driver_selector is not registered"):
        asyncio.run(stranger.encode(["a"]))


@pytest.mark.parametrize(
    ("drivers", "options", "message"),
    [
        ([], {}, "at least one driver"),
        ([Shelf("a"), Shelf("b")], {}, "driver_selector must be specified"),
        ([Shelf("a"), Shelf("a")], {}, "multiple drivers with name 'a'"),
        ([Shelf()], {"payload_size_threshold": -1}, "greater than or equal to zero"),
    ],
)
def test_storage_that_makes_no_sense_is_refused(drivers: Any, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ExternalStorage(drivers, **options)


def test_a_driver_that_breaks_its_word_is_named() -> None:
    class Forgetful(Shelf):
        async def store(self, context: Any, payloads: Any) -> list[StorageDriverClaim]:
            return []

    with pytest.raises(ValueError, match="Driver 'shelf' returned 0 claims, expected 1"):
        asyncio.run(with_storage(Forgetful(), threshold=0).encode(["a"]))


def test_drivers_are_told_what_payloads_belong_to() -> None:
    async def scenario() -> None:
        converter = with_storage(shelf, threshold=0)
        await converter.encode(["a"])
        await converter.with_context(WorkflowSerializationContext("ns", "wf")).encode(["a"])
        in_workflow = ActivitySerializationContext("ns", "1", "act", "tq", "wf", "type", False)
        await converter.with_context(in_workflow).encode(["a"])
        alone = ActivitySerializationContext("ns", "1", "act", "tq", None, None, False)
        await converter.with_context(alone).encode(["a"])

    shelf = Shelf()
    asyncio.run(scenario())
    assert shelf.targets == [
        None,
        StorageDriverWorkflowInfo(namespace="ns", id="wf"),
        StorageDriverWorkflowInfo(namespace="ns", id="wf", type="type"),
        StorageDriverActivityInfo(namespace="ns", id="1", type="act"),
    ]


def test_what_a_driver_holds_does_not_change_with_the_message() -> None:
    shelf = Shelf()
    converter = with_storage(shelf, threshold=0)
    event = history.HistoryEvent()
    sent = converter.payload_converter.to_payloads_wrapper(["a", "b"])
    event.workflow_execution_signaled_event_attributes.input.CopyFrom(sent)
    asyncio.run(encode_message(event, converter))
    assert [payload.data for payload in shelf.kept] == [b'"a"', b'"b"']
    asyncio.run(decode_message(event, converter))
    assert event.workflow_execution_signaled_event_attributes.input == sent


def test_files_hold_each_payload_once_and_show_when_they_are_damaged(tmp_path: Path) -> None:
    driver = FileStorageDriver(tmp_path / "payloads")
    converter = with_storage(driver, threshold=0)
    payloads = asyncio.run(converter.encode(["a", "a", "b"]))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 2
    assert asyncio.run(converter.decode(payloads)) == ["a", "a", "b"]
    for path in files:
        path.write_bytes(b"damaged")
    with pytest.raises(ValueError, match="something else"):
        asyncio.run(converter.decode(payloads))
    for path in files:
        path.unlink()
    with pytest.raises(FileNotFoundError):
        asyncio.run(converter.decode(payloads))
    with pytest.raises(ValueError, match="not the name"):
        asyncio.run(
            driver.retrieve(
                StorageDriverRetrieveContext(), [StorageDriverClaim({"sha256": "../../etc/passwd"})]
            )
        )


def test_what_storage_did_can_be_tracked() -> None:
    async def scenario() -> StorageOperationMetrics:
        converter = with_storage(Shelf(), threshold=0)
        with StorageOperationMetrics().track() as metrics:
            await converter.decode(await converter.encode(["a", "b"]))
        await converter.encode(["not tracked"])
        return metrics

    metrics = asyncio.run(scenario())
    assert (metrics.payload_count, metrics.driver_names) == (4, {"shelf"})
    assert metrics.total_size > 0
    metrics = StorageOperationMetrics()
    metrics.record_batch(1, 10, 0.0, 2.0, {"a"})
    metrics.record_batch(1, 10, 1.0, 3.0, {"b"})
    metrics.record_batch(1, 10, 5.0, 6.0, {"a"})
    assert metrics.total_duration().total_seconds() == 4.0


def test_one_driver_failing_withdraws_the_others() -> None:
    withdrawn = []

    class Slow(Shelf):
        async def store(self, context: Any, payloads: Any) -> list[StorageDriverClaim]:
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                withdrawn.append(self.name())
            raise AssertionError

    class Broken(Shelf):
        async def store(self, context: Any, payloads: Any) -> list[StorageDriverClaim]:
            raise OSError("full")

    slow, broken = Slow("slow"), Broken("broken")
    choices = iter([slow, broken])
    converter = with_storage(
        slow, broken, threshold=0, driver_selector=lambda context, payload: next(choices)
    )
    with pytest.raises(OSError, match="full"):
        asyncio.run(converter.encode(["a", "b"]))
    assert withdrawn == ["slow"]


def test_payload_types_are_those_of_the_protocol() -> None:
    assert common.Payload is temporalio.api.common.v1.Payload
