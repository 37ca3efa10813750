"""One task queue: offers meet polls.

Pure: the instant comes in as ``now`` (ns), pairs go out; nothing here waits, sleeps or draws lots. It must
never decide what happens to a pair: the host delivers it, and gives back what it could not deliver.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tenuto.matching.backlog import FairnessRules, level_of
from tenuto.matching.lane import Asked, Lane, Waiting
from tenuto.matching.rate import Bucket, Window, effective_rate
from tenuto.matching.types import (
    DEFAULT_PRIORITY,
    PRIORITY_LEVELS,
    Match,
    Offer,
    Poller,
    PollerSeen,
    QueueDescription,
    QueueKey,
    QueueKind,
    QueueStats,
    RateSetting,
    RateSource,
    Ticket,
)

_SECOND = 1_000_000_000
STICKY_PRESENCE_NS = 10 * _SECOND
"""A sticky queue without a poll for this long has lost its worker."""
POLLER_MEMORY_NS = 300 * _SECOND
IDLE_NS = 600 * _SECOND
IDLE_STICKY_NS = 60 * _SECOND
FORGOTTEN_STICKY_NS = 24 * 3600 * _SECOND
ADVICE_PAUSE_NS = _SECOND // 10
LONG_WAIT_NS = _SECOND
OLD_OFFER_NS = _SECOND // 5
_LIMIT_MEMORY_NS = 30 * _SECOND
_NEVER = -(1 << 62)
_SWEEP_AT = 1_000


class Pair(NamedTuple):
    """A parked poll and its answer; ``asked`` is the waiting query the answer came from, if any."""

    waiting: Waiting
    match: Match
    asked: Asked | None


class _Seen:
    __slots__ = ("advised_at", "at", "poller")

    def __init__(self, poller: Poller, at: int) -> None:
        self.poller = poller
        self.at = at
        self.advised_at = _NEVER


class _Meter:
    __slots__ = ("adds", "dispatches")

    def __init__(self, since: int) -> None:
        self.adds = Window(since)
        self.dispatches = Window(since)


class TaskQueue:
    """One queue. ``tickets`` is the index of waiting offers; queues that share it see each other's
    duplicates."""

    def __init__(self, key: QueueKey, now: int, tickets: dict[Ticket, Offer] | None = None) -> None:
        self.key = key
        self.count = 0
        """Waiting offers."""
        self.parked = 0
        """Parked polls."""
        self.last_poll_at = _NEVER
        self.queue_rate: RateSetting | None = None
        self.fairness_rate: RateSetting | None = None
        self._used_at = now
        self._tickets: dict[Ticket, Offer] = {} if tickets is None else tickets
        self._rules = FairnessRules()
        self._plain = Lane(self._rules)
        self._lanes: dict[tuple[str, str], Lane] = {("", ""): self._plain}
        self._seen: dict[str, _Seen] = {}
        self._seen_sweep_at = _SWEEP_AT
        self._meters = tuple(_Meter(now) for _ in range(PRIORITY_LEVELS))
        self._bucket: Bucket | None = None
        self._worker_rate: float | None = None
        self._workers: dict[str, Bucket] = {}
        self._workers_sweep_at = _SWEEP_AT
        self._limited_at = _NEVER
        self._unloaded = False

    # -- offers

    def accepting(self, now: int) -> bool:
        """Whether offers and queries make sense here: always on a normal queue, near a living poller on a
        sticky one."""
        if not self.key.sticky:
            return True
        if self._unloaded:
            return False
        return self.parked > 0 or now - self.last_poll_at <= STICKY_PRESENCE_NS

    def offer(self, offer: Offer, now: int) -> bool:
        """Append an offer; False: its ticket is waiting already."""
        if offer.ticket in self._tickets:
            return False
        self._tickets[offer.ticket] = offer
        self._lane(offer.deployment, offer.build_id).backlog.append(offer)
        self.count += 1
        self._used_at = now
        self._meters[level_of(offer) - 1].adds.add(now)
        return True

    def give_back(self, offer: Offer) -> bool:
        """Put an offer that could not be delivered before all others, and return its tokens; False: it is
        here already."""
        if offer.ticket in self._tickets:
            return False
        self._tickets[offer.ticket] = offer
        if self._bucket is not None:
            self._bucket.put_back()
        self._rules.put_back(offer.fairness_key)
        self._lane(offer.deployment, offer.build_id).backlog.prepend(offer)
        self.count += 1
        return True

    def withdraw(self, ticket: Ticket) -> bool:
        """Forget an offer; False: it is not waiting here."""
        offer = self._tickets.get(ticket)
        if offer is None or offer.queue != self.key:
            return False
        del self._tickets[ticket]
        lane = self._lane(offer.deployment, offer.build_id)
        lane.backlog.remove(offer)
        self.count -= 1
        self._tidy(offer.deployment, offer.build_id, lane)
        return True

    def drain(self) -> list[Offer]:
        """Forget all offers and return them."""
        offers = [offer for lane in self._lanes.values() for offer in lane.backlog]
        for offer in offers:
            self.withdraw(offer.ticket)
        return offers

    # -- polls

    def saw(self, poller: Poller, now: int) -> bool:
        """Note a poll's arrival; every poll must be noted before it asks. True: it changed a limit, so pair
        again."""
        self.last_poll_at = self._used_at = now
        self._unloaded = False
        seen = self._seen.get(poller.identity)
        if seen is None:
            if len(self._seen) >= self._seen_sweep_at:
                self._forget_pollers(now)
            self._seen[poller.identity] = _Seen(poller, now)
        else:
            seen.poller = poller
            seen.at = now
        rate = poller.max_tasks_per_second
        if rate is None or rate == self._worker_rate or self.key.kind is not QueueKind.ACTIVITY:
            return False
        self._worker_rate = rate
        self._apply_rate(now)
        return True

    def take(self, poller: Poller, now: int) -> Match | None:
        """An offer for a poll that has just arrived; None: it must be parked. Queries and parked polls go
        first."""
        if not self.count:
            return None
        lane = self._lane_of(poller)
        if lane.waiting or not lane.backlog.count:
            return None
        bucket = self._bucket
        if bucket is not None and not bucket.ready(now):
            self._limited_at = now
            return None
        worker = self._worker(poller, now)
        if worker is not None and not worker.ready(now):
            return None
        return self._dispatch(lane, poller, worker, 0, now)

    def take_query(self, poller: Poller) -> Asked | None:
        """A waiting query for a poll that has just arrived."""
        lane = self._lane_of(poller)
        return lane.queries.popitem(last=False)[0] if lane.queries else None

    def park(self, waiting: Waiting) -> None:
        self._lane_of(waiting.poller).waiting[waiting] = None
        self.parked += 1

    def leave(self, waiting: Waiting, now: int | None = None) -> bool:
        """Remove a parked poll; False: it was paired already. Give ``now`` when its worker is believed
        alive."""
        poller = waiting.poller
        lane = self._lane_of(poller)
        if not lane.leave(waiting):
            return False
        self.parked -= 1
        if now is not None:
            self._touch(poller, now)
        if poller.versioning:
            self._tidy(poller.deployment, poller.build_id, lane)
        return True

    def polls(self) -> list[Waiting]:
        """All parked polls."""
        return [w for lane in self._lanes.values() for place in (lane.waiting, lane.resting) for w in place]

    # -- queries

    def ask(self, asked: Asked, first: bool = False) -> None:
        """Let a query wait for a poll, behind the others or before them."""
        queries = self._lane(asked.query.deployment, asked.query.build_id).queries
        queries[asked] = None
        if first:
            queries.move_to_end(asked, last=False)

    def unask(self, asked: Asked) -> bool:
        query = asked.query
        lane = self._lane(query.deployment, query.build_id)
        if asked not in lane.queries:
            return False
        del lane.queries[asked]
        self._tidy(query.deployment, query.build_id, lane)
        return True

    def asking(self) -> list[Asked]:
        """All waiting queries."""
        return [asked for lane in self._lanes.values() for asked in lane.queries]

    # -- pairing

    def next_pair(self, now: int) -> Pair | None:
        """Pair one parked poll; None: nothing more can be paired now (see ``next_at``). Removes both
        sides."""
        if self.parked:
            for lane in self._lanes.values():
                pair = self._pair_in(lane, now)
                if pair is not None:
                    return pair
        return None

    def next_at(self, now: int) -> int | None:
        """When time alone could allow another pair; None: only an offer, a poll or a setting can."""
        if not self.parked or not self.count:
            return None
        instants: list[int] = []
        limited = self._bucket is not None and not self._bucket.ready(now)
        for lane in self._lanes.values():
            if not lane.backlog.count or not lane.parked:
                continue
            if limited and self._bucket is not None:
                at = self._bucket.ready_at()
                return None if at is None else max(at, now)
            instants += [at for at in (lane.backlog.next_at(), lane.next_rest_at()) if at is not None]
        return max(now, min(instants)) if instants else None

    def _pair_in(self, lane: Lane, now: int) -> Pair | None:
        if lane.queries:
            first = lane.pop_any()
            if first is None:
                return None
            self.parked -= 1
            self._touch(first.poller, now)
            asked = lane.queries.popitem(last=False)[0]
            return Pair(first, Match(None, asked.query, self.count, None, asked.deadline_at), asked)
        if not lane.backlog.count:
            return None
        lane.wake(now)
        bucket = self._bucket
        while lane.waiting:
            if bucket is not None and not bucket.ready(now):
                self._limited_at = now
                return None
            waiting = next(iter(lane.waiting))
            worker = self._worker(waiting.poller, now)
            if worker is not None and not worker.ready(now):
                lane.rest(waiting, worker.ready_at())
                continue
            match = self._dispatch(lane, waiting.poller, worker, now - waiting.parked_at, now)
            if match is None:
                return None
            del lane.waiting[waiting]
            self.parked -= 1
            self._touch(waiting.poller, now)
            return Pair(waiting, match, None)
        return None

    def _dispatch(
        self, lane: Lane, poller: Poller, worker: Bucket | None, waited: int, now: int
    ) -> Match | None:
        offer = lane.backlog.pop(now)
        if offer is None:
            self._limited_at = now
            return None
        if self._bucket is not None:
            self._bucket.take(now)
        if worker is not None:
            worker.take(now)
        del self._tickets[offer.ticket]
        self.count -= 1
        self._meters[level_of(offer) - 1].dispatches.add(now)
        return Match(offer, None, self.count, self._advice(poller, offer, waited, now))

    def _advice(self, poller: Poller, offer: Offer, waited: int, now: int) -> int | None:
        """Fewer polls when this one idled; more when offers wait for polls and not for a limit."""
        if waited < LONG_WAIT_NS and not self.count:
            return None
        seen = self._seen.get(poller.identity)
        if seen is None or now - seen.advised_at < ADVICE_PAUSE_NS:
            return None
        if waited >= LONG_WAIT_NS:
            seen.advised_at = now
            return -1
        if now - self._limited_at < LONG_WAIT_NS:
            return None
        if not offer.created_at or now - offer.created_at <= OLD_OFFER_NS:
            adds = sum(meter.adds.rate(now) for meter in self._meters)
            dispatches = sum(meter.dispatches.rate(now) for meter in self._meters)
            if adds <= 1.2 * dispatches:
                return None
        seen.advised_at = now
        return 1

    # -- lanes and bookkeeping

    def _lane(self, deployment: str, build_id: str) -> Lane:
        if not (deployment or build_id) or self.key.sticky:
            return self._plain
        lane = self._lanes.get((deployment, build_id))
        if lane is None:
            lane = self._lanes[deployment, build_id] = Lane(self._rules)
        return lane

    def _lane_of(self, poller: Poller) -> Lane:
        return self._lane(poller.deployment, poller.build_id) if poller.versioning else self._plain

    def _tidy(self, deployment: str, build_id: str, lane: Lane) -> None:
        if lane is not self._plain and lane.empty:
            self._lanes.pop((deployment, build_id), None)

    def _touch(self, poller: Poller, now: int) -> None:
        self.last_poll_at = now
        seen = self._seen.get(poller.identity)
        if seen is not None:
            seen.at = now

    def _forget_pollers(self, now: int) -> None:
        self._seen = {k: s for k, s in self._seen.items() if now - s.at < POLLER_MEMORY_NS}
        self._seen_sweep_at = max(_SWEEP_AT, 2 * len(self._seen))

    def _worker(self, poller: Poller, now: int) -> Bucket | None:
        rate = poller.worker_tasks_per_second
        if rate is None:
            return None
        key = poller.worker_instance_key or poller.identity
        bucket = self._workers.get(key)
        if bucket is None:
            if len(self._workers) >= self._workers_sweep_at:
                self._workers = {k: b for k, b in self._workers.items() if not b.full(now)}
                self._workers_sweep_at = max(_SWEEP_AT, 2 * len(self._workers))
            bucket = self._workers[key] = Bucket(rate)
        elif bucket.rate != rate:
            bucket.reshape(rate, now)
            for lane in self._lanes.values():
                lane.wake_all()
        return bucket

    # -- settings

    def _apply_rate(self, now: int) -> None:
        api = self.queue_rate.rate if self.queue_rate is not None else None
        if api is None and self._worker_rate is None:
            self._bucket = None
            return
        rate = effective_rate(api, self._worker_rate)
        if self._bucket is None:
            self._bucket = Bucket(rate)
        elif self._bucket.rate != rate:
            self._bucket.reshape(rate, now)

    def set_rate(self, setting: RateSetting) -> None:
        """Set the API's limit (``rate=None`` unsets it); it overrides what workers ask for."""
        self.queue_rate = setting
        self._apply_rate(setting.updated_at)

    def set_fairness_rate(self, setting: RateSetting) -> None:
        """Set the default limit of a fairness key of weight 1."""
        self.fairness_rate = setting
        self._rules.set_default_rate(setting.rate)
        for lane in self._lanes.values():
            for level in lane.backlog.levels:
                level.release_all()

    def set_fairness_weight(self, key: str, weight: float | None) -> None:
        """Override the weight of a key; None: offers say their own again. Holds for offers that arrive from
        now on."""
        if weight is None:
            self._rules.weights.pop(key, None)
        else:
            self._rules.weights[key] = weight

    # -- life and description

    def unload(self) -> None:
        """Refuse (on a sticky queue) until a new poll arrives."""
        self._unloaded = True

    def idle(self, now: int) -> bool:
        """Whether nothing would be lost by forgetting this queue (a sticky one may still hold offers nobody
        came for)."""
        self._lanes = {k: lane for k, lane in self._lanes.items() if lane is self._plain or not lane.empty}
        if self.parked or any(lane.queries for lane in self._lanes.values()):
            return False
        unused_for = now - max(self._used_at, self.last_poll_at)
        if self.key.sticky:
            return unused_for > (FORGOTTEN_STICKY_NS if self.count else IDLE_STICKY_NS)
        rates = [setting.rate for setting in (self.queue_rate, self.fairness_rate) if setting is not None]
        configured = self._rules.weights or any(rate is not None for rate in rates)
        return not self.count and not configured and unused_for > IDLE_NS

    def describe(self, now: int) -> QueueDescription:
        self._forget_pollers(now)
        by_priority = {level: self._stats(level, now) for level in self._levels_used()}
        api = self.queue_rate.rate if self.queue_rate is not None else None
        source = RateSource.API if api is not None else RateSource.WORKER
        rate = effective_rate(api, self._worker_rate)
        return QueueDescription(
            queue=self.key,
            pollers=tuple(PollerSeen(k, s.at, rate, s.poller) for k, s in self._seen.items()),
            stats=QueueStats(
                self.count,
                max((stats.backlog_age_ns for stats in by_priority.values()), default=0),
                sum(stats.add_rate for stats in by_priority.values()),
                sum(stats.dispatch_rate for stats in by_priority.values()),
            ),
            stats_by_priority=by_priority,
            effective_rate=rate,
            rate_source=source if self._bucket is not None else RateSource.SYSTEM,
            rate_limiting_active=now - self._limited_at < _LIMIT_MEMORY_NS,
            queue_rate=self.queue_rate,
            fairness_key_rate=self.fairness_rate,
            fairness_weights=dict(self._rules.weights),
        )

    def _levels_used(self) -> Iterator[int]:
        for level, meter in enumerate(self._meters, 1):
            if (
                level == DEFAULT_PRIORITY
                or meter.adds.used
                or any(lane.backlog.levels[level - 1].count for lane in self._lanes.values())
            ):
                yield level

    def _stats(self, level: int, now: int) -> QueueStats:
        levels = [lane.backlog.levels[level - 1] for lane in self._lanes.values()]
        oldest = min((at for part in levels if (at := part.oldest_at()) is not None), default=now)
        meter = self._meters[level - 1]
        return QueueStats(
            sum(part.count for part in levels),
            max(0, now - oldest),
            meter.adds.rate(now),
            meter.dispatches.rate(now),
        )
