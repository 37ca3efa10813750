"""The part of a queue that belongs to one worker build: its backlog, its parked polls, its waiting queries.

This module must never look at limits or decide what meets what; it keeps things in order.
"""

import heapq
from collections import OrderedDict
from itertools import count

from tenuto.matching.backlog import Backlog, FairnessRules
from tenuto.matching.types import Poller, Query


class Waiting:
    """A parked poll. Its host may subclass it to hang a future on it."""

    __slots__ = ("parked_at", "poller")

    def __init__(self, poller: Poller, parked_at: int) -> None:
        self.poller = poller
        self.parked_at = parked_at


class Asked:
    """A query that waits for a poll until ``deadline_at`` (ns). Its host may subclass it."""

    __slots__ = ("deadline_at", "query")

    def __init__(self, query: Query, deadline_at: int) -> None:
        self.query = query
        self.deadline_at = deadline_at


class Lane:
    """Polls wait in arrival order. Those whose worker has used up its own limit rest aside until it allows
    more."""

    __slots__ = ("_order", "_rests", "backlog", "queries", "resting", "waiting")

    def __init__(self, rules: FairnessRules) -> None:
        self.backlog = Backlog(rules)
        self.waiting: OrderedDict[Waiting, None] = OrderedDict()
        self.resting: OrderedDict[Waiting, None] = OrderedDict()
        self.queries: OrderedDict[Asked, None] = OrderedDict()
        self._rests: list[tuple[int, int, Waiting]] = []
        self._order = count()

    @property
    def parked(self) -> int:
        return len(self.waiting) + len(self.resting)

    @property
    def empty(self) -> bool:
        return not (self.backlog.count or self.waiting or self.resting or self.queries)

    def leave(self, waiting: Waiting) -> bool:
        """Remove a parked poll; False: it was not parked."""
        for place in (self.waiting, self.resting):
            if waiting in place:
                del place[waiting]
                return True
        return False

    def pop_any(self) -> Waiting | None:
        """The first parked poll, limits aside."""
        for place in (self.waiting, self.resting):
            if place:
                return place.popitem(last=False)[0]
        return None

    def rest(self, waiting: Waiting, until: int | None) -> None:
        """Set a waiting poll aside until an instant; None: until `wake_all`."""
        del self.waiting[waiting]
        self.resting[waiting] = None
        if until is not None:
            heapq.heappush(self._rests, (until, next(self._order), waiting))

    def wake(self, now: int) -> None:
        rests = self._rests
        while rests and rests[0][0] <= now:
            waiting = heapq.heappop(rests)[2]
            if waiting in self.resting:
                del self.resting[waiting]
                self.waiting[waiting] = None

    def wake_all(self) -> None:
        self._rests.clear()
        self.waiting.update(self.resting)
        self.resting.clear()

    def next_rest_at(self) -> int | None:
        """When the first resting poll wants to try again."""
        rests = self._rests
        while rests and rests[0][2] not in self.resting:
            heapq.heappop(rests)
        return rests[0][0] if rests else None
