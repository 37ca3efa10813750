"""What needs no ``await``: whole programs, from many threads, beside other loops, and where it must refuse."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path

import pytest

import tenuto
from tenuto import activity, workflow
from tenuto.client import WorkflowFailureError
from tenuto.exceptions import ApplicationError
from tenuto.sync import SyncApp, SyncClient

tenant: ContextVar[str] = ContextVar("tenant", default="nobody")


@activity
def reserve(item: str, count: int = 1) -> str:
    return f"{count} {item}"


@activity
async def asks_here() -> str:
    try:
        held[0].execute("order", "never")
    except RuntimeError as error:
        return str(error)
    return "it waited for itself"


@activity
def asks_from_a_thread(item: str) -> str:
    return held[0].execute(order, item)


held: list[SyncApp] = []


@workflow
async def order(item: str, count: int = 1) -> str:
    return await reserve(item, count)


@workflow
async def figs() -> str:
    return "figs"


@workflow
async def fails() -> None:
    raise ApplicationError("sold out")


@workflow
async def waits() -> None:
    await workflow.sleep(3600)


@workflow
async def outer(item: str) -> str:
    return await asks_from_a_thread(item)


@workflow
async def inner() -> str:
    return await asks_here()


@workflow.defn
class Cart:
    def __init__(self) -> None:
        self.items: list[str] = []
        self.closed = False

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.wait_condition(lambda: self.closed)
        return self.items

    @workflow.signal
    def close(self) -> None:
        self.closed = True

    @workflow.update
    async def add(self, item: str) -> int:
        self.items.append(item)
        return len(self.items)

    @workflow.query
    def count(self) -> int:
        return len(self.items)


@pytest.fixture(scope="module")
def app() -> Iterator[SyncApp]:
    with tenuto.sync.open(
        "memory://",
        workflows=[order, figs, fails, waits, outer, inner, Cart],
        activities=[reserve, asks_here, asks_from_a_thread],
    ) as app:
        held[:] = [app]
        yield app


def test_a_workflow_runs_without_an_await(app: SyncApp) -> None:
    assert app.execute(order, "pears", 3) == "3 pears"
    handle = app.start(order, "plums", id="an-order")
    assert (handle.id, handle.result()) == ("an-order", "1 plums")
    assert app.client.get_workflow_handle("an-order", result_type=str).result(timeout=60) == "1 plums"


def test_a_failure_is_raised_where_it_is_waited_for(app: SyncApp) -> None:
    with pytest.raises(WorkflowFailureError) as caught:
        app.execute(fails)
    assert "sold out" in str(caught.value.cause)


def test_messages_are_sent_and_answered(app: SyncApp) -> None:
    cart = app.client.start_workflow(Cart.run, id="cart", task_queue="default")
    assert cart.execute_update(Cart.add, "pear") == 1
    assert cart.start_update(Cart.add, "plum").result(timeout=timedelta(seconds=60)) == 2
    assert cart.query(Cart.count) == 2
    cart.signal(Cart.close)
    assert cart.result() == ["pear", "plum"]
    description = cart.describe()
    assert description.status is not None
    assert description.status.name == "COMPLETED"
    assert len(list(cart.fetch_history_events())) == len(cart.fetch_history().events)


def test_who_waits_no_longer_leaves_the_workflow_alone(app: SyncApp) -> None:
    handle = app.start(waits)
    with pytest.raises(TimeoutError):
        handle.result(timeout=0.05)
    handle.cancel(reason="enough")
    with pytest.raises(WorkflowFailureError):
        handle.result(timeout=60)


def test_a_listing_is_an_iterator(app: SyncApp) -> None:
    for number in range(5):
        app.execute(figs, id=f"figs-{number}")
    found = app.client.list_workflows("WorkflowType = 'figs'", page_size=2)
    assert sorted(each.id for each in found) == [f"figs-{number}" for number in range(5)]
    assert app.client.count_workflows("WorkflowType = 'figs'").count == 5
    assert len(list(app.client.list_workflows("WorkflowType = 'figs'", limit=3))) == 3


def test_many_threads_share_one_application(app: SyncApp) -> None:
    with ThreadPoolExecutor(8) as threads:
        got = list(threads.map(lambda number: app.execute(order, "nuts", number), range(40)))
    assert got == [f"{number} nuts" for number in range(40)]


def test_it_may_be_called_beside_a_running_loop(app: SyncApp) -> None:
    async def notebook() -> str:
        return app.execute(order, "kiwis")

    assert asyncio.run(notebook()) == "1 kiwis"


def test_a_sync_activity_may_ask_and_wait(app: SyncApp) -> None:
    assert app.execute(outer, "dates") == "1 dates"


def test_an_async_activity_is_told_not_to_wait_for_itself(app: SyncApp) -> None:
    assert "would never end" in app.execute(inner)


def test_what_is_run_sees_the_context_of_who_asked(app: SyncApp) -> None:
    async def who() -> tuple[str, bool]:
        return tenant.get(), threading.current_thread() is threading.main_thread()

    tenant.set("ada")
    assert app.client.run(who()) == ("ada", False)


def test_a_client_alone_opens_and_closes_a_store(tmp_path: Path) -> None:
    with SyncClient.connect(f"sqlite:///{tmp_path}/app.db", namespace="default") as client:
        handle = client.start_workflow("nobody-runs-it", id="it", task_queue="none")
        assert [each.id for each in client.list_workflows()] == ["it"]
        handle.terminate("not needed")
    with pytest.raises(RuntimeError):
        handle.describe()
    client.close()


def test_a_closed_application_says_so() -> None:
    app = tenuto.sync.open("memory://", workflows=[order], activities=[reserve])
    with pytest.raises(RuntimeError, match="not open"):
        app.execute(order, "x")
    with app:
        assert app.execute(order, "x") == "1 x"
    with pytest.raises(RuntimeError, match="not open"):
        app.execute(order, "x")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_is_told_to_open_its_own(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys, tenuto\n"
        "from tenuto import workflow\n"
        "@workflow\n"
        "async def hi() -> str:\n"
        "    return 'hi'\n"
        "with tenuto.sync.open('memory://', workflows=[hi], activities=[]) as app:\n"
        "    print(app.execute(hi), flush=True)\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        try:\n"
        "            app.execute(hi)\n"
        "        except RuntimeError as error:\n"
        "            print(error, flush=True)\n"
        "        os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
        "left_open = tenuto.sync.open('memory://', workflows=[hi], activities=[]).start_up()\n"
        "print(left_open.execute(hi), flush=True)\n"
    )
    ended = subprocess.run(
        [sys.executable, program], capture_output=True, text=True, timeout=180, check=False
    )
    lines = ended.stdout.splitlines()
    assert (ended.returncode, lines[0], lines[-1]) == (0, "hi", "hi"), ended.stderr
    assert "forked" in lines[1]
    assert "Traceback" not in ended.stderr
