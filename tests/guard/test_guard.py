"""The guard refuses what a replay could not repeat, and nothing else."""

import asyncio
import concurrent.futures
import inspect
import logging
import random
import socket
import subprocess
import sys
import threading
import time
import timeit
import uuid
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tenuto.run import guard
from tenuto.workflow.definition import Definition
from tests.guard import flows
from tests.guard.house import WorkflowLoop, in_workflow


@pytest.fixture(autouse=True)
def guarded() -> Iterator[None]:
    guard.install([Definition.must(flows.Careless)])
    yield
    guard.uninstall()


@pytest.mark.parametrize("name", sorted(flows.WAYS))
def test_a_forbidden_call_is_refused_by_its_name_and_place(name: str) -> None:
    with pytest.raises(guard.RestrictedWorkflowAccessError) as refused:
        in_workflow(flows.WAYS[name])
    message = str(refused.value)
    assert refused.value.qualified_name.removeprefix("builtins.") == name
    assert message.startswith(flows.__file__ + ":")
    assert f"{name}()" in message


@pytest.mark.parametrize("name", sorted(flows.WAYS))
def test_the_same_call_goes_through_outside_of_workflows(name: str) -> None:
    flows.WAYS[name]()


@pytest.mark.parametrize("name", sorted(flows.WAYS))
def test_a_workflow_that_opted_out_may_do_anything(name: str) -> None:
    in_workflow(flows.WAYS[name], guarded=False)


@pytest.mark.parametrize("name", sorted(flows.WAYS))
def test_what_is_allowed_by_name_goes_through_and_nothing_else(name: str) -> None:
    exact = f"builtins.{name}" if name in ("open", "input") else name
    in_workflow(flows.WAYS[name], allowed=frozenset({exact, f"{name}.__init__"}))
    with pytest.raises(guard.RestrictedWorkflowAccessError):
        in_workflow(flows.WAYS[name], allowed=frozenset({"other.name"}))


def test_types_that_cannot_be_changed_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    guard.uninstall()
    monkeypatch.setattr(threading, "Barrier", memoryview)
    monkeypatch.setattr(threading, "Event", str)  # as other kits do, with types of theirs
    guard.install()


def test_the_place_is_the_line_of_the_call() -> None:
    lines, first = inspect.getsourcelines(flows.helper)
    line = first + next(n for n, text in enumerate(lines) if "time.time()" in text)
    with pytest.raises(guard.RestrictedWorkflowAccessError, match=f"flows.py:{line}: helper calls time.time"):
        in_workflow(flows.helper)


def test_the_error_says_what_to_use_instead() -> None:
    with pytest.raises(guard.RestrictedWorkflowAccessError, match=r"use workflow\.now\(\)"):
        in_workflow(flows.stamp)


def test_looking_away_lasts_as_long_as_its_block() -> None:
    async def code() -> None:
        with guard.look_away():
            flows.helper()
        flows.helper()

    with pytest.raises(guard.RestrictedWorkflowAccessError):
        in_workflow(code())


def _log_to_file() -> None:
    logger = logging.getLogger("tests.guard")
    logger.warning("noted")


class _Chatty(logging.Handler):
    """A user's handler: it reads clocks and opens files of its own."""

    def emit(self, record: logging.LogRecord) -> None:
        with open("/dev/null", "w") as sink:
            sink.write(f"{time.time()} {datetime.now()} {uuid.uuid4()} {record.getMessage()}")


def test_logging_may_read_clocks_and_write_files(tmp_path: Path) -> None:
    logger = logging.getLogger("tests.guard")
    handlers = [logging.FileHandler(tmp_path / "log", delay=True), _Chatty()]
    for handler in handlers:
        logger.addHandler(handler)
    try:
        in_workflow(_log_to_file)
    finally:
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()
    assert (tmp_path / "log").read_text() == "noted\n"


def test_warnings_and_tracebacks_may_read_sources() -> None:
    def code() -> None:
        warnings.warn("look out", stacklevel=1)
        try:
            raise ValueError("x")
        except ValueError:
            logging.getLogger("tests.guard").exception("x")

    with pytest.warns(UserWarning, match="look out"):
        in_workflow(code)


def test_modules_may_do_anything_while_they_are_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "late_module.py").write_text(
        "import time, uuid, os, random\n"
        "BORN = time.time()\nNAME = uuid.uuid4()\nHERE = os.getcwd()\nTEXT = open(__file__).read()\nLUCK = random.random()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    def code() -> Any:
        import late_module  # type: ignore[import-not-found]

        return late_module.NAME

    assert isinstance(in_workflow(code), uuid.UUID)
    del sys.modules["late_module"]


def test_what_is_collected_meanwhile_may_clean_up_after_itself() -> None:
    cleaned: list[float] = []

    class Held:
        def __del__(self) -> None:
            cleaned.append(time.time())

    def code() -> None:
        Held()

    in_workflow(code)
    assert cleaned


def test_time_zones_may_be_looked_up() -> None:
    ZoneInfo.clear_cache()
    moment = in_workflow(lambda: datetime(2024, 1, 1, tzinfo=UTC).astimezone(ZoneInfo("Europe/Berlin")))
    assert moment.utcoffset() == timedelta(hours=1)


def test_asyncio_itself_keeps_working() -> None:
    async def code() -> int:
        queue: asyncio.Queue[int] = asyncio.Queue()
        async with asyncio.TaskGroup() as group:
            group.create_task(queue.put(4))
            got = group.create_task(queue.get())
        await asyncio.sleep(60)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.Event().wait()
        return got.result()

    assert in_workflow(code()) == 4


LIBRARY = """
import time, socket, random
def clock(): return time.time()
def chance(): return random.random()
def net(): return socket.socket()
"""


def _library(tmp_path: Path) -> dict[str, Callable[[], object]]:
    names: dict[str, Any] = {"__name__": "some_library"}
    file = tmp_path / "site-packages" / "some_library.py"
    exec(compile(LIBRARY, str(file), "exec"), names)
    return names


@pytest.mark.parametrize("name", ["clock", "chance"])
def test_a_library_may_read_clocks_and_throw_dice_for_itself(tmp_path: Path, name: str) -> None:
    in_workflow(_library(tmp_path)[name])


def test_a_library_may_not_open_sockets_for_a_workflow(tmp_path: Path) -> None:
    net = _library(tmp_path)["net"]

    def ask() -> None:
        net()

    with pytest.raises(guard.RestrictedWorkflowAccessError, match=r"ask calls socket.socket\(\)"):
        in_workflow(ask)


@pytest.mark.parametrize(
    "call",
    [
        lambda: socket.socket(),
        lambda: subprocess.run(["true"], check=True),
        lambda: threading.Thread(target=print).start(),
        lambda: concurrent.futures.ThreadPoolExecutor().submit(print),
        lambda: threading.Event().wait(0.1),
        lambda: asyncio.to_thread(print),
        lambda: input("?"),
        lambda: time.strftime("%Y"),
        lambda: time.gmtime(),
    ],
)
def test_the_world_outside_is_out_of_reach(call: Callable[[], object]) -> None:
    with pytest.raises(guard.RestrictedWorkflowAccessError, match=__file__):
        in_workflow(call)


def test_functions_of_a_given_moment_are_allowed() -> None:
    assert in_workflow(lambda: time.strftime("%Y", time.gmtime(0))) == "1970"


def test_a_seeded_random_generator_is_allowed() -> None:
    in_workflow(lambda: flows.innocent(random.Random(1)))


def test_replaced_functions_look_like_themselves() -> None:
    assert time.time.__name__ == "time"
    assert inspect.iscoroutinefunction(inspect.unwrap(asyncio.to_thread))
    assert "Return the current time" in (time.time.__doc__ or "")


def test_everything_is_put_back() -> None:
    before = (time.time, uuid.uuid4, vars(flows)["now_mono"], open, asyncio.wait)
    guard.uninstall()
    after = (time.time, uuid.uuid4, vars(flows)["now_mono"], open, asyncio.wait)
    assert not any(hasattr(thing, "__wrapped__") for thing in after)
    assert all(inspect.unwrap(was) is now for was, now in zip(before, after, strict=True))
    assert not guard.installed()


def test_a_call_outside_of_workflows_costs_little() -> None:
    wrapped = min(timeit.repeat(time.time, number=20_000, repeat=5)) / 20_000
    assert wrapped < 3e-6


def test_asyncio_wait_gives_the_order_of_the_code() -> None:
    async def code() -> list[list[str]]:
        async def work(name: str, seconds: float) -> str:
            await asyncio.sleep(seconds)
            return name

        names = [f"n{number}" for number in range(40)]
        tasks = [asyncio.create_task(work(name, 1)) for name in names]
        done, pending = await asyncio.wait(set(tasks), return_when=asyncio.FIRST_COMPLETED)
        first = [task.result() for task in done]
        assert isinstance(done, set) and done.pop() is tasks[0]
        later = [await each for each in asyncio.as_completed(set(tasks))]
        assert not pending
        return [names, first, later]

    names, first, later = in_workflow(code())
    assert first == names
    assert later == names


def test_asyncio_wait_is_asyncios_own_outside_of_workflows() -> None:
    async def code() -> int:
        done, pending = await asyncio.wait([asyncio.create_task(asyncio.sleep(0))], timeout=5)
        assert type(done) is set and not pending
        return len([await each for each in asyncio.as_completed([asyncio.sleep(0, 1)])])

    assert asyncio.run(code()) == 1


def test_a_loop_without_a_run_is_not_guarded() -> None:
    loop = WorkflowLoop(None)
    assert not guard.watching(loop)
