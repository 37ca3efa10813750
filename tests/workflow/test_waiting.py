"""Waiting in the order the code names things, reading the run, and logging once."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from tenuto import workflow
from tenuto.common import RawValue
from tests.pair.support import Play


async def nap(name: str, seconds: float) -> str:
    await asyncio.sleep(seconds)
    if name == "bad":
        raise LookupError(name)
    return name


def tasks(**naps: float) -> list[asyncio.Task[str]]:
    return [asyncio.create_task(nap(name, seconds), name=name) for name, seconds in naps.items()]


def names(found: list[asyncio.Task[str]]) -> str:
    return " ".join(each.get_name() for each in found)


@workflow
async def waits() -> list[str]:
    told = []
    many = tasks(c=3, a=1, b=2, z=1)
    done, left = await workflow.wait(many, return_when=asyncio.FIRST_COMPLETED)
    told.append(f"{names(done)} | {names(left)}")
    done, left = await workflow.wait([*many, *many], timeout=1.5)
    told.append(f"{names(done)} | {names(left)}")
    done, left = await workflow.wait(many)
    told.append(f"{names(done)} | {names(left)}")
    done, left = await workflow.wait(tasks(x=5, bad=1, y=1), return_when=asyncio.FIRST_EXCEPTION)
    told.append(f"{names(done)} | {names(left)}")
    unwrapped = nap("n", 0)
    for kind, bad in (("empty", []), ("coroutine", [unwrapped])):
        try:
            await workflow.wait(bad)  # type: ignore[type-var]
        except (TypeError, ValueError) as error:
            told.append(f"{kind}: {type(error).__name__}")
    unwrapped.close()
    return told


def test_wait_gives_lists_in_the_order_asked() -> None:
    assert Play(waits).to_end() == [
        "a z | c b",
        "a b z | c",
        "c a b z | ",
        "bad y | x",
        "empty: ValueError",
        "coroutine: TypeError",
    ]


@workflow
async def completes() -> list[str]:
    told = [
        await each for each in workflow.as_completed([nap("b", 2), nap("c", 3), nap("a", 1), nap("A", 1)])
    ]
    for each in workflow.as_completed([nap("slow", 9), nap("fast", 1)], timeout=2):
        try:
            told.append(await each)
        except TimeoutError:
            told.append("late")
    return told


def test_as_completed_gives_results_as_they_come() -> None:
    assert Play(completes).to_end() == ["a", "A", "b", "c", "fast", "late"]


@workflow
async def conditions() -> list[str]:
    told = []
    box: list[int] = []

    async def fill() -> None:
        await workflow.sleep(2)
        box.append(1)

    filling = asyncio.create_task(fill())
    try:
        await workflow.wait_condition(lambda: bool(box), timeout=1)
    except TimeoutError:
        told.append("late")
    await workflow.wait_condition(lambda: bool(box))
    told.append("filled")
    await filling
    return told


def test_conditions_wake_and_time_out() -> None:
    assert Play(conditions).to_end() == ["late", "filled"]


@workflow
async def reads() -> dict[str, Any]:
    info = workflow.info()
    started = workflow.now()
    await workflow.sleep(60)
    workflow.upsert_memo({"a": 1, "b": None})
    workflow.set_current_details("half way")
    assert workflow.in_workflow() and workflow.unsafe.in_sandbox()
    with workflow.unsafe.sandbox_unrestricted():
        assert not workflow.unsafe.in_sandbox()
    return {
        "type": info.workflow_type,
        "id": info.workflow_id,
        "slept": (workflow.now() - started).total_seconds(),
        "utc": started.tzinfo is UTC and started == datetime.fromtimestamp(started.timestamp(), UTC),
        "time": workflow.time_ns() / 1e9 == workflow.time(),
        "memo": dict(workflow.memo()),
        "value": workflow.memo_value("a", type_hint=float),
        "default": workflow.memo_value("none", 5),
        "details": workflow.get_current_details(),
        "patched": workflow.patched("p"),
        "update": workflow.current_update_info(),
        "fails": [
            workflow.is_failure_exception(each) for each in (KeyError(), workflow.NondeterminismError(""))
        ],
        "history": info.get_current_history_length() > 3,
        "result": workflow.has_last_completion_result(),
        "reason": workflow.cancellation_reason(),
        "versions": [workflow.uuid4().version, workflow.uuid7().version],
    }


def test_workflow_code_reads_its_run() -> None:
    found = Play(reads).to_end()
    assert found == {
        "type": "reads",
        "id": "w",
        "slept": 60.0,
        "utc": True,
        "time": True,
        "memo": {"a": 1},
        "value": 1.0,
        "default": 5,
        "details": "half way",
        "patched": True,
        "update": None,
        "fails": [True, False],
        "history": True,
        "result": False,
        "reason": None,
        "versions": [4, 7],
    }


@workflow
async def logs() -> None:
    workflow.logger.info("before %s", "sleep")
    await workflow.sleep(1)
    workflow.logger.warning("after", extra={"own": 1})


def test_a_line_is_logged_once_and_says_of_which_run(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="tenuto.workflow"):
        play = Play(logs, cold=False)
        play.to_end()
        play.replayed().evict()
    mine = [
        record for record in caplog.records if record.name == "tenuto.workflow" and record.funcName == "logs"
    ]
    assert [record.getMessage().split(" ({")[0] for record in mine] == ["before sleep", "after"]
    facts = mine[0].temporal_workflow  # type: ignore[attr-defined]
    assert set(facts) == {"attempt", "namespace", "run_id", "task_queue", "workflow_id", "workflow_type"}
    assert str(facts) in mine[0].getMessage()
    assert mine[1].own == 1  # type: ignore[attr-defined]
    assert not hasattr(mine[0], "workflow_info")


def test_the_logger_says_more_or_less_when_told(caplog: pytest.LogCaptureFixture) -> None:
    logger = workflow.LoggerAdapter(logging.getLogger("own"), {"app": "x"})
    logger.workflow_info_on_message = logger.workflow_info_on_extra = False
    logger.full_workflow_info_on_extra = True
    with caplog.at_level(logging.INFO):
        logger.info("outside")
    assert caplog.records[-1].message == "outside"
    assert caplog.records[-1].app == "x"  # type: ignore[attr-defined]
    assert logger.base_logger.name == "own"


@workflow.defn
class Handled:
    def __init__(self) -> None:
        self.seen: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        assert workflow.get_signal_handler("own") is not None
        assert workflow.get_signal_handler("late") is None
        await workflow.sleep(1)
        workflow.set_signal_handler("late", lambda value: self.seen.append(f"late {value}"))
        workflow.set_dynamic_signal_handler(self.any)
        workflow.set_query_handler("ask", lambda: len(self.seen))
        assert workflow.get_dynamic_signal_handler() == self.any
        this: object = workflow.instance()
        assert this is self
        await workflow.sleep(1)
        workflow.set_signal_handler("late", None)
        assert workflow.get_signal_handler("late") is None
        return self.seen

    @workflow.signal
    def own(self) -> None:
        self.seen.append("own")

    def any(self, name: str, args: Sequence[RawValue]) -> None:
        self.seen.append(f"any {name} {workflow.payload_converter().from_payload(args[0].payload)}")


def test_handlers_set_late_get_what_waited() -> None:
    play = Play(Handled).start()
    play.signal("late", 1)
    play.signal("other", 2)
    play.signal("own")
    assert play.to_end() == ["own", "late 1", "any other 2"]
    assert play.query("ask") == 3
