"""A shard whose workers live in its own process: what they had when it died is given back when it stands up again."""

from tenuto.engine import types
from tenuto.limits import HOUR, SECOND
from tenuto.matching.types import Match, QueueKind
from tests.engine.activities import scheduled, seconds
from tests.shard.house import House, complete, timer, told


async def restart(house: House) -> None:
    """The process dies; a second later another stands in its place."""
    await house.clock.flow(SECOND)
    await house.restart()


async def take_activity(house: House) -> Match:
    match = await house.match(QueueKind.ACTIVITY, "activities")
    assert match is not None
    assert match.offer is not None
    ticket = match.offer.ticket
    request = types.StartActivityTask(
        ticket.run_id, ticket.scheduled_event_id, ticket.attempt, ticket.stamp, "worker", "poll"
    )
    await house.ask(ticket.workflow_id, request)
    return match


def test_a_workflow_task_in_hand_comes_back_at_once() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.take()
        await restart(house)
        await house.clock.flow(SECOND // 1000)
        _, handout = await house.take()
        assert handout.attempt == 2
        assert await house.history() == ["WF_STARTED", "WFT_SCHEDULED", "WFT_STARTED", "WFT_TIMED_OUT"]

    told(story, workers_inside=True)


def test_an_activity_in_hand_comes_back_at_once_however_long_it_might_have_taken() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.step(scheduled(start_to_close_timeout=seconds(86_400)))
        await take_activity(house)
        await restart(house)
        await house.clock.flow(SECOND // 1000)
        match = await take_activity(house)
        assert match.offer is not None
        assert match.offer.ticket.attempt == 2

    told(story, workers_inside=True)


def test_workers_elsewhere_keep_what_they_have() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.step(scheduled(start_to_close_timeout=seconds(86_400)))
        await take_activity(house)
        await restart(house)
        assert await house.match(QueueKind.ACTIVITY, "activities", SECOND) is None

    told(story)


def test_what_was_begun_since_survives_a_chain_that_leaves_memory_and_a_shard_that_reloads() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.step(scheduled(start_to_close_timeout=seconds(86_400)))
        await restart(house)
        await take_activity(house)
        house.shard._cache.clear()
        await house.describe()
        await house.clock.flow(SECOND)
        assert await house.match(QueueKind.ACTIVITY, "activities", SECOND) is None

    told(story, workers_inside=True)


def test_sleeping_chains_are_not_even_loaded() -> None:
    async def story(house: House) -> None:
        for number in range(20):
            await house.start(f"sleeper-{number}", request_id=f"r{number}")
            await house.step(timer("t", 10 * 86_400))
        await house.start("busy", request_id="busy")
        await house.take()
        await restart(house)
        await house.clock.flow(SECOND)
        assert len(house.shard._cache) == 1
        await house.clock.flow(HOUR)
        await house.step(complete())

    told(story, workers_inside=True)
