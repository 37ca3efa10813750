"""The shard's turns: durable before told, crash-only, woken in time."""

import asyncio

import pytest

from tenuto.engine import types
from tenuto.engine.types import Reason, Rejected
from tenuto.limits import DAY, HOUR, SECOND
from tenuto.matching.types import QueueKind
from tenuto.store.faults import Fault
from tenuto.store.spi import VisibilityFilter
from tests.engine.support import NAMESPACE
from tests.shard.house import House, child, complete, timer, told


def test_a_start_is_stored_offered_and_readable_at_once() -> None:
    async def story(house: House) -> None:
        await house.start()
        assert await house.history() == ["WF_STARTED", "WFT_SCHEDULED"]
        await house.step(complete())
        assert (await house.history())[-1] == "WF_COMPLETED"
        rows = await house.shard.list_runs(VisibilityFilter(NAMESPACE.id), None, 10)
        assert [row.status for row in rows] == [2]

    told(story)


def test_requests_of_one_turn_see_each_other() -> None:
    async def story(house: House) -> None:
        first, second = await asyncio.gather(
            house.start(), house.start(request_id="another"), return_exceptions=True
        )
        assert isinstance(first, types.StartReply) and first.started
        assert isinstance(second, Rejected) and second.reason is Reason.ALREADY_STARTED

    told(story)


@pytest.mark.parametrize("fault", [Fault.NOT_WRITTEN, Fault.UNKNOWN_BEFORE, Fault.HALF, Fault.FENCE_LOST])
def test_a_commit_that_failed_is_answered_unavailable_and_has_left_nothing(fault: Fault) -> None:
    async def story(house: House) -> None:
        house.faults.append(("commit", fault))
        with pytest.raises(Rejected) as refused:
            await house.start()
        assert refused.value.reason is Reason.UNAVAILABLE
        await house.clock.flow(SECOND)
        assert (await house.start()).started
        assert await house.history() == ["WF_STARTED", "WFT_SCHEDULED"]

    told(story)


def test_a_commit_of_unknown_outcome_that_was_written_is_found_by_the_retry() -> None:
    async def story(house: House) -> None:
        house.faults.append(("commit", Fault.UNKNOWN_AFTER))
        with pytest.raises(Rejected):
            await house.start()
        await house.clock.flow(SECOND)
        again = await house.start()
        assert again.started, "the same request id is recognised"
        assert await house.history() == ["WF_STARTED", "WFT_SCHEDULED"]

    told(story)


def test_a_decision_that_breaks_harms_only_its_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(house: House) -> None:
        await house.start("good")
        with pytest.raises(KeyError):
            await house.ask("good", object())
        assert (await house.describe("good")).workflow_execution_info.history_length == 2

    told(story)


def test_a_timer_fires_at_its_time_and_not_before() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.step(timer("t", 30))
        await house.clock.flow(30 * SECOND - 2)
        assert "TIMER_FIRED" not in await house.history()
        await house.clock.flow(SECOND)
        assert "TIMER_FIRED" in await house.history()

    told(story)


def test_a_timer_far_beyond_the_horizon_fires_after_a_restart() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.step(timer("t", 7200))
        await house.restart()
        await house.clock.flow(2 * HOUR + SECOND, turns=30)
        assert "TIMER_FIRED" in await house.history()

    told(story)


def test_what_is_owed_is_offered_again_after_a_restart() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.restart()
        await house.clock.flow(SECOND)
        _, handout = await house.take()
        assert handout.started_id == 3

    told(story)


def test_a_task_with_a_worker_survives_a_restart_by_its_token() -> None:
    async def story(house: House) -> None:
        await house.start()
        key, handout = await house.take()
        await house.restart()
        from tenuto.wire import workflowservice as ws
        from tests.engine.support import token_of

        message = ws.RespondWorkflowTaskCompletedRequest(identity="worker", commands=[complete()])
        await house.shard.submit(key, types.CompleteWorkflowTask(token_of(handout), message))
        assert (await house.history())[-1] == "WF_COMPLETED"

    told(story)


def test_a_child_is_started_and_reports_across_chains() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.step(child("kid"))
        await house.clock.flow(SECOND)
        assert "CHILD_WF_STARTED" in "".join(
            name.replace("WORKFLOW_EXECUTION", "WF") for name in await house.history()
        )
        await house.step(complete(), queue="children")
        await house.clock.flow(SECOND)
        names = await house.history()
        assert any(name.startswith("CHILD") and name.endswith("COMPLETED") for name in names)

    told(story)


def test_a_message_lost_with_the_process_is_sent_again() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.step(child("kid"))
        house.shard.crash()
        await house.open()
        await house.clock.flow(5 * SECOND)
        assert (await house.describe("kid")).workflow_execution_info.status == 1

    told(story)


def test_a_closed_run_is_deleted_when_its_retention_is_over() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.step(complete())
        await house.clock.flow(NAMESPACE.retention_ns - 60 * SECOND, turns=2)
        assert (await house.describe()).workflow_execution_info.status == 2
        await house.clock.flow(DAY // 24, turns=4)
        with pytest.raises(Rejected) as gone:
            await house.describe()
        assert gone.value.reason is Reason.NOT_FOUND
        assert not await house.shard.list_runs(VisibilityFilter(NAMESPACE.id), None, 10)

    told(story)


def test_chains_that_were_evicted_come_back_as_they_were() -> None:
    async def run() -> None:
        house = await House(cache_bytes=1).open()
        for number in range(20):
            await house.start(f"w{number}")
        for number in range(20):
            info = (await house.describe(f"w{number}")).workflow_execution_info
            assert info.history_length == 2
        match = await house.match(QueueKind.WORKFLOW)
        assert match is not None and match.offer is not None
        assert match.offer.ticket.workflow_id == "w0", "offers keep their order"
        closing = asyncio.ensure_future(house.shard.close())
        await house.clock.flow(SECOND)
        await closing

    asyncio.run(run())


def test_a_closed_shard_refuses_with_unavailable() -> None:
    async def run() -> None:
        house = await House().open()
        closing = asyncio.ensure_future(house.shard.close())
        await house.clock.flow(SECOND)
        await closing
        with pytest.raises(Rejected) as refused:
            await house.start()
        assert refused.value.reason is Reason.UNAVAILABLE

    asyncio.run(run())
