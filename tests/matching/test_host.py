"""Matching on virtual time: parked polls, cancellation, sticky queues, queries, credit, memory."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tenuto.clock import ManualClock
from tenuto.matching.host import Matching
from tenuto.matching.types import (
    Match,
    Offer,
    OfferResult,
    Poller,
    Query,
    QueryHandover,
    QueueKey,
    QueueKind,
    Ticket,
)

S = 1_000_000_000
NORMAL = QueueKey("ns", "work", QueueKind.WORKFLOW)
ACTIVITIES = QueueKey("ns", "work", QueueKind.ACTIVITY)
NEXUS = QueueKey("ns", "work", QueueKind.NEXUS)
STICKY = QueueKey("ns", "w-1", QueueKind.WORKFLOW, "work")


class House:
    """Matching on a clock moved by hand, and what it told its shard."""

    def __init__(self, window: int = 10_000) -> None:
        self.clock = ManualClock()
        self.refused: list[Offer] = []
        self.credits: list[tuple[QueueKey, int]] = []
        self.matching = Matching(
            self.clock, self.refused.append, lambda key, n: self.credits.append((key, n)), window
        )

    def poll(self, key: QueueKey = NORMAL, seconds: float = 60, **more: Any) -> "asyncio.Task[Match | None]":
        poller = replace(Poller(key, "me", "p"), **more)
        return asyncio.ensure_future(self.matching.poll(poller, self.clock.now() + int(seconds * S)))

    def query(
        self, key: QueueKey = NORMAL, seconds: float = 10, name: str = "q"
    ) -> "asyncio.Task[QueryHandover]":
        query = Query(key, name, "ns", "w", "r")
        return asyncio.ensure_future(self.matching.query(query, self.clock.now() + int(seconds * S)))


def offer(n: int, key: QueueKey = NORMAL, **more: Any) -> Offer:
    return replace(Offer(key, Ticket("ns", "w", "r", n, 1, 0)), **more)


def on_virtual_time(test: Callable[[House], Awaitable[None]], window: int = 10_000) -> None:
    async def scene() -> None:
        await test(House(window))

    asyncio.run(scene())


def number(match: Match | None) -> int | None:
    return match.offer.ticket.scheduled_event_id if match is not None and match.offer is not None else None


def test_a_parked_poll_gets_the_next_offer_and_the_first_parked_is_served_first() -> None:
    async def scene(house: House) -> None:
        polls = [house.poll(), house.poll()]
        await house.clock.flow()
        for n in (1, 2):
            assert house.matching.offer(offer(n)) is OfferResult.TAKEN
        assert [number(await poll) for poll in polls] == [1, 2]

    on_virtual_time(scene)


def test_a_poll_that_finds_nothing_ends_at_its_deadline() -> None:
    async def scene(house: House) -> None:
        poll = house.poll(seconds=5)
        await house.clock.flow(5 * S - 1)
        assert not poll.done()
        await house.clock.flow(1)
        assert await poll is None
        assert house.matching.offer(offer(1)) is OfferResult.TAKEN
        assert number(await house.poll(seconds=0)) == 1

    on_virtual_time(scene)


def test_cancelling_a_poll_after_it_was_paired_returns_the_offer_to_the_front() -> None:
    async def scene(house: House) -> None:
        poll = house.poll()
        await house.clock.flow()
        house.matching.offer(offer(1))
        house.matching.offer(offer(2))
        poll.cancel()
        await house.clock.flow()
        assert poll.cancelled()
        assert [number(await house.poll()), number(await house.poll())] == [1, 2]

    on_virtual_time(scene)


def test_an_offer_made_while_a_cancelled_poll_still_stands_there_goes_to_the_next() -> None:
    async def scene(house: House) -> None:
        first, second = house.poll(), house.poll()
        await house.clock.flow()
        first.cancel()
        house.matching.offer(offer(1))
        await house.clock.flow()
        assert first.cancelled() and number(await second) == 1

    on_virtual_time(scene)


def test_given_back_offers_go_first_and_withdrawn_ones_nowhere() -> None:
    async def scene(house: House) -> None:
        for n in (1, 2, 3):
            house.matching.offer(offer(n))
        match = await house.poll()
        assert match is not None
        house.matching.give_back(match)
        house.matching.withdraw(offer(2).ticket)
        house.matching.withdraw(offer(99).ticket)
        assert house.matching.offer(offer(3)) is OfferResult.DUPLICATE
        assert [number(await house.poll()) for _ in range(2)] == [1, 3]

    on_virtual_time(scene)


def test_a_ticket_offered_on_another_queue_moves_there() -> None:
    async def scene(house: House) -> None:
        other = replace(offer(1), queue=QueueKey("ns", "elsewhere", QueueKind.WORKFLOW))
        house.matching.offer(offer(1))
        assert house.matching.offer(other) is OfferResult.TAKEN
        assert await house.poll(seconds=0) is None
        assert number(await house.poll(other.queue)) == 1

    on_virtual_time(scene)


def test_a_limited_queue_serves_parked_polls_when_its_tokens_return() -> None:
    async def scene(house: House) -> None:
        for n in range(4):
            house.matching.offer(offer(n, ACTIVITIES))
        polls = [house.poll(ACTIVITIES, max_tasks_per_second=2.0) for _ in range(4)]
        await house.clock.flow()
        assert [poll.done() for poll in polls] == [True, True, False, False]
        await house.clock.flow(S // 2)
        assert [poll.done() for poll in polls] == [True, True, True, False]
        house.matching.set_rate_limit(ACTIVITIES, 0)
        await house.clock.flow(10 * S)
        assert not polls[3].done()
        house.matching.set_rate_limit(ACTIVITIES, 100)
        await house.clock.flow(S)
        assert number(await polls[3]) == 3

    on_virtual_time(scene)


def test_a_sticky_queue_refuses_without_a_recent_poll() -> None:
    async def scene(house: House) -> None:
        assert house.matching.offer(offer(1, STICKY)) is OfferResult.REFUSED_STICKY
        assert await house.query(STICKY) is QueryHandover.NO_POLLER
        poll = house.poll(STICKY, seconds=1)
        await house.clock.flow(S)
        assert await poll is None
        assert house.matching.offer(offer(1, STICKY)) is OfferResult.TAKEN
        await house.clock.flow(11 * S)
        assert house.matching.offer(offer(2, STICKY)) is OfferResult.REFUSED_STICKY

    on_virtual_time(scene)


def test_shutting_a_worker_down_returns_what_its_sticky_queue_held() -> None:
    async def scene(house: House) -> None:
        assert await house.poll(STICKY, seconds=0) is None
        house.matching.offer(offer(1, STICKY))
        assert number(await house.poll(STICKY)) == 1
        house.matching.offer(offer(2, STICKY))
        house.matching.offer(offer(3, STICKY))
        house.matching.unload_sticky_named("ns", "w-1")
        assert house.refused == [offer(2, STICKY), offer(3, STICKY)]
        assert house.matching.offer(offer(2, STICKY)) is OfferResult.REFUSED_STICKY
        assert house.matching.offer(offer(2)) is OfferResult.TAKEN
        back = house.poll(STICKY)
        await house.clock.flow()
        assert house.matching.offer(offer(4, STICKY)) is OfferResult.TAKEN
        assert number(await back) == 4

    on_virtual_time(scene)


def test_unloading_a_sticky_queue_keeps_its_parked_polls_but_refuses_offers_and_waiting_queries() -> None:
    async def scene(house: House) -> None:
        assert await house.poll(STICKY, seconds=0) is None
        query = house.query(STICKY)
        await house.clock.flow()
        house.matching.unload_sticky(STICKY)
        assert await query is QueryHandover.NO_POLLER
        poll = house.poll(STICKY)
        await house.clock.flow()
        house.matching.unload_sticky(STICKY)
        assert house.matching.offer(offer(1, STICKY)) is OfferResult.REFUSED_STICKY
        assert not poll.done()
        await house.clock.flow(60 * S)
        assert await poll is None

    on_virtual_time(scene)


def test_a_query_meets_a_waiting_poll_or_waits_for_one_or_runs_out_of_time() -> None:
    async def scene(house: House) -> None:
        poll = house.poll()
        await house.clock.flow()
        assert await house.query(name="first") is QueryHandover.HANDED_OVER
        match = await poll
        assert match is not None and match.query is not None and match.query.query_id == "first"
        waiting = house.query(name="second")
        await house.clock.flow(5 * S)
        house.matching.offer(offer(1))
        served = await house.poll()
        assert served is not None and served.query is not None and served.query.query_id == "second"
        assert await waiting is QueryHandover.HANDED_OVER
        late = house.query(seconds=3)
        await house.clock.flow(3 * S)
        assert await late is QueryHandover.TIMED_OUT
        assert number(await house.poll()) == 1

    on_virtual_time(scene)


def test_a_nexus_task_is_a_question_that_waits_for_a_poll_of_its_kind() -> None:
    async def scene(house: House) -> None:
        other = house.poll()
        handler = house.poll(NEXUS)
        await house.clock.flow()
        assert await house.query(NEXUS, name="task") is QueryHandover.HANDED_OVER
        match = await handler
        assert match is not None and match.query is not None and match.query.query_id == "task"
        assert not other.done()
        lonely = house.query(NEXUS, seconds=8)
        await house.clock.flow(8 * S)
        assert await lonely is QueryHandover.TIMED_OUT
        assert await house.poll(NEXUS, seconds=0) is None, "nothing is kept for later"
        other.cancel()

    on_virtual_time(scene)


def test_a_query_survives_the_poll_that_vanished_and_the_match_that_came_back() -> None:
    async def scene(house: House) -> None:
        poll = house.poll()
        await house.clock.flow()
        query = house.query()
        await asyncio.sleep(0)
        poll.cancel()
        await house.clock.flow()
        assert poll.cancelled() and not query.done()
        match = await house.poll()
        assert match is not None and match.query is not None
        assert await query is QueryHandover.HANDED_OVER
        house.matching.give_back(match)
        assert await house.poll() == match
        house.matching.give_back(match)
        await house.clock.flow(10 * S)
        assert await house.poll(seconds=0) is None

    on_virtual_time(scene)


def test_a_cancelled_query_is_not_given_to_anyone() -> None:
    async def scene(house: House) -> None:
        query = house.query()
        await house.clock.flow()
        query.cancel()
        poll = house.poll(seconds=1)
        await house.clock.flow(S)
        assert await poll is None

    on_virtual_time(scene)


def test_a_full_window_refuses_and_gives_credit_when_half_of_it_is_free() -> None:
    async def scene(house: House) -> None:
        for n in range(4):
            assert house.matching.offer(offer(n)) is OfferResult.TAKEN
        assert house.matching.offer(offer(9)) is OfferResult.NO_CREDIT
        await house.poll()
        await house.clock.flow(1)
        assert house.credits == []
        house.matching.withdraw(offer(3).ticket)
        await house.clock.flow(1)
        assert house.credits == [(NORMAL, 2)]
        assert house.matching.offer(offer(9)) is OfferResult.TAKEN
        await house.poll()
        await house.clock.flow(1)
        assert len(house.credits) == 1

    on_virtual_time(scene, window=4)


def test_a_workers_polls_are_completed_on_its_queue_and_the_sticky_one_beside_it() -> None:
    async def scene(house: House) -> None:
        mine = [house.poll(worker_instance_key="k"), house.poll(STICKY, worker_instance_key="k")]
        others = house.poll(identity="you")
        await house.clock.flow()
        assert house.matching.cancel_polls("other-ns", "k", "work") == 0
        assert house.matching.cancel_polls("ns", "k", "work") == 2
        assert [await poll for poll in mine] == [None, None]
        assert not others.done()
        others.cancel()

    on_virtual_time(scene)


def test_idle_queues_are_forgotten_and_configured_or_used_ones_are_not() -> None:
    async def scene(house: House) -> None:
        kept = QueueKey("ns", "configured", QueueKind.ACTIVITY)
        full = QueueKey("ns", "full", QueueKind.WORKFLOW)
        house.matching.set_rate_limit(kept, 5.0, "why", "who")
        house.matching.offer(offer(7, full))
        for n in range(50):
            await house.poll(QueueKey("ns", f"q{n}", QueueKind.WORKFLOW), seconds=0)
            await house.poll(QueueKey("ns", f"s{n}", QueueKind.WORKFLOW, "work"), seconds=0)
        await house.poll(STICKY, seconds=0)
        house.matching.offer(offer(8, STICKY))
        await house.clock.flow(180 * S)
        assert len(house.matching.queues()) == 53
        await house.clock.flow(720 * S)
        assert set(house.matching.queues()) == {kept, full, STICKY}
        assert house.refused == []
        await house.clock.flow(25 * 3600 * S)
        assert house.refused == [offer(8, STICKY)]
        setting = house.matching.describe(kept).queue_rate
        assert setting is not None and (setting.rate, setting.reason, setting.identity) == (5.0, "why", "who")

    on_virtual_time(scene)


def test_a_sticky_queue_lives_on_between_two_long_polls() -> None:
    async def scene(house: House) -> None:
        for _ in range(5):
            poll = house.poll(STICKY)
            await house.clock.flow(60 * S)
            assert await poll is None
            assert house.matching.queues() == [STICKY]

    on_virtual_time(scene)


def test_closing_ends_polls_and_queries_and_takes_no_more() -> None:
    async def scene(house: House) -> None:
        poll, query = house.poll(), house.query(ACTIVITIES)
        await house.clock.flow()
        house.matching.close()
        assert await poll is None and await query is QueryHandover.NO_POLLER
        assert house.matching.offer(offer(1)) is OfferResult.NO_CREDIT
        assert await house.poll() is None
        await house.clock.flow()
        assert house.clock.next_at() is None

    on_virtual_time(scene)


def test_describing_an_unknown_queue_shows_zeros_and_does_not_create_it() -> None:
    async def scene(house: House) -> None:
        seen = house.matching.describe(NORMAL)
        assert seen.stats.backlog_count == 0 and list(seen.stats_by_priority) == [3]
        assert house.matching.queues() == []

    on_virtual_time(scene)


moves = st.sampled_from(["offer", "offer", "poll", "cancel", "withdraw", "back", "turn", "time", "rate"])
steps = st.lists(st.tuples(moves, st.integers(0, 30)), max_size=80)


@settings(max_examples=150, deadline=None)
@given(steps)
def test_whatever_happens_every_offer_is_waiting_or_in_one_hand(walk: list[tuple[str, int]]) -> None:
    async def scene(house: House) -> None:
        polls: list[asyncio.Task[Match | None]] = []
        offered: set[int] = set()
        hands: list[Match] = []

        def collect() -> None:
            for poll in [poll for poll in polls if poll.done()]:
                polls.remove(poll)
                if not poll.cancelled() and (match := poll.result()) is not None:
                    hands.append(match)

        for what, n in walk:
            if what == "offer" and n not in offered:
                assert house.matching.offer(offer(n, ACTIVITIES, priority=n % 3)) is OfferResult.TAKEN
                offered.add(n)
            elif what == "poll":
                polls.append(house.poll(ACTIVITIES, seconds=n / 4, poll_id=str(n)))
            elif what == "cancel" and polls:
                polls[n % len(polls)].cancel()
            elif what == "withdraw":
                before = house.matching.describe(ACTIVITIES).stats.backlog_count
                house.matching.withdraw(offer(n).ticket)
                if house.matching.describe(ACTIVITIES).stats.backlog_count < before:
                    offered.remove(n)
            elif what == "back" and hands:
                house.matching.give_back(hands.pop(n % len(hands)))
            elif what == "turn":
                await asyncio.sleep(0)
            elif what == "time":
                await house.clock.flow(n * S // 10)
            elif what == "rate":
                house.matching.set_rate_limit(ACTIVITIES, None if n > 15 else n / 2)
            collect()
        house.matching.set_rate_limit(ACTIVITIES, None)
        await house.clock.flow(60 * S)
        collect()
        assert not polls
        while (match := await house.poll(ACTIVITIES, seconds=0)) is not None:
            hands.append(match)
        assert sorted(number(match) or 0 for match in hands) == sorted(offered)

    on_virtual_time(scene)
