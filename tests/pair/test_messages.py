"""Signals, queries and updates: their order, their answers, their refusals."""

import asyncio
from collections.abc import Sequence

import pytest

from tenuto import workflow
from tenuto.common import RawValue
from tenuto.exceptions import ApplicationError
from tenuto.limits import SECOND
from tenuto.wire import enums_command
from tests.pair.support import Play


@workflow.defn
class Box:
    def __init__(self) -> None:
        self.items: list[str] = []
        self.closed = False

    @workflow.run
    async def run(self) -> list[str]:
        self.items.append("main")
        await workflow.wait_condition(lambda: self.closed)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self.items

    @workflow.signal
    async def put(self, item: str) -> None:
        self.items.append(item)

    @workflow.signal
    def close(self) -> None:
        self.closed = True

    @workflow.query
    def held(self) -> list[str]:
        return self.items

    @workflow.query
    def broken(self) -> str:
        raise ValueError("no")

    @workflow.query
    def naughty(self) -> str:
        return str(workflow.uuid4())

    @workflow.update
    async def add(self, item: str) -> int:
        if item == "slow":
            await asyncio.sleep(5)
        if item == "fails":
            raise ApplicationError("cannot")
        self.items.append(item)
        return len(self.items)

    @add.validator
    def check(self, item: str) -> None:
        if not item:
            raise ValueError("empty")


def test_signals_of_the_first_task_run_before_the_main_function() -> None:
    play = Play(Box).start()
    play.signal("put", "a")
    play.signal("put", "b")
    play.signal("close")
    assert play.to_end() == ["a", "b", "main"]


def test_a_query_sees_the_state_and_changes_nothing() -> None:
    play = Play(Box).start()
    play.task()
    play.signal("put", "x")
    play.task()
    assert play.query("held") == ["main", "x"]
    assert play.query("broken") == "failed: no"
    assert "read" in play.query("naughty").lower() or "query" in play.query("naughty").lower()
    assert play.query("missing").startswith("failed: Query handler for 'missing' expected but not found")


def test_an_update_is_accepted_and_answered_in_one_task() -> None:
    play = Play(Box).start()
    play.task()
    play.update("add", "x")
    play.task()
    assert play.outcome() == 2
    assert play.world.names()[-2:] == ["WF_UPDATE_ACCEPTED", "WF_UPDATE_COMPLETED"]


def test_a_refused_update_leaves_no_trace() -> None:
    play = Play(Box).start()
    play.task()
    before = len(play.world.history)
    play.update("add", "")
    play.task()
    assert play.outcome() == "empty"
    assert len(play.world.history) == before


def test_a_failing_update_fails_alone() -> None:
    play = Play(Box).start()
    play.task()
    play.update("add", "fails")
    play.task()
    assert play.outcome() == "cannot"
    play.signal("close")
    assert play.to_end() == ["main"]


def test_an_update_may_take_its_time() -> None:
    play = Play(Box).start()
    play.task()
    play.update("add", "slow")
    play.task()
    play.signal("close")
    play.task()
    assert play.outcome() is None
    play.world.pass_time(5 * 10**9)
    assert play.to_end() == ["main", "slow"]
    assert play.outcome() == 2


def test_an_update_nobody_handles_is_refused_with_the_names_of_those_handled() -> None:
    play = Play(Box).start()
    play.task()
    play.update("other")
    play.task()
    assert "known updates: [add]" in play.outcome()


@workflow.defn
class Late:
    def __init__(self) -> None:
        self.got: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.sleep(1)
        workflow.set_signal_handler("later", lambda item: self.got.append(item))
        await workflow.sleep(1)
        return self.got

    @workflow.query(dynamic=True)
    def anything(self, name: str, args: Sequence[RawValue]) -> str:
        return f"{name} of {len(args)}"


def test_a_signal_waits_for_its_handler() -> None:
    play = Play(Late).start()
    play.signal("later", "one")
    play.task()
    assert play.query("what", 1, 2) == "what of 2"
    assert play.to_end() == ["one"]


@workflow.defn
class Hurried:
    @workflow.run
    async def run(self) -> str:
        await workflow.sleep(1)
        return "done"

    @workflow.signal
    async def linger(self) -> None:
        await workflow.sleep(100)


def test_ending_over_a_running_handler_warns() -> None:
    play = Play(Hurried).start()
    play.signal("linger")
    with pytest.warns(RuntimeWarning, match="TMPRL1102.*linger"):
        assert play.to_end() == "done"


def test_a_run_tells_where_it_waits_and_what_it_offers() -> None:
    play = Play(Box).start()
    play.task()
    assert "in run" in play.query("__stack_trace")
    assert play.run is not None
    assert "put" in str(play.query("__temporal_workflow_metadata"))


def test_an_unknown_query_names_those_there_are() -> None:
    play = Play(Box).start()
    play.task()
    known = "__enhanced_stack_trace __stack_trace __temporal_workflow_metadata broken held naughty"
    assert f"known queries: [{known}]" in play.query("nobody")


@workflow.defn
class Counted:
    def __init__(self) -> None:
        self.total = 0

    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: self.total > 5)
        return self.total

    @workflow.signal
    async def add(self, count: int) -> None:
        self.total += count


def test_a_signal_that_cannot_be_read_is_dropped_and_the_log_says_whose_it_was(
    caplog: pytest.LogCaptureFixture,
) -> None:
    play = Play(Counted).start()
    play.signal("add", "many")
    play.signal("add", 7)
    assert play.to_end() == 7
    record = next(record for record in caplog.records if "dropping the signal" in record.getMessage())
    assert "'workflow_type': 'Counted'" in record.getMessage()
    assert vars(record)["temporal_workflow"]["workflow_id"] == "w"


@workflow.defn
class Careless:
    """Its readers do what only the workflow may do."""

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.query
    async def begins_a_task(self) -> str:
        task = asyncio.create_task(asyncio.sleep(0))
        return str(task)

    @workflow.query
    async def waits(self) -> str:
        await workflow.wait_condition(lambda: True)
        return "waited"

    @workflow.query
    async def listens_for_seeds(self) -> str:
        workflow.register_random_seed_callback(lambda seed: None)
        return "listens"

    @workflow.update
    async def change(self) -> str:
        return "changed"

    @change.validator
    def check(self) -> None:
        self.task = asyncio.ensure_future(asyncio.sleep(0))


@pytest.mark.parametrize(
    ("query", "attempted"),
    [
        ("begins_a_task", "schedule task"),
        ("waits", "wait condition"),
        ("listens_for_seeds", "register random seed callback"),
    ],
)
def test_a_query_leaves_nothing_behind(query: str, attempted: str) -> None:
    play = Play(Careless).start()
    play.task()
    told = play.query(query)
    assert told == f"failed: While in read-only function, action attempted: {attempted} (in a query)"
    assert play.run is not None and len(play.run.core.loop.pending()) == 1


def test_a_validator_that_begins_a_task_fails_the_workflow_task() -> None:
    play = Play(Careless).start()
    play.task()
    play.update("change")
    play.task()
    assert "schedule task (in an update validator)" in play.failures[0]


def test_too_many_arguments_are_told_of_as_such() -> None:
    play = Play(Box).start()
    play.task()
    play.update("add", 1, "two")
    play.until_quiet()
    assert "takes 2 positional arguments but 3 were given" in play.outcome()


def test_arguments_that_cannot_be_read_are_told_of_as_such() -> None:
    play = Play(Box).start()
    play.task()
    play.update("add", {"no": "text"})
    play.until_quiet()
    assert play.outcome() == "Failed decoding arguments"


@workflow.defn
class Alarm:
    @workflow.run
    async def run(self) -> str:
        self.timer = asyncio.create_task(asyncio.sleep(60))
        try:
            await self.timer
        except asyncio.CancelledError:
            return "stopped"
        return "rang"

    @workflow.signal
    def stop(self) -> None:
        self.timer.cancel()


def test_a_signal_that_comes_with_the_timer_it_cancels_has_nothing_to_cancel_any_more() -> None:
    play = Play(Alarm).start()
    play.task()
    play.signal("stop")
    play.world.pass_time(61 * SECOND)
    made = play.task()
    assert [command.command_type for command in made.commands] == [
        enums_command.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION
    ]
    assert play.result() == "stopped"
