"""Shows a chain's ready work to matching, and takes it back when it is no longer owed."""

from collections import deque
from collections.abc import Callable

from tenuto.engine import activity
from tenuto.engine.agenda import task_dispatch
from tenuto.engine.types import Dispatch, StickyRefused
from tenuto.matching.host import Matching
from tenuto.matching.types import Offer, OfferResult, QueueKey, QueueKind, Ticket
from tenuto.shard.cache import Entry
from tenuto.store.spi import ChainKey
from tenuto.wire import common


def ticket_of(key: ChainKey, owed: Dispatch) -> Ticket:
    return Ticket(key.namespace_id, key.workflow_id, owed.run_id, owed.scheduled_id, owed.attempt, owed.stamp)


def offer_of(key: ChainKey, owed: Dispatch) -> Offer:
    queue = QueueKey(key.namespace_id, owed.queue, QueueKind(int(owed.kind)), owed.normal_queue)
    ticket = ticket_of(key, owed)
    if not owed.priority:
        return Offer(queue, ticket, created_at=owed.scheduled_at)
    priority = common.Priority.FromString(owed.priority)
    return Offer(
        queue,
        ticket,
        priority=priority.priority_key or 3,
        fairness_key=priority.fairness_key,
        fairness_weight=priority.fairness_weight or 1.0,
        created_at=owed.scheduled_at,
    )


class Offers:
    """The shard's side of matching."""

    def __init__(
        self,
        matching: Matching,
        refuse: Callable[[ChainKey, StickyRefused], None],
        owed: Callable[[Ticket], bool],
    ) -> None:
        self._matching = matching
        self._owed = owed
        self._refuse = refuse
        self._parked: dict[QueueKey, deque[Offer]] = {}

    def renew(self, entry: Entry, touched: object) -> bool:
        """After a decision: offer what has become owed, withdraw what is not owed any more. ``touched``: scheduled ids of
        activities that changed, or None for all. Returns whether something was offered.

        Its commit is still to come. Should that fail, matching is left with offers that nobody owes; the start that a poll
        then asks for is refused, and the reloaded chain offers again whatever it does owe.
        """
        shown = self._renew_task(entry)
        chain, agenda = entry.chain, entry.agenda
        if chain is None or agenda is None:
            for ticket in entry.activity_tickets.values():
                self._matching.withdraw(ticket)
            entry.activity_tickets.clear()
            return shown
        state = chain.current
        if touched is None or not state.run.open:
            wanted = set(agenda.ready) | set(entry.activity_tickets)
        else:
            wanted = set(touched)  # type: ignore[call-overload]
        for scheduled_id in sorted(wanted):
            old = entry.activity_tickets.get(scheduled_id)
            new: Ticket | None = None
            if scheduled_id in agenda.ready and state.run.paused is None:
                owed = activity.dispatch(state.activities[scheduled_id], state.run.run_id)
                new = ticket_of(entry.key, owed)
            if new == old:
                continue
            if old is not None:
                self._matching.withdraw(old)
                del entry.activity_tickets[scheduled_id]
            if new is not None:
                entry.activity_tickets[scheduled_id] = new
                self._show(offer_of(entry.key, owed))
                shown = True
        return shown

    def _renew_task(self, entry: Entry) -> bool:
        owed = task_dispatch(entry.chain.current) if entry.chain is not None else None
        new = ticket_of(entry.key, owed) if owed is not None else None
        if new == entry.task_ticket:
            return False
        if entry.task_ticket is not None:
            self._matching.withdraw(entry.task_ticket)
        entry.task_ticket = new
        if owed is not None:
            self._show(offer_of(entry.key, owed))
        return owed is not None

    def _show(self, offer: Offer) -> None:
        parked = self._parked.get(offer.queue)
        if parked:
            parked.append(offer)  # behind those that have waited longer
            return
        result = self._matching.offer(offer)
        if result is OfferResult.REFUSED_STICKY:
            self.refused(offer)
        elif result is OfferResult.NO_CREDIT:
            self._parked[offer.queue] = deque((offer,))

    def refused(self, offer: Offer) -> None:
        """Nobody listens on the offer's sticky queue (any more)."""
        ticket = offer.ticket
        self._refuse(
            ChainKey(ticket.namespace_id, ticket.workflow_id),
            StickyRefused(ticket.run_id, ticket.scheduled_event_id, ticket.attempt, ticket.stamp),
        )

    def credit(self, queue: QueueKey, room: int) -> None:
        """Matching has room for ``room`` more offers of this queue. It is filled until it says no, because only who was told
        no is called again."""
        parked = self._parked.get(queue)
        while parked:
            offer = parked.popleft()
            if not self._owed(offer.ticket):
                continue
            result = self._matching.offer(offer)
            if result is OfferResult.REFUSED_STICKY:
                self.refused(offer)
            elif result is OfferResult.NO_CREDIT:
                parked.appendleft(offer)
                return
        if parked is not None and not parked:
            del self._parked[queue]

    def clear(self) -> None:
        self._parked.clear()
