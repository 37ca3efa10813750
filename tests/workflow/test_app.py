"""An application: service, client and workers opened as one, in this process."""

import asyncio
from pathlib import Path
from typing import Any

import nexusrpc.handler
import pytest

import tenuto
from tenuto import activity, step, workflow
from tenuto.client import Client


@activity(name="greet of applications")
async def greet(name: str, mark: str = "!") -> str:
    return f"hello {name}{mark}"


@activity(name="far of applications", task_queue="elsewhere")
def far(name: str) -> str:
    return f"far {name}"


@step(name="number of applications")
def number(text: str) -> int:
    return len(text)


@workflow(name="welcome of applications")
async def welcome(name: str, count: int = 1) -> str:
    workflow.publish("state", "greeting")
    said = await greet(name, mark="?" * count)
    return f"{said} {await number(said)}"


@workflow(name="distant of applications", task_queue="elsewhere")
async def distant(name: str) -> str:
    return f"{await far(name)} {await welcome.options(task_queue='default')(name)}"


@workflow.defn
class Old:
    @workflow.run
    async def run(self, name: str) -> str:
        return await workflow.execute_activity(greet, name, start_to_close_timeout=5)


@workflow
async def once_only() -> int:
    result: int = await workflow.execute_activity("counted", start_to_close_timeout=10)
    return result


def test_an_application_runs_what_it_is_given(tmp_path: Path) -> None:
    async def main() -> None:
        url = f"sqlite:///{tmp_path}/app.db"
        async with tenuto.open(url, workflows=[welcome, Old], activities=[greet, number]) as app:
            assert await app.execute(welcome, "ann", 2, id="w-1") == "hello ann?? 11"
            handle = await app.start(welcome, "bob")
            assert handle.id.startswith("welcome of applications-")
            assert await handle.result() == "hello bob? 10"
            assert await handle.query("state") == "greeting"
            assert await app.execute(Old.run, "eve") == "hello eve!"
            assert await welcome.using(app, id="w-2").execute("zoe", count=0) == "hello zoe 9"
            assert await app.execute("Old", "tom") == "hello tom!"
            assert [worker.task_queue for worker in app.workers] == ["default"]
        with pytest.raises(RuntimeError, match="has no worker"):
            app.worker  # noqa: B018

    asyncio.run(main())


@nexusrpc.handler.service_handler(name="Mirror")
class Mirror:
    @nexusrpc.handler.sync_operation
    async def turned(self, ctx: nexusrpc.handler.StartOperationContext, text: str) -> str:
        return text[::-1]


@workflow(name="looking of applications")
async def looking(text: str) -> str:
    mirror: Any = workflow.create_nexus_client(service="Mirror", endpoint="mirror")
    said: str = await mirror.execute_operation("turned", text, output_type=str)
    return said


def test_a_program_offers_operations_at_endpoints_also_when_they_were_another_ones(tmp_path: Path) -> None:
    async def main() -> None:
        url = f"sqlite:///{tmp_path}/app.db"
        for queue in ("first", "first", "second"):
            offered = tenuto.open(
                url,
                workflows=[looking],
                activities=[],
                task_queue=queue,
                nexus_endpoints={"mirror": Mirror()},
            )
            async with offered as app:
                assert await app.execute(looking, "abc") == "cba"

    asyncio.run(main())


def test_each_queue_that_is_named_gets_a_worker() -> None:
    async def main() -> None:
        given = tenuto.open("memory://", workflows=[distant, welcome], activities=[greet, far, number])
        async with given as app:
            assert [worker.task_queue for worker in app.workers] == ["default", "elsewhere"]
            assert await app.execute(distant, "ann") == "far ann hello ann? 10"

    asyncio.run(main())


def test_without_lists_it_runs_what_this_process_declares() -> None:
    async def main() -> None:
        async with tenuto.open("memory://declared") as app:
            assert await app.execute(welcome, "ann") == "hello ann? 10"

    asyncio.run(main())


def test_a_client_that_is_given_stays_open() -> None:
    async def main() -> None:
        client = await Client.connect("memory://given")
        async with tenuto.open(
            client, workflows=[welcome], activities=[greet, number], task_queue="own"
        ) as app:
            assert app.client is client
            assert await app.execute(welcome, "ann") == "hello ann? 10"
        handle = client.get_workflow_handle("none")
        with pytest.raises(Exception, match="not found"):
            await handle.describe()
        await client.service_client.close()

    asyncio.run(main())


def test_an_application_without_code_is_a_client() -> None:
    async def main() -> None:
        async with tenuto.open("memory://bare", workflows=[], activities=[]) as app:
            assert not app.workers
            await app.start("anything", id="a")
            assert (await app.client.get_workflow_handle("a").describe()).id == "a"

    asyncio.run(main())


def test_what_is_to_be_done_once_is_done_once(tmp_path: Path) -> None:
    runs = []

    @activity(name="counted")
    async def counted() -> int:
        runs.append(1)
        return len(runs)

    async def main() -> None:
        target = f"sqlite:///{tmp_path / 'once.db'}"
        for _ in range(2):
            async with tenuto.open(target, workflows=[once_only], activities=[counted]) as app:
                assert await app.execute(once_only, id="o-1", once=True) == 1
                assert await once_only.using(app, id="o-1", once=True).execute() == 1
                assert await app.execute(once_only, id="o-2") > 1
                with pytest.raises(ValueError, match="needs an id"):
                    await app.execute(once_only, once=True)

    asyncio.run(main())
