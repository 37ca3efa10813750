"""Matching for a node: all its queues, the polls that wait on them, and the clock.

A cache of offers with no storage: whatever is lost here is offered again by the shard that owes it.
Duplicates are legal, because the commit that records *started* decides. This room must never write anything,
and never decide about a workflow.
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

from tenuto.matching.lane import Asked, Waiting
from tenuto.matching.queue import TaskQueue
from tenuto.matching.types import (
    DEFAULT_PRIORITY,
    Clock,
    Match,
    Offer,
    OfferResult,
    Poller,
    Query,
    QueryHandover,
    QueueDescription,
    QueueKey,
    QueueKind,
    QueueStats,
    RateSetting,
    Ticket,
    Timer,
)

DEFAULT_WINDOW = 10_000
"""Offers one queue keeps before it stops giving credit."""
SWEEP_NS = 60_000_000_000


class _Delivery:
    """What a parked poll receives: its match, and the query that hopes it arrives."""

    __slots__ = ("asked", "match")

    def __init__(self, match: Match, asked: "_Question | None") -> None:
        self.match = match
        self.asked = asked


class _Parked(Waiting):
    __slots__ = ("future",)

    def __init__(self, poller: Poller, parked_at: int, future: asyncio.Future[_Delivery | None]) -> None:
        super().__init__(poller, parked_at)
        self.future = future


class _Question(Asked):
    """``future`` is None once its caller was told that the query is handed over, and it came back."""

    __slots__ = ("future", "timer")

    def __init__(self, query: Query, deadline_at: int, future: asyncio.Future[QueryHandover] | None) -> None:
        super().__init__(query, deadline_at)
        self.future = future
        self.timer: Timer | None = None

    def settle(self, outcome: QueryHandover) -> bool:
        """Tell the caller; False: the caller has gone, the query is void."""
        if self.timer is not None:
            self.timer.cancel()
        if self.future is None:
            return True
        if self.future.done():
            return False
        self.future.set_result(outcome)
        return True


class Matching:
    """All queues of this node.

    ``refused`` receives offers a sticky queue held when it was unloaded; ``credit`` says how many more offers
    a queue takes, after it had answered `OfferResult.NO_CREDIT`. Both are called from the event loop and must
    not wait. ``window`` is the number of offers a queue keeps. ``epoch`` grows whenever queues change owner;
    shards then offer anew.
    """

    def __init__(
        self,
        clock: Clock,
        refused: Callable[[Offer], None] | None = None,
        credit: Callable[[QueueKey, int], None] | None = None,
        window: int = DEFAULT_WINDOW,
    ) -> None:
        self.epoch = 1
        self.refused = refused
        self.credit = credit
        self._clock = clock
        self._window = window
        self._queues: dict[QueueKey, TaskQueue] = {}
        self._tickets: dict[Ticket, Offer] = {}
        self._hungry: set[QueueKey] = set()
        self._alarms: dict[QueueKey, tuple[int, Timer]] = {}
        self._sweeper: Timer | None = None
        self._closed = False

    # -- offers

    def offer(self, offer: Offer) -> OfferResult:
        """Show an owed dispatch to pollers. An equal ticket on another queue moves here."""
        key = offer.queue
        queue = self._queues.get(key)
        now = self._clock.now()
        if self._closed:
            return OfferResult.NO_CREDIT
        if queue is None:
            if key.sticky:
                return OfferResult.REFUSED_STICKY
            queue = self._queue(key)
        if key.sticky and not queue.accepting(now):
            return OfferResult.REFUSED_STICKY
        known = self._tickets.get(offer.ticket)
        if known is not None:
            if known.queue == key:
                return OfferResult.DUPLICATE
            self.withdraw(offer.ticket)
        if queue.count >= self._window:
            self._hungry.add(key)
            return OfferResult.NO_CREDIT
        queue.offer(offer, now)
        if queue.parked:
            self._pair(queue, now)
        return OfferResult.TAKEN

    def withdraw(self, ticket: Ticket) -> None:
        """Forget an offer, because its dispatch has started or is no longer owed. Unknown tickets are
        ignored."""
        offer = self._tickets.get(ticket)
        if offer is not None:
            queue = self._queues[offer.queue]
            queue.withdraw(ticket)
            if self._hungry:
                self._feed(queue)

    def give_back(self, match: Match) -> None:
        """Return what a poll got and nobody can use: an offer becomes the first of its queue, a query waits
        again."""
        if self._closed:
            return
        now = self._clock.now()
        if match.offer is not None:
            queue = self._queue(match.offer.queue)
            if not queue.give_back(match.offer):
                return
        else:
            assert match.query is not None
            queue = self._queue(match.query.queue)
            if now >= match.deadline_at:
                return
            self._ask(queue, _Question(match.query, match.deadline_at, None), first=True)
        self._pair(queue, now)

    # -- polls

    async def poll(self, poller: Poller, deadline_at: int) -> Match | None:
        """Wait for work until ``deadline_at`` (ns). None: time ran out, the poll was completed, or matching is closed.

        Cancelling the caller loses nothing: what had been matched goes back to the front of its queue.
        """
        while not self._closed:
            now = self._clock.now()
            queue = self._queue(poller.queue)
            changed = queue.saw(poller, now)
            match = self._ready(queue, poller, now)
            if changed:
                self._pair(queue, now)
            if match is not None:
                if self._hungry:
                    self._feed(queue)
                return match
            if now >= deadline_at:
                return None
            delivery = await self._park(queue, poller, now, deadline_at)
            if delivery is None:
                return None
            if delivery.asked is None or delivery.asked.settle(QueryHandover.HANDED_OVER):
                return delivery.match
        return None

    def _ready(self, queue: TaskQueue, poller: Poller, now: int) -> Match | None:
        """What a fresh poll can have without waiting."""
        while (asked := queue.take_query(poller)) is not None:
            assert isinstance(asked, _Question)
            if asked.settle(QueryHandover.HANDED_OVER):
                return Match(None, asked.query, queue.count, None, asked.deadline_at)
        return queue.take(poller, now)

    async def _park(self, queue: TaskQueue, poller: Poller, now: int, deadline_at: int) -> _Delivery | None:
        future: asyncio.Future[_Delivery | None] = asyncio.get_running_loop().create_future()
        parked = _Parked(poller, now, future)
        queue.park(parked)
        timer = self._clock.call_at(deadline_at, partial(self._expire, queue, parked))
        self._pair(queue, now)
        try:
            return await future
        except asyncio.CancelledError:
            if future.cancelled() or not future.done():
                queue.leave(parked)
            elif (delivery := future.result()) is not None:
                self._undeliver(delivery)
            raise
        finally:
            timer.cancel()

    def _expire(self, queue: TaskQueue, parked: _Parked) -> None:
        if queue.leave(parked, self._clock.now()) and not parked.future.done():
            parked.future.set_result(None)

    def _undeliver(self, delivery: _Delivery) -> None:
        """The poll went away between pairing and delivery."""
        if self._closed:
            return
        if delivery.match.offer is not None:
            self.give_back(delivery.match)
        elif delivery.asked is not None and not (delivery.asked.future and delivery.asked.future.done()):
            queue = self._queue(delivery.asked.query.queue)
            queue.ask(delivery.asked, first=True)
            self._pair(queue, self._clock.now())

    def cancel_polls(self, namespace_id: str, worker: str, queue_name: str) -> int:
        """Complete a worker's polls with None, on a queue's kinds and the sticky queues beside it.

        ``worker`` is an instance key or an identity. Returns how many polls were completed.
        """
        completed = 0
        for key, queue in self._queues.items():
            if key.namespace_id != namespace_id or queue_name not in (key.name, key.normal_name):
                continue
            for parked in queue.polls():
                if worker in (parked.poller.worker_instance_key, parked.poller.identity):
                    completed += self._dismiss(queue, parked)
        return completed

    def _dismiss(self, queue: TaskQueue, parked: Waiting) -> bool:
        assert isinstance(parked, _Parked)
        if not queue.leave(parked) or parked.future.done():
            return False
        parked.future.set_result(None)
        return True

    # -- queries

    async def query(self, query: Query, deadline_at: int) -> QueryHandover:
        """Hand a query to a poll, waiting for one until ``deadline_at`` (ns). Cancelling withdraws it.

        NO_POLLER: its sticky queue has no living poller, or lost it meanwhile, or matching is closed.
        """
        now = self._clock.now()
        key = query.queue
        queue = self._queues.get(key)
        if self._closed or (key.sticky and (queue is None or not queue.accepting(now))):
            return QueryHandover.NO_POLLER
        if now >= deadline_at:
            return QueryHandover.TIMED_OUT
        if queue is None:
            queue = self._queue(key)
        question = _Question(query, deadline_at, asyncio.get_running_loop().create_future())
        assert question.future is not None
        self._ask(queue, question)
        self._pair(queue, now)
        try:
            return await question.future
        finally:
            queue.unask(question)
            if question.timer is not None:
                question.timer.cancel()

    def _ask(self, queue: TaskQueue, question: _Question, first: bool = False) -> None:
        queue.ask(question, first)
        question.timer = self._clock.call_at(question.deadline_at, partial(self._give_up, queue, question))

    def _give_up(self, queue: TaskQueue, question: _Question) -> None:
        queue.unask(question)
        question.settle(QueryHandover.TIMED_OUT)

    # -- pairing

    def _pair(self, queue: TaskQueue, now: int) -> None:
        """Deliver every pair there is, then sleep until time alone allows another."""
        while (pair := queue.next_pair(now)) is not None:
            waiting, match, asked = pair
            assert isinstance(waiting, _Parked) and (asked is None or isinstance(asked, _Question))
            if asked is not None and asked.future is not None and asked.future.done():
                queue.park(waiting)  # its caller has gone and could not yet take it out
            elif not waiting.future.done():
                waiting.future.set_result(_Delivery(match, asked))
            elif asked is not None:
                queue.ask(asked, first=True)
            else:
                assert match.offer is not None
                queue.give_back(match.offer)
        if self._hungry:
            self._feed(queue)
        self._arm(queue, queue.next_at(now))

    def _arm(self, queue: TaskQueue, at: int | None) -> None:
        alarm = self._alarms.get(queue.key)
        if alarm is not None:
            if at is not None and alarm[0] <= at:
                return
            alarm[1].cancel()
            del self._alarms[queue.key]
        if at is not None:
            self._alarms[queue.key] = (at, self._clock.call_at(at, partial(self._ring, queue)))

    def _ring(self, queue: TaskQueue) -> None:
        self._alarms.pop(queue.key, None)
        self._pair(queue, self._clock.now())

    def _feed(self, queue: TaskQueue) -> None:
        """Give credit when half the window is free again, from a call of its own: the shard may offer at
        once."""
        if queue.key in self._hungry and queue.count <= self._window // 2:
            self._hungry.discard(queue.key)
            if self.credit is not None:
                room = self._window - queue.count
                self._clock.call_at(self._clock.now(), partial(self.credit, queue.key, room))

    # -- queues

    def _queue(self, key: QueueKey) -> TaskQueue:
        queue = self._queues.get(key)
        if queue is None:
            now = self._clock.now()
            queue = self._queues[key] = TaskQueue(key, now, self._tickets)
            if self._sweeper is None and not self._closed:
                self._sweeper = self._clock.call_at(now + SWEEP_NS, self._sweep)
        return queue

    def _sweep(self) -> None:
        self._sweeper = None
        now = self._clock.now()
        idle = [queue for queue in self._queues.values() if queue.idle(now)]
        orphans = [offer for queue in idle for offer in queue.drain()]
        for queue in idle:
            self._arm(queue, None)
            self._feed(queue)
            del self._queues[queue.key]
        if self._queues:
            self._sweeper = self._clock.call_at(now + SWEEP_NS, self._sweep)
        self._refuse(orphans)

    def _refuse(self, offers: Iterable[Offer]) -> None:
        if self.refused is not None:
            for offer in offers:
                self.refused(offer)

    def unload_sticky(self, key: QueueKey) -> None:
        """A worker shuts down: its sticky queue gives up what it holds, and refuses more until a new poll
        arrives."""
        queue = self._queues.get(key)
        if queue is None or not key.sticky:
            return
        queue.unload()
        for asked in queue.asking():
            assert isinstance(asked, _Question)
            queue.unask(asked)
            asked.settle(QueryHandover.NO_POLLER)
        offers = queue.drain()
        self._feed(queue)
        self._refuse(offers)

    def unload_sticky_named(self, namespace_id: str, name: str) -> None:
        """`unload_sticky` for a caller that knows only the sticky queue's own name."""
        for key in [key for key in self._queues if key.sticky and key[:2] == (namespace_id, name)]:
            self.unload_sticky(key)

    def set_rate_limit(self, key: QueueKey, rps: float | None, reason: str = "", identity: str = "") -> None:
        """Limit a queue's dispatches per second (0 pauses, None unsets); overrides workers. Lost when the
        host ends."""
        queue = self._queue(key)
        now = self._clock.now()
        queue.set_rate(RateSetting(rps, reason, identity, now))
        self._pair(queue, now)

    def set_fairness_rate_limit(
        self, key: QueueKey, rps: float | None, reason: str = "", identity: str = ""
    ) -> None:
        """Limit each fairness key of a queue; a key's limit is ``rps`` times its weight. None unsets."""
        queue = self._queue(key)
        now = self._clock.now()
        queue.set_fairness_rate(RateSetting(rps, reason, identity, now))
        self._pair(queue, now)

    def set_fairness_weight(self, key: QueueKey, fairness_key: str, weight: float | None) -> None:
        """Override a fairness key's weight on a queue; None: offers say their own again."""
        self._queue(key).set_fairness_weight(fairness_key, weight)

    def describe(self, key: QueueKey) -> QueueDescription:
        """What is known of a queue; asking about an unknown queue does not create it."""
        queue = self._queues.get(key)
        if queue is not None:
            return queue.describe(self._clock.now())
        return QueueDescription(key, stats_by_priority={DEFAULT_PRIORITY: QueueStats()})

    def queues(self, namespace_id: str | None = None, kind: QueueKind | None = None) -> list[QueueKey]:
        """The loaded queues, sticky ones included."""
        return [
            key
            for key in self._queues
            if namespace_id in (None, key.namespace_id) and kind in (None, key.kind)
        ]

    def close(self) -> None:
        """Complete all polls with None and all queries with NO_POLLER; forget the offers, which their shards
        still owe."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for queue in self._queues.values():
            self._arm(queue, None)
            for parked in queue.polls():
                self._dismiss(queue, parked)
            for asked in queue.asking():
                assert isinstance(asked, _Question)
                queue.unask(asked)
                asked.settle(QueryHandover.NO_POLLER)
        self._queues.clear()
        self._tickets.clear()
        self._hungry.clear()
