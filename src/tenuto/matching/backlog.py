"""The waiting offers of one build on one queue, in the order in which they should leave.

Priority levels first; within a level, weighted turns between fairness keys; within a key, first in first out.
Every operation is O(1), or O(log keys) where fairness keys are used. This module must never decide whether a
poll may have an offer.
"""

import heapq
from collections import OrderedDict
from collections.abc import Iterator
from itertools import count

from tenuto.matching.rate import Bucket
from tenuto.matching.types import DEFAULT_PRIORITY, PRIORITY_LEVELS, Offer, Ticket

_LEAST_WEIGHT = 0.001
_NEVER = 1 << 62
_IDLE_KEYS = 1_000
"""A level with more keys than this forgets those that are empty and owe nothing."""


def level_of(offer: Offer) -> int:
    """The priority level 1..5 of an offer."""
    priority = offer.priority
    return DEFAULT_PRIORITY if priority <= 0 else min(priority, PRIORITY_LEVELS)


class FairnessRules:
    """What the API may set about fairness keys, shared by all levels of a queue.

    ``default_rate`` is dispatches per second for a key of weight 1 (None: no limit); a key's own limit is
    that times its weight.
    """

    def __init__(self) -> None:
        self.default_rate: float | None = None
        self.weights: dict[str, float] = {}
        self._buckets: dict[str, Bucket] = {}
        self._sweep_at = _IDLE_KEYS

    def weight(self, offer: Offer) -> float:
        weight = self.weights.get(offer.fairness_key, offer.fairness_weight)
        return max(weight, _LEAST_WEIGHT) if weight > 0 else 1.0

    def bucket(self, key: str, weight: float, now: int) -> Bucket | None:
        """The key's bucket; None: the key is not limited."""
        if self.default_rate is None:
            return None
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= self._sweep_at:
                self._buckets = {k: b for k, b in self._buckets.items() if not b.full(now)}
                self._sweep_at = max(_IDLE_KEYS, 2 * len(self._buckets))
            bucket = self._buckets[key] = Bucket(self.default_rate * weight)
        elif bucket.rate != self.default_rate * weight:
            bucket.reshape(self.default_rate * weight, now)
        return bucket

    def put_back(self, key: str) -> None:
        bucket = self._buckets.get(key)
        if bucket is not None:
            bucket.put_back()

    def set_default_rate(self, rate: float | None) -> None:
        self.default_rate = rate
        if rate is None:
            self._buckets.clear()


class _Share:
    """One fairness key in a level.

    ``turn`` is its position in virtual time; ``mark`` names its only valid heap entry; ``queued`` tells
    whether that is there.
    """

    __slots__ = ("key", "mark", "offers", "queued", "turn", "weight")

    def __init__(self, key: str, weight: float) -> None:
        self.key = key
        self.weight = weight
        self.turn = 0.0
        self.mark = 0
        self.queued = False
        self.offers: OrderedDict[Ticket, Offer] = OrderedDict()


class Level:
    """One priority level."""

    __slots__ = ("_held", "_marks", "_rules", "_shares", "_sweep_at", "_turn", "_turns", "count")

    def __init__(self, rules: FairnessRules) -> None:
        self._rules = rules
        self._shares: dict[str, _Share] = {}
        self._turns: list[tuple[float, int, _Share]] = []
        self._held: list[tuple[int, int, _Share]] = []
        self._marks = count(1)
        self._turn = 0.0
        self._sweep_at = _IDLE_KEYS
        self.count = 0

    def _share(self, offer: Offer) -> _Share:
        share = self._shares.get(offer.fairness_key)
        weight = self._rules.weight(offer)
        if share is None:
            if len(self._shares) >= self._sweep_at:
                self._shares = {k: s for k, s in self._shares.items() if s.offers or s.turn > self._turn}
                self._compact()
                self._sweep_at = max(_IDLE_KEYS, 2 * len(self._shares))
            share = self._shares[offer.fairness_key] = _Share(offer.fairness_key, weight)
        share.weight = weight
        return share

    def _compact(self) -> None:
        """Drop heap entries that name nothing any more; only dispatch does so otherwise."""
        for heap in (self._turns, self._held):
            for _, mark, share in heap:
                share.queued = share.queued and (mark != share.mark or bool(share.offers))
        self._turns = [entry for entry in self._turns if entry[1] == entry[2].mark and entry[2].offers]
        self._held = [entry for entry in self._held if entry[1] == entry[2].mark and entry[2].offers]
        heapq.heapify(self._turns)
        heapq.heapify(self._held)

    def _enter(self, share: _Share, mark: int) -> None:
        share.mark = mark
        share.queued = True
        heapq.heappush(self._turns, (share.turn, mark, share))

    def append(self, offer: Offer) -> None:
        share = self._share(offer)
        if not share.queued:
            share.turn = max(share.turn, self._turn)
            self._enter(share, next(self._marks))
        share.offers[offer.ticket] = offer
        self.count += 1

    def prepend(self, offer: Offer) -> None:
        """Put an offer back as the first of all; its key gets its turn back."""
        share = self._share(offer)
        share.offers[offer.ticket] = offer
        share.offers.move_to_end(offer.ticket, last=False)
        self.count += 1
        share.turn = min(share.turn - 1.0 / share.weight, self._turn)
        self._enter(share, -next(self._marks))
        if len(self._turns) > 2 * len(self._shares) + 64:
            self._compact()

    def remove(self, offer: Offer) -> None:
        """Remove an offer known to be here."""
        del self._shares[offer.fairness_key].offers[offer.ticket]
        self.count -= 1

    def pop(self, now: int) -> Offer | None:
        """The next offer that its key's limit lets go; None: empty, or every key must wait."""
        if not self.count:
            return None
        self._release(now)
        turns = self._turns
        while turns:
            turn, mark, share = turns[0]
            if mark != share.mark or not share.offers:
                heapq.heappop(turns)
                if mark == share.mark:
                    share.queued = False
                continue
            bucket = self._rules.bucket(share.key, share.weight, now)
            if bucket is not None:
                if not bucket.ready(now):
                    heapq.heappop(turns)
                    ready_at = bucket.ready_at()
                    heapq.heappush(self._held, (_NEVER if ready_at is None else ready_at, mark, share))
                    continue
                bucket.take(now)
            offer = share.offers.popitem(last=False)[1]
            self.count -= 1
            self._turn = max(self._turn, turn)
            share.turn = turn + 1.0 / share.weight
            if share.offers:
                share.mark = next(self._marks)
                heapq.heapreplace(turns, (share.turn, share.mark, share))
            else:
                share.queued = False
                heapq.heappop(turns)
            return offer
        return None

    def _release(self, now: int) -> None:
        while self._held and self._held[0][0] <= now:
            _, mark, share = heapq.heappop(self._held)
            if mark == share.mark:
                heapq.heappush(self._turns, (share.turn, mark, share))

    def release_all(self) -> None:
        """The limits changed: every key may try again."""
        self._release(_NEVER)

    def next_at(self) -> int | None:
        """When the first held key may go again; None: no key is held, or for ever."""
        held = self._held
        while held and (held[0][1] != held[0][2].mark or not held[0][2].offers):
            _, mark, share = heapq.heappop(held)
            if mark == share.mark:
                share.queued = False
        return held[0][0] if held and held[0][0] < _NEVER else None

    def oldest_at(self) -> int | None:
        """The earliest known ``created_at`` at the head of any key."""
        heads = [
            next(iter(share.offers.values())).created_at for share in self._shares.values() if share.offers
        ]
        return min((at for at in heads if at), default=None)

    def __iter__(self) -> Iterator[Offer]:
        for share in self._shares.values():
            yield from share.offers.values()


class Backlog:
    """The five levels together; ``count`` is all their offers."""

    __slots__ = ("count", "levels")

    def __init__(self, rules: FairnessRules) -> None:
        self.levels = tuple(Level(rules) for _ in range(PRIORITY_LEVELS))
        self.count = 0

    def append(self, offer: Offer) -> None:
        self.levels[level_of(offer) - 1].append(offer)
        self.count += 1

    def prepend(self, offer: Offer) -> None:
        self.levels[level_of(offer) - 1].prepend(offer)
        self.count += 1

    def remove(self, offer: Offer) -> None:
        self.levels[level_of(offer) - 1].remove(offer)
        self.count -= 1

    def pop(self, now: int) -> Offer | None:
        for level in self.levels:
            if level.count:
                offer = level.pop(now)
                if offer is not None:
                    self.count -= 1
                    return offer
        return None

    def next_at(self) -> int | None:
        instants = [at for level in self.levels if level.count and (at := level.next_at()) is not None]
        return min(instants, default=None)

    def __iter__(self) -> Iterator[Offer]:
        for level in self.levels:
            yield from level
