"""The pure queue: order, fairness, limits, stickiness."""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tenuto.matching.lane import Asked, Waiting
from tenuto.matching.queue import TaskQueue
from tenuto.matching.types import (
    Match,
    Offer,
    Poller,
    Query,
    QueueKey,
    QueueKind,
    RateSetting,
    RateSource,
    Ticket,
)

S = 1_000_000_000
T0 = 1_700_000_000 * S
ACTIVITIES = QueueKey("ns", "work", QueueKind.ACTIVITY)
STICKY = QueueKey("ns", "w-1", QueueKind.WORKFLOW, "work")


def offer(n: int, key: QueueKey = ACTIVITIES, **more: object) -> Offer:
    return replace(Offer(key, Ticket("ns", "w", "r", n, 1, 0)), **more)  # type: ignore[arg-type]


def poller(key: QueueKey = ACTIVITIES, **more: object) -> Poller:
    return replace(Poller(key, "me", "p"), **more)  # type: ignore[arg-type]


def take(queue: TaskQueue, now: int, who: Poller | None = None) -> Match | None:
    who = who or poller()
    queue.saw(who, now)
    return queue.take(who, now)


def number(match: Match | None) -> int | None:
    return match.offer.ticket.scheduled_event_id if match is not None and match.offer is not None else None


def numbers(queue: TaskQueue, now: int, count: int) -> list[int | None]:
    return [number(take(queue, now)) for _ in range(count)]


def test_offers_leave_by_priority_and_then_in_order_of_arrival() -> None:
    queue = TaskQueue(ACTIVITIES, T0)
    for n, priority in enumerate((3, 5, 1, 0, 1, 9)):
        assert queue.offer(offer(n, priority=priority), T0)
    assert numbers(queue, T0, 7) == [2, 4, 0, 3, 1, 5, None]


def test_the_same_ticket_twice_is_one_offer() -> None:
    queue = TaskQueue(ACTIVITIES, T0)
    assert queue.offer(offer(1), T0)
    assert not queue.offer(offer(1), T0)
    assert numbers(queue, T0, 2) == [1, None]
    assert queue.offer(offer(1), T0)


def test_a_withdrawn_offer_is_never_given() -> None:
    queue = TaskQueue(ACTIVITIES, T0)
    for n in range(3):
        queue.offer(offer(n), T0)
    assert queue.withdraw(offer(1).ticket)
    assert not queue.withdraw(offer(1).ticket)
    assert numbers(queue, T0, 3) == [0, 2, None]


def test_an_offer_given_back_is_the_first_to_leave_again() -> None:
    queue = TaskQueue(ACTIVITIES, T0)
    for n in range(4):
        queue.offer(offer(n, fairness_key=f"k{n % 2}"), T0)
    first = take(queue, T0)
    assert first is not None and first.offer is not None
    queue.give_back(first.offer)
    assert not queue.give_back(first.offer)
    assert number(take(queue, T0)) == number(first)


def test_fairness_keys_share_by_weight_and_a_late_key_does_not_catch_up() -> None:
    queue = TaskQueue(ACTIVITIES, T0)
    for n in range(300):
        queue.offer(offer(n, fairness_key="big"), T0)
    for _ in range(100):
        take(queue, T0)
    for n in range(1000, 1300):
        queue.offer(offer(n, fairness_key="late", fairness_weight=3.0), T0)
    got = Counter(match.offer.fairness_key for _ in range(80) if (match := take(queue, T0)) and match.offer)
    assert abs(got["late"] - 60) <= 2 and abs(got["big"] - 20) <= 2


def test_each_fairness_key_has_its_own_limit_scaled_by_weight() -> None:
    queue = TaskQueue(ACTIVITIES, T0)
    queue.set_fairness_rate(RateSetting(2.0, "", "", T0))
    for n in range(100):
        queue.offer(offer(n, fairness_key="one"), T0)
        queue.offer(offer(100 + n, fairness_key="two", fairness_weight=2.0), T0)
    got: Counter[str] = Counter()
    for step in range(41):
        while (match := take(queue, T0 + step * S // 10)) is not None and match.offer is not None:
            got[match.offer.fairness_key] += 1
    assert got == {"one": 2 + 8, "two": 4 + 16}
    queue.park(Waiting(poller(), T0))
    assert T0 + 4 * S < (queue.next_at(T0 + 4 * S) or 0) <= T0 + 5 * S


def test_the_last_poll_sets_the_rate_and_the_api_overrides_it() -> None:
    queue = TaskQueue(ACTIVITIES, T0)
    for n in range(100):
        queue.offer(offer(n), T0)
    assert number(take(queue, T0, poller(max_tasks_per_second=0.0))) is None
    assert queue.describe(T0).effective_rate == 0
    assert number(take(queue, T0 + S, poller(max_tasks_per_second=1.0))) == 0
    assert number(take(queue, T0 + S, poller(max_tasks_per_second=1.0))) is None
    assert number(take(queue, T0 + 2 * S)) == 1
    queue.set_rate(RateSetting(5.0, "", "", T0 + 60 * S))
    assert numbers(queue, T0 + 60 * S, 6)[-2:] == [6, None]
    assert queue.describe(T0 + 60 * S).rate_source is RateSource.API
    queue.set_rate(RateSetting(None, "", "", T0 + 60 * S))
    assert queue.describe(T0 + 60 * S).rate_source is RateSource.WORKER


def test_workflow_queues_ignore_what_workers_ask() -> None:
    key = QueueKey("ns", "work", QueueKind.WORKFLOW)
    queue = TaskQueue(key, T0)
    queue.offer(offer(1, key), T0)
    assert number(take(queue, T0, poller(key, max_tasks_per_second=0.0))) == 1


def test_a_worker_over_its_own_limit_lets_others_pass() -> None:
    queue = TaskQueue(ACTIVITIES, T0)
    slow = poller(identity="slow", worker_tasks_per_second=1.0)
    for name in ("a", "b"):
        queue.park(Waiting(replace(slow, poll_id=name), T0))
    queue.park(Waiting(poller(poll_id="c"), T0))
    for n in range(3):
        queue.offer(offer(n), T0)
    served = []
    while (pair := queue.next_pair(T0)) is not None:
        served.append(pair.waiting.poller.poll_id)
    assert served == ["a", "c"]
    assert queue.next_at(T0) == T0 + S
    last = queue.next_pair(T0 + S)
    assert last is not None and last.waiting.poller.poll_id == "b"


def test_versioned_offers_meet_only_polls_of_their_build() -> None:
    queue = TaskQueue(ACTIVITIES, T0)
    queue.offer(offer(1, deployment="d", build_id="b1"), T0)
    assert number(take(queue, T0)) is None
    assert number(take(queue, T0, poller(versioning=True, deployment="d", build_id="b2"))) is None
    assert number(take(queue, T0, poller(versioning=True, deployment="d", build_id="b1"))) == 1
    assert queue.count == 0


def test_queries_come_before_offers_and_ignore_limits() -> None:
    queue = TaskQueue(ACTIVITIES, T0)
    queue.saw(poller(max_tasks_per_second=0.0), T0)
    queue.offer(offer(1), T0)
    queue.ask(Asked(Query(ACTIVITIES, "q", "ns", "w", "r"), T0 + S))
    assert queue.next_pair(T0) is None
    queue.park(Waiting(poller(), T0))
    pair = queue.next_pair(T0)
    assert pair is not None and pair.match.query is not None and pair.match.offer is None
    assert queue.next_pair(T0) is None


def test_a_sticky_queue_accepts_while_its_worker_polls_and_ten_seconds_more() -> None:
    queue = TaskQueue(STICKY, T0)
    assert not queue.accepting(T0)
    waiting = Waiting(poller(STICKY), T0)
    queue.saw(waiting.poller, T0)
    queue.park(waiting)
    assert queue.accepting(T0 + 59 * S)
    queue.leave(waiting, T0 + 60 * S)
    assert queue.accepting(T0 + 70 * S)
    assert not queue.accepting(T0 + 70 * S + 1)
    queue.saw(poller(STICKY), T0 + 80 * S)
    queue.unload()
    assert not queue.accepting(T0 + 80 * S)


def test_advice_is_fewer_polls_after_idling_and_more_when_offers_are_old() -> None:
    queue = TaskQueue(ACTIVITIES, T0)
    queue.saw(poller(), T0)
    queue.park(Waiting(poller(), T0))
    queue.offer(offer(0), T0 + 2 * S)
    pair = queue.next_pair(T0 + 2 * S)
    assert pair is not None and pair.match.scaling_delta == -1
    now = T0 + 10 * S
    for n in range(1, 9):
        queue.offer(offer(n, created_at=now - S), now)
    assert [match.scaling_delta for _ in range(3) if (match := take(queue, now))] == [1, None, None]
    later = take(queue, now + S // 10)
    assert later is not None and later.scaling_delta == 1


def test_statistics_tell_backlog_age_and_rates_by_priority() -> None:
    queue = TaskQueue(ACTIVITIES, T0)
    for n in range(60):
        queue.offer(offer(n, priority=1 if n % 2 else 3, created_at=T0 + n), T0 + n * S // 2)
    now = T0 + 29 * S
    for _ in range(15):
        take(queue, now)
    seen = queue.describe(now)
    assert seen.stats.backlog_count == 45
    assert seen.stats_by_priority[1].backlog_count == 15
    assert seen.stats_by_priority[3].backlog_age_ns == 29 * S
    assert abs(seen.stats.add_rate - 2.0) < 0.1 and abs(seen.stats.dispatch_rate - 0.5) < 0.1
    assert queue.describe(now + 60 * S).stats.add_rate == 0
    assert [p.identity for p in seen.pollers] == ["me"]
    assert not queue.describe(now + 301 * S).pollers


def test_keys_that_come_and_go_unserved_leave_no_trace() -> None:
    queue = TaskQueue(ACTIVITIES, T0)
    for n in range(20_000):
        queue.offer(offer(n, fairness_key=f"k{n}"), T0)
        queue.withdraw(offer(n).ticket)
    level = queue._plain.backlog.levels[2]
    assert len(level._shares) <= 2_000 and len(level._turns) <= 4_000


@settings(max_examples=60, deadline=None)
@given(
    rate=st.floats(0.2, 50),
    gaps=st.lists(st.integers(0, S), min_size=1, max_size=120),
)
def test_dispatches_in_any_interval_stay_below_rate_plus_burst(rate: float, gaps: list[int]) -> None:
    queue = TaskQueue(ACTIVITIES, T0)
    queue.set_rate(RateSetting(rate, "", "", T0))
    for n in range(2000):
        queue.offer(offer(n), T0)
    now = T0
    given_at: list[int] = []
    for gap in gaps:
        now += gap
        while take(queue, now) is not None:
            given_at.append(now)
    burst = max(1.0, rate)
    for i, start in enumerate(given_at[:: max(1, len(given_at) // 40)]):
        for j, end in enumerate(given_at):
            if end >= start:
                inside = sum(1 for at in given_at[: j + 1] if at >= start)
                assert inside <= burst + rate * (end - start) / S + 1e-6, (i, j)
                break
    assert len(given_at) <= burst + rate * (now - T0) / S + 1e-6


class Walk(RuleBasedStateMachine):
    """Offers, polls, withdrawals and returns at random, against a list."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = TaskQueue(ACTIVITIES, T0)
        self.now = T0
        self.owed: dict[int, Offer] = {}
        self.given: dict[int, Offer] = {}
        self.returned: list[int] = []
        self.order: list[int] = []
        self.parked: list[Waiting] = []
        self.fair = False

    @rule(n=st.integers(0, 60), priority=st.integers(1, 5), key=st.sampled_from(["", "", "a", "b"]))
    def offers(self, n: int, priority: int, key: str) -> None:
        new = offer(n, priority=priority, fairness_key=key)
        assert self.queue.offer(new, self.now) == (n not in self.owed)
        if n not in self.owed:
            self.owed[n] = new
            self.order.append(n)
            self.given.pop(n, None)
        self.pair()

    @rule(n=st.integers(0, 60))
    def withdraws(self, n: int) -> None:
        assert self.queue.withdraw(offer(n).ticket) == (n in self.owed)
        if self.owed.pop(n, None):
            self.order.remove(n)

    @rule(passed=st.integers(0, 2 * S))
    def time_passes(self, passed: int) -> None:
        self.now += passed
        self.pair()

    @rule(rate=st.sampled_from([None, 0.0, 0.5, 3.0, 1000.0]))
    def the_rate_changes(self, rate: float | None) -> None:
        self.queue.set_rate(RateSetting(rate, "", "", self.now))
        self.pair()

    @rule(rate=st.sampled_from([None, None, 0.5, 10.0]))
    def the_fairness_rate_changes(self, rate: float | None) -> None:
        self.fair = rate is not None
        self.queue.set_fairness_rate(RateSetting(rate, "", "", self.now))
        self.pair()

    @rule(own=st.sampled_from([None, None, 1.0]))
    def polls(self, own: float | None) -> None:
        who = poller(identity=f"w{own}", worker_tasks_per_second=own)
        self.queue.saw(who, self.now)
        match = self.queue.take(who, self.now)
        if match is None:
            waiting = Waiting(who, self.now)
            self.queue.park(waiting)
            self.parked.append(waiting)
            self.pair()
        else:
            self.got(match)

    @precondition(lambda self: self.parked)
    @rule(pick=st.integers(0, 100))
    def a_poll_ends(self, pick: int) -> None:
        assert self.queue.leave(self.parked.pop(pick % len(self.parked)))

    @precondition(lambda self: self.given)
    @rule(pick=st.integers(0, 100))
    def gives_back(self, pick: int) -> None:
        n = sorted(self.given)[pick % len(self.given)]
        back = self.given.pop(n)
        assert self.queue.give_back(back)
        self.owed[n] = back
        self.order.insert(0, n)
        self.pair()

    def pair(self) -> None:
        while (pair := self.queue.next_pair(self.now)) is not None:
            self.parked.remove(pair.waiting)
            self.got(pair.match)
        if self.parked and self.owed and (at := self.queue.next_at(self.now)) is not None:
            assert at >= self.now

    def got(self, match: Match) -> None:
        assert match.offer is not None
        n = match.offer.ticket.scheduled_event_id
        assert self.owed.pop(n) is match.offer
        ahead = [
            m
            for m in self.order[: self.order.index(n)]
            if (self.owed[m].priority, self.owed[m].fairness_key)
            == (match.offer.priority, match.offer.fairness_key)
        ]
        assert not ahead, "first in first out within priority and key"
        if not self.fair:
            assert all(waiting.priority >= match.offer.priority for waiting in self.owed.values())
        self.order.remove(n)
        self.given[n] = match.offer

    @invariant()
    def nothing_is_lost(self) -> None:
        assert self.queue.count == len(self.owed)
        assert self.queue.parked == len(self.parked)

    def teardown(self) -> None:
        self.queue.set_rate(RateSetting(None, "", "", self.now))
        self.queue.set_fairness_rate(RateSetting(None, "", "", self.now))
        self.fair = False
        for waiting in list(self.parked):
            self.queue.leave(waiting)
        left = numbers(self.queue, self.now, len(self.owed) + 1)
        assert left[-1] is None and set(left[:-1]) == set(self.owed)


TestRandomWalks = Walk.TestCase
TestRandomWalks.settings = settings(max_examples=120, stateful_step_count=50, deadline=None)
