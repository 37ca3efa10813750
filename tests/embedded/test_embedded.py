"""A service inside the program: one node for all its clients, on whichever event loop, until the last one leaves."""

import asyncio
import gc
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from tenuto import embedded
from tenuto.transport.errors import ConnectError, RPCError, RPCStatusCode
from tenuto.transport.services import ServiceClient
from tests.transport import raw
from tests.transport.raw import connect, run


def left_open(home: Path) -> list[str]:
    """Stores below ``home`` that this process still has open."""
    return [key for key in embedded._houses if str(home) in key]


async def started(client: ServiceClient, workflow_id: str = "w") -> str:
    return (await client.workflow_service.start_workflow_execution(raw.start(workflow_id))).run_id


async def seen(client: ServiceClient, workflow_id: str = "w") -> str:
    answer = await client.workflow_service.describe_workflow_execution(raw.describe(workflow_id))
    return answer.workflow_execution_info.execution.run_id


def test_what_is_in_the_file_is_there_the_next_time(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/app.db"
    runs: list[str] = []

    async def first() -> None:
        client = await connect(url)
        runs.append(await started(client))
        await client.close()

    async def second() -> None:
        client = await connect(url)
        assert await seen(client) == runs[0]
        await client.close()

    run(first())
    run(second())
    assert not left_open(tmp_path)


def test_a_relative_path_is_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def story() -> None:
        here = await connect("sqlite:///app.db")
        there = await connect(f"sqlite:////{tmp_path}/app.db")
        assert await started(here) == await seen(there)
        await here.close()
        assert await seen(there)
        await there.close()

    run(story())
    assert (tmp_path / "app.db").exists()


def test_clients_of_one_name_share_a_memory_and_it_is_gone_with_the_last() -> None:
    async def story() -> None:
        one, other = await connect("memory://shared"), await connect("memory://shared")
        stranger, loner = await connect("memory://else"), await connect("memory://")
        assert await started(one) == await seen(other)
        for lonely in (stranger, loner):
            with pytest.raises(RPCError, match="not found"):
                await seen(lonely)
        await one.close()
        assert await seen(other)
        for client in (other, stranger, loner):
            await client.close()
        again = await connect("memory://shared")
        with pytest.raises(RPCError, match="not found"):
            await seen(again)
        await again.close()

    run(story())


def test_the_next_event_loop_opens_what_the_last_left_open(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/app.db", "memory://left-open"):
        kept: list[ServiceClient] = []

        async def first(url: str = url, kept: list[ServiceClient] = kept) -> None:
            kept.append(await connect(url))
            await started(kept[0])

        async def second(url: str = url, kept: list[ServiceClient] = kept) -> None:
            client = await connect(url)
            assert await seen(client) == await seen(kept[0])
            await client.close()
            await kept[0].close()

        run(first())
        run(second())
    assert not left_open(tmp_path)


def test_a_client_that_is_forgotten_leaves_the_file_to_others(tmp_path: Path) -> None:
    async def story() -> None:
        await started(await connect(f"sqlite:///{tmp_path}/app.db"))

    run(story())
    gc.collect()
    assert not left_open(tmp_path)
    assert _elsewhere(tmp_path).returncode == 0


def test_other_threads_are_served_by_the_loop_that_has_the_node() -> None:
    async def story() -> None:
        client = await connect("memory://threads")
        run_id = await started(client)

        async def ask() -> str:
            guest = await connect("memory://threads")
            with pytest.raises(RPCError, match="not found"):
                await seen(guest, "nobody")
            found = await seen(guest)
            await guest.close()
            return found

        answers = await asyncio.gather(*(asyncio.to_thread(lambda: asyncio.run(ask())) for _ in range(3)))
        assert answers == [run_id] * 3
        await client.close()

    run(story())


def test_a_poll_from_another_thread_that_is_cancelled_takes_no_work_with_it() -> None:
    async def story() -> None:
        client = await connect("memory://polls")

        async def poll() -> None:
            polling = asyncio.ensure_future(client.workflow_service.poll_workflow_task_queue(raw.poll()))
            await asyncio.sleep(0.05)
            polling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await polling

        await asyncio.to_thread(lambda: asyncio.run(poll()))
        await started(client)
        assert (await raw.answer_task(client, raw.completion())).attempt == 1
        await client.close()

    run(story())


def test_a_thread_whose_loop_had_the_node_may_end_first() -> None:
    async def story() -> None:
        ready, over = threading.Event(), threading.Event()

        def owner() -> None:
            async def hold() -> None:
                await started(await connect("memory://owner"))
                ready.set()
                await asyncio.to_thread(over.wait)

            asyncio.run(hold())

        thread = threading.Thread(target=owner)
        thread.start()
        await asyncio.to_thread(ready.wait)
        client = await connect("memory://owner")
        run_id = await seen(client)
        polling = asyncio.ensure_future(client.workflow_service.poll_workflow_task_queue(raw.poll("none")))
        await asyncio.sleep(0.05)
        over.set()
        await asyncio.to_thread(thread.join)
        with pytest.raises(RPCError) as lost:
            await polling
        assert lost.value.status is RPCStatusCode.UNAVAILABLE
        assert await seen(client) == run_id
        await client.close()

    run(story())


def test_many_first_calls_at_once_open_one_node(tmp_path: Path) -> None:
    async def story() -> None:
        clients = [await connect(f"sqlite:///{tmp_path}/app.db", lazy=True) for _ in range(5)]
        await asyncio.gather(*(started(client, f"w{number}") for number, client in enumerate(clients)))
        await asyncio.gather(*(client.close() for client in clients))
        assert not left_open(tmp_path)

    run(story())


def test_leaving_and_coming_may_overlap(tmp_path: Path) -> None:
    async def story() -> None:
        client = await connect(f"sqlite:///{tmp_path}/app.db")
        for _ in range(5):
            leaving = asyncio.ensure_future(client.close())
            await asyncio.sleep(0)
            client = await connect(f"sqlite:///{tmp_path}/app.db")
            await leaving
        await client.close()

    run(story())


def _elsewhere(home: Path) -> "subprocess.CompletedProcess[str]":
    program = textwrap.dedent(f"""
        import asyncio
        from tenuto.transport.config import ConnectConfig
        from tenuto.transport.services import ServiceClient
        async def main():
            client = await ServiceClient.connect(ConnectConfig("sqlite:///{home}/app.db"))
            await client.close()
        asyncio.run(main())
    """)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


def test_another_process_is_told_who_has_the_file_and_what_to_do(tmp_path: Path) -> None:
    async def story() -> None:
        client = await connect(f"sqlite:///{tmp_path}/app.db")
        told = (await asyncio.to_thread(_elsewhere, tmp_path)).stderr
        assert "is open already, in the process with pid" in told
        assert f"tenuto server start --db sqlite:///{tmp_path}/app.db" in told
        assert "Traceback" in told
        assert "ConnectError" in told
        await client.close()

    run(story())
    assert _elsewhere(tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"this is no database, but long enough to look at" * 50, "cannot be used as a store")],
)
def test_a_file_that_is_no_store_is_told_about(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "app.db").write_bytes(content)

    async def story() -> None:
        with pytest.raises(ConnectError, match=words):
            await connect(f"sqlite:///{tmp_path}/app.db")
        (tmp_path / "app.db").unlink()
        client = await connect(f"sqlite:///{tmp_path}/app.db")
        await client.close()

    run(story())


def test_a_closed_client_says_that_it_is_closed() -> None:
    async def story() -> None:
        client = await connect("memory://")
        await client.close()
        with pytest.raises(RPCError, match="closed"):
            await started(client)

    run(story())


def test_everything_cancelled_on_the_loop_is_no_reason_to_stay_silent() -> None:
    async def story() -> None:
        client = await connect("memory://cancelled")
        run_id = await started(client)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            if "Shard" in repr(task):
                task.cancel()
        await asyncio.sleep(0.01)
        assert await seen(client) == run_id
        await client.close()

    run(story())
