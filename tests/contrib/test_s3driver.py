"""Large payloads in S3: where they go, that they come back, and what is said when they do not."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

import tenuto
from tenuto import workflow
from tenuto.contrib.aws.s3driver import S3StorageDriver, S3StorageDriverClient
from tenuto.contrib.aws.s3driver.aioboto3 import new_aioboto3_client
from tenuto.converter import (
    DataConverter,
    ExternalStorage,
    StorageDriverActivityInfo,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
    StorageDriverWorkflowInfo,
)
from tenuto.wire import common

NOWHERE = StorageDriverStoreContext()
BACK = StorageDriverRetrieveContext()


class Buckets(S3StorageDriverClient):
    """S3, in memory."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.puts = 0

    async def put_object(self, *, bucket: str, key: str, data: bytes) -> None:
        self.puts += 1
        self.objects[bucket, key] = data

    async def object_exists(self, *, bucket: str, key: str) -> bool:
        return (bucket, key) in self.objects

    async def get_object(self, *, bucket: str, key: str) -> bytes:
        return self.objects[bucket, key]

    def describe(self) -> Mapping[str, str]:
        return {"client_region": "here"}


def payload(text: str) -> common.Payload:
    return common.Payload(metadata={"encoding": b"json/plain"}, data=text.encode())


def stored(driver: S3StorageDriver, context: StorageDriverStoreContext, *texts: str) -> list[dict[str, str]]:
    claims = asyncio.run(driver.store(context, [payload(text) for text in texts]))
    return [dict(claim.claim_data) for claim in claims]


def test_what_is_stored_comes_back_in_order_and_the_same_is_stored_once() -> None:
    buckets = Buckets()
    driver = S3StorageDriver(buckets, "b")
    claims = stored(driver, NOWHERE, "one", "two")
    again = stored(driver, NOWHERE, "two")
    assert again == claims[1:]
    assert buckets.puts == 2
    back = asyncio.run(driver.retrieve(BACK, [StorageDriverClaim(claim) for claim in reversed(claims)]))
    assert back == [payload("two"), payload("one")]
    assert (driver.name(), driver.type()) == ("aws.s3driver", "aws.s3driver")
    assert S3StorageDriver(buckets, "b", driver_name="other").name() == "other"


@pytest.mark.parametrize(
    ("target", "prefix"),
    [
        (None, "v0/d/sha256/"),
        (
            StorageDriverWorkflowInfo(namespace="n", type="Order", id="a/b ü", run_id="r"),
            "v0/ns/n/wt/Order/wi/a%2Fb%20%C3%BC/ri/r/d/sha256/",
        ),
        (StorageDriverWorkflowInfo(namespace="", id="w"), "v0/ns/null/wt/null/wi/w/ri/null/d/sha256/"),
        (StorageDriverActivityInfo(namespace="n", type="t", id="a"), "v0/ns/n/at/t/ai/a/ri/null/d/sha256/"),
        (StorageDriverWorkflowInfo(namespace="n", id="x" * 1000), "v0/ns/n/d/sha256/"),
    ],
)
def test_keys_say_whose_a_payload_is(target: Any, prefix: str) -> None:
    [claim] = stored(S3StorageDriver(Buckets(), "b"), StorageDriverStoreContext(target=target), "text")
    assert claim["key"] == prefix + claim["hash_value"]
    assert claim["hash_algorithm"] == "sha256"


def test_a_function_may_choose_the_bucket() -> None:
    buckets = Buckets()
    driver = S3StorageDriver(buckets, lambda context, payload: f"b-{payload.data.decode()}")
    assert {claim["bucket"] for claim in stored(driver, NOWHERE, "one", "two")} == {"b-one", "b-two"}


def test_what_is_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="max_payload_size of 100 bytes"):
        stored(S3StorageDriver(Buckets(), "b", max_payload_size=100), NOWHERE, "x" * 200)
    with pytest.raises(ValueError, match="greater than zero"):
        S3StorageDriver(Buckets(), "b", max_payload_size=0)


def test_what_was_changed_or_is_lost_is_told_with_its_place() -> None:
    buckets = Buckets()
    driver = S3StorageDriver(buckets, "b")
    [claim] = stored(driver, NOWHERE, "one")
    buckets.objects["b", claim["key"]] = b"other"
    with pytest.raises(ValueError, match=r"integrity check failed \[bucket=b, key=v0/d/.*client_region=here"):
        asyncio.run(driver.retrieve(BACK, [StorageDriverClaim(claim)]))
    buckets.objects.clear()
    with pytest.raises(RuntimeError, match="retrieve failed") as lost:
        asyncio.run(driver.retrieve(BACK, [StorageDriverClaim(claim)]))
    assert isinstance(lost.value.__cause__, KeyError)


def test_a_claim_without_a_hash_that_is_known_is_refused() -> None:
    driver = S3StorageDriver(Buckets(), "b")
    [claim] = stored(driver, NOWHERE, "one")
    place = {"bucket": claim["bucket"], "key": claim["key"]}
    with pytest.raises(ValueError, match="missing required content hash"):
        asyncio.run(driver.retrieve(BACK, [StorageDriverClaim(place)]))
    with pytest.raises(ValueError, match="expected sha256, got md5"):
        asyncio.run(driver.retrieve(BACK, [StorageDriverClaim({**claim, "hash_algorithm": "md5"})]))


def test_one_failure_withdraws_the_others() -> None:
    class Failing(Buckets):
        withdrawn = 0

        async def put_object(self, *, bucket: str, key: str, data: bytes) -> None:
            if b"bad" in data:
                raise OSError("no")
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.withdrawn += 1
                raise

        def describe(self) -> Mapping[str, str]:
            raise RuntimeError("nor this")

    failing = Failing()
    with pytest.raises(RuntimeError, match="store failed"):
        stored(S3StorageDriver(failing, "b"), NOWHERE, "good", "bad", "fine")
    assert failing.withdrawn == 2


@workflow
async def echoing(text: str) -> str:
    return text * 2


def test_workflows_keep_large_payloads_there() -> None:
    buckets = Buckets()
    storage = ExternalStorage([S3StorageDriver(buckets, "b")], payload_size_threshold=1000)

    async def scene() -> None:
        converter = DataConverter(external_storage=storage)
        async with tenuto.open(
            "memory://", workflows=[echoing], activities=[], data_converter=converter
        ) as app:
            assert await app.execute(echoing, "x" * 2000, id="w") == "x" * 4000

    asyncio.run(scene())
    assert len(buckets.objects) == 2
    assert all("/wi/w/" in key for _, key in buckets.objects)


def test_either_make_reads_what_the_other_has_stored() -> None:
    from temporalio.contrib.aws import s3driver as official
    from temporalio.converter import StorageDriverClaim as OfficialClaim
    from temporalio.converter import StorageDriverRetrieveContext as OfficialRetrieval
    from temporalio.converter import StorageDriverStoreContext as OfficialStorage
    from temporalio.converter import StorageDriverWorkflowInfo as OfficialWorkflow

    buckets: Any = Buckets()
    ours, theirs = S3StorageDriver(buckets, "b"), official.S3StorageDriver(buckets, "b")
    facts: Any = {"namespace": "n", "id": "w ü", "run_id": "r", "type": "T"}
    context = OfficialStorage(target=OfficialWorkflow(**facts))
    [claim] = stored(ours, StorageDriverStoreContext(target=StorageDriverWorkflowInfo(**facts)), "one")
    [same] = asyncio.run(theirs.store(context, [payload("one")]))
    assert dict(same.claim_data) == claim
    assert buckets.puts == 1
    assert asyncio.run(theirs.retrieve(OfficialRetrieval(), [OfficialClaim(claim)])) == [payload("one")]
    assert theirs.name() == ours.name()


class Refused(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.response = {"Error": {"Code": code}}


class Aio:
    """A client as aioboto3 makes them."""

    class meta:
        region_name = "eu-central-1"

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.refusal = "404"

    async def upload_fileobj(self, file: Any, bucket: str, key: str) -> None:
        self.objects[bucket, key] = file.read()

    async def head_object(self, *, Bucket: str, Key: str) -> None:
        if (Bucket, Key) not in self.objects:
            raise Refused(self.refusal)

    async def get_object(self, *, Bucket: str, Key: str) -> Any:
        class Body:
            async def read(self) -> bytes:
                return data

        data = self.objects[Bucket, Key]
        return {"Body": Body()}


def test_a_client_of_aioboto3_serves() -> None:
    s3 = Aio()
    client = new_aioboto3_client(s3)
    driver = S3StorageDriver(client, "b")
    [claim] = stored(driver, NOWHERE, "one")
    assert asyncio.run(driver.retrieve(BACK, [StorageDriverClaim(claim)])) == [payload("one")]
    s3.refusal = "403"
    with pytest.raises(RuntimeError, match="client_region=eu-central-1") as refused:
        stored(driver, NOWHERE, "two")
    assert isinstance(refused.value.__cause__, Refused)


def test_the_real_library_serves() -> None:
    """With aioboto3 and a server that plays S3, where both are installed."""
    aioboto3: Any = pytest.importorskip("aioboto3")
    moto: Any = pytest.importorskip("moto.server")

    @asynccontextmanager
    async def s3() -> AsyncIterator[Any]:
        server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
        server.start()
        try:
            host, port = server.get_host_and_port()
            session = aioboto3.Session("key", "secret", region_name="us-east-1")
            async with session.client("s3", endpoint_url=f"http://{host}:{port}") as client:
                await client.create_bucket(Bucket="payloads")
                yield client
        finally:
            server.stop()

    async def scene() -> None:
        async with s3() as client:
            driver = S3StorageDriver(new_aioboto3_client(client), "payloads")
            large = [payload("x" * 20_000_000), payload("small")]
            claims = await driver.store(NOWHERE, large)
            assert claims == await driver.store(NOWHERE, large)
            assert await driver.retrieve(BACK, claims) == large
            with pytest.raises(RuntimeError, match="store failed"):
                await S3StorageDriver(new_aioboto3_client(client), "absent").store(NOWHERE, large[1:])

    asyncio.run(scene())
