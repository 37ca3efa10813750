"""The shard: the only writer of its chains.

One turn: take what arrived while the last commit was in flight, load what is missing, decide each request (later ones see
earlier drafts), commit once, publish. Nothing leaves before the commit returns, except offers to matching: what they may
lead to is decided here and waits for a commit too. If a commit fails or its outcome is
unknown the shard drops its memory, acquires a new fence and reloads: there is no rollback code, and there must never be any.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from tenuto.engine import agenda, codec, describe, types
from tenuto.engine.chain import ClosedRun
from tenuto.engine.draft import Draft
from tenuto.engine.table import decide
from tenuto.engine.types import Namespace, Reason, Rejected
from tenuto.limits import LIMITS, MIB, SECOND, Limits
from tenuto.matching.host import Matching
from tenuto.matching.types import Clock, Ticket
from tenuto.shard.alarms import HORIZON_NS, AlarmClock
from tenuto.shard.cache import Cache, Entry
from tenuto.shard.offers import Offers
from tenuto.shard.outbox import Courier, Outbox
from tenuto.shard.persist import TurnWrites
from tenuto.shard.reading import Histories
from tenuto.shard.waiters import ChainWatch, TopicListener, Waiters, pause
from tenuto.store.spi import (
    ChainKey,
    FenceLost,
    HistoryRow,
    Store,
    StoreError,
    VisibilityCursor,
    VisibilityFilter,
    VisibilityRow,
)
from tenuto.wire import history

log = logging.getLogger("tenuto.shard")

TURN_REQUESTS = 256
TURN_BYTES = 8 * MIB
SWEEP_NS = 30 * SECOND
DUE_PAGE = 1000
CACHE_BYTES = 64 * MIB
UNAVAILABLE = "the shard is not available now, please retry"


class Ring:
    """Internal request: the chain's alarm rang."""

    __slots__ = ()
    run_id = ""


class Awaited:
    """One request and who waits for it."""

    __slots__ = ("entry", "future", "key", "outcome", "request")

    def __init__(self, key: ChainKey, request: Any, future: "asyncio.Future[Any] | None") -> None:
        self.key = key
        self.request = request
        self.future = future
        self.entry: Entry | None = None
        """Its chain, once it is loaded for the turn."""
        self.outcome: Any = None


class Shard:
    """Implements `tenuto.shard.api.Shards` for one shard. ``entropy(n)`` gives n random bytes."""

    def __init__(
        self,
        store: Store,
        shard_id: int,
        owner: str,
        clock: Clock,
        namespaces: Callable[[str], Namespace | None],
        matching: Matching,
        entropy: Callable[[int], bytes],
        limits: Limits = LIMITS,
        cache_bytes: int = CACHE_BYTES,
        workers_inside: bool = False,
    ) -> None:
        """``workers_inside``: every worker lives and dies with this process; what was begun before `open` is lost."""
        self._store = store
        self._id = shard_id
        self._owner = owner
        self._clock = clock
        self._namespaces = namespaces
        self._entropy = entropy
        self.limits = limits
        self._cache = Cache(cache_bytes)
        self._alarms = AlarmClock(clock, self._ring)
        self._offers = Offers(matching, self._sticky_refused, self._owes)
        self._outbox = Outbox(clock, self.submit, namespaces)
        self._waiters = Waiters(clock)
        self._histories = Histories(store, shard_id, self._cache, self.submit)
        self._queue: deque[Awaited] = deque()
        self._bell: asyncio.Future[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._loop: asyncio.AbstractEventLoop
        """That which it was opened on, and lives on. Asking which one runs takes a call of the system."""
        self._fence = 0
        self._workers_inside = workers_inside
        self._lost_before = 0
        """What a worker began before this instant will never be reported."""
        self._task_id = 0
        self._last_now = 0
        self._read_until = 0
        """Alarms up to this instant have been read from the store."""
        self._open = False
        self._changed: Callable[[ChainKey], None] | None = None
        self._done: list[Awaited] = []
        """Requests decided in this turn; answered after its commit."""
        self._records: dict[tuple[ChainKey, str], ClosedRun] = {}
        self._uncommitted: set[ChainKey] = set()
        """Chains that stand in memory as no store knows them yet."""
        """Closed runs loaded for this turn."""

    # ---- life -----------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Acquire the shard and begin to serve. Raises `StoreError` when the store cannot be reached."""
        if self._workers_inside:
            self._lost_before = self._clock.now()
        await self._acquire()
        self._open = True
        self._loop = loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._turns()), loop.create_task(self._sweep())]

    async def close(self) -> None:
        """Finish the turn in flight and stop. What waits is refused with UNAVAILABLE."""
        self._open = False
        self._ding()
        self._tasks[1].cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._outbox.clear()
        self._alarms.clear()
        self._refuse_all(self._queue)
        self._waiters.memory_lost()

    def crash(self) -> None:
        """Stop at once, wherever it is. For the simulator: what a killed process does."""
        self._open = False
        for task in self._tasks:
            task.cancel()
        self._outbox.clear()
        self._alarms.clear()

    @property
    def working(self) -> bool:
        """Whether requests are decided."""
        return self._open and not self._tasks[0].done()

    def abandon(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Stop without a loop that runs. ``loop``: the shard's own while it can still be told something, else None."""
        self._open = False
        if loop is None:
            return
        self.crash()
        self._refuse_all(self._queue)
        self._waiters.memory_lost()

    def go_by(self, clock: Clock, changed: Callable[[ChainKey], None]) -> None:
        """Before `open`: ring alarms by ``clock``, which may jump to the next of them, so that none may be in the store
        alone; and call ``changed`` for every chain that has committed."""
        self._alarms = AlarmClock(clock, self._ring, keep_all=True)
        self._changed = changed

    @property
    def resting(self) -> bool:
        """Whether nothing waits to be decided, and no turn is under way."""
        return not self._queue and self._bell is not None and not self._bell.done()

    def peek(self, key: ChainKey) -> Entry | None:
        """A chain as it stands in memory, not to be changed; None when it is not there."""
        return self._cache.get(key)

    async def _acquire(self) -> None:
        self._fence = await self._store.acquire(self._id, self._owner)
        self._task_id = self._fence << 36
        self._cache.clear()
        self._alarms.clear()
        self._offers.clear()
        self._alarms.horizon_at = self._read_until = self._clock.now()
        await self._read_ahead(None)

    # ---- requests -------------------------------------------------------------------------------------------------------

    async def submit(self, key: ChainKey, request: Any) -> Any:
        """See `tenuto.shard.api.Shards.submit`."""
        if isinstance(request, types.Reset) and not request.events:
            return await self._histories.reset(key, request)
        if not self._open:
            raise Rejected(Reason.UNAVAILABLE, UNAVAILABLE)
        if type(request) is types.AskHistory and key not in self._uncommitted:
            reply = self._ask_at_rest(key, request)
            if reply is not None:
                return reply
        future: asyncio.Future[Any] = self._loop.create_future()
        self._post(Awaited(key, request, future))
        return await future

    def _ask_at_rest(self, key: ChainKey, request: types.AskHistory) -> types.HistoryReply | None:
        """The answer of a chain in memory whose every decision is committed: it need not wait for a turn."""
        entry = self._cache.get(key)
        if entry is None or entry.chain is None:
            return None
        if request.run_id and request.run_id != entry.chain.current.run.run_id:
            return None
        current = entry.chain.current
        return describe.history_reply(current.run, current.terms)

    def _post(self, awaited: Awaited) -> None:
        self._queue.append(awaited)
        self._ding()

    def _ding(self) -> None:
        if self._bell is not None and not self._bell.done():
            self._bell.set_result(None)

    def _ring(self, key: ChainKey) -> None:
        self._post(Awaited(key, Ring(), None))

    def _owes(self, ticket: Ticket) -> bool:
        """Whether a parked offer still stands; a chain that is not in memory may still owe it."""
        entry = self._cache.get(ChainKey(ticket.namespace_id, ticket.workflow_id))
        if entry is None:
            return True
        return ticket == entry.task_ticket or entry.activity_tickets.get(ticket.scheduled_event_id) == ticket

    def _sticky_refused(self, key: ChainKey, request: types.StickyRefused) -> None:
        self._post(Awaited(key, request, None))

    # ---- turns ----------------------------------------------------------------------------------------------------------

    async def _turns(self) -> None:
        while self._open:
            if not self._queue:
                self._bell = self._loop.create_future()
                await self._bell
                self._bell = None
                continue
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), TURN_REQUESTS))]
            try:
                await self._turn(batch)
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - the shard's door: memory is suspect now
                self._refuse_all(batch)
                await self._recover(error)

    async def _turn(self, batch: list[Awaited]) -> None:
        self._done = []
        self._records.clear()
        writes = TurnWrites(self._workers_inside)
        folded = await self._decide_all(batch, writes)
        if self._show(folded):
            # A waiting poll that took an offer just now asks for its start in the next pass of the loop: both facts then
            # share one commit. The offer was early, but the start is decided here and its answer waits like any other.
            await asyncio.sleep(0)
            batch += [self._queue.popleft() for _ in range(min(len(self._queue), TURN_REQUESTS))]
            late = await self._decide_all(batch, writes)
            self._show(late)
            folded += late
        if not writes.empty:
            await self._store.commit(self._id, self._fence, writes.batch(self._last_now))
        self._publish(folded)
        done, self._done = self._done, []
        for awaited in done:
            _settle(awaited)
        self._cache.trim()

    async def _decide_all(self, batch: list[Awaited], writes: TurnWrites) -> list[tuple[Entry, Draft]]:
        """Empties ``batch``. What is too much for one commit goes back to the queue."""
        await self._load(batch)
        folded: list[tuple[Entry, Draft]] = []
        while batch:
            if writes.size > TURN_BYTES:
                self._queue.extendleft(reversed(batch))
                batch.clear()
                break
            awaited = batch.pop(0)
            self._done.append(awaited)  # at once: should deciding fail altogether, it is still answered
            folded_draft = self._decide(awaited, writes)
            if folded_draft is not None:
                folded.append(folded_draft)
        return folded

    def _decide(self, awaited: Awaited, writes: TurnWrites) -> tuple[Entry, Draft] | None:
        entry = awaited.entry
        assert entry is not None, "chains are loaded before they are decided on"
        request = awaited.request
        stamp = self._stamp(awaited.key)
        if stamp is None:
            awaited.outcome = Rejected(Reason.NOT_FOUND, "Namespace is not found.")
            return None
        if isinstance(request, Ring):
            request = self._tick_of(entry, stamp.now)
            if request is None:
                return None
        closed = self._closed_for(awaited, entry) if self._records else None
        try:
            draft = decide(awaited.key, entry.chain, request, stamp, closed)
        except Rejected as rejected:
            awaited.outcome = rejected
            return None
        except Exception as error:  # the shard's door: the draft is dropped, so nothing has happened
            log.exception("a decision failed: %s on %s", type(request).__name__, awaited.key)
            awaited.outcome = error
            return None
        awaited.outcome = draft.reply
        self._task_id = draft.next_task_id
        if draft.dirty:
            self._uncommitted.add(awaited.key)
            rows = writes.add(entry, draft)
        else:
            rows = []
        fresh = bool(draft.runs) and draft.run.is_new
        entry.chain = draft.fold()
        if entry.chain is None:
            entry.agenda = None
            entry.rows.clear()
        else:
            if entry.agenda is None:
                entry.agenda = agenda.Agenda(entry.chain, draft.now)
            else:
                entry.agenda.renew(draft, entry.chain)
            entry.append_rows(rows, fresh)
        self._cache.weigh(entry)
        return entry, draft

    def _stamp(self, key: ChainKey) -> types.Stamp | None:
        namespace = self._namespaces(key.namespace_id)
        if namespace is None:
            return None
        self._last_now = max(self._last_now + 1, self._clock.now())
        return types.Stamp(self._last_now, self._entropy(16), self._task_id, namespace)

    def _tick_of(self, entry: Entry, now: int) -> types.Tick | None:
        """What an alarm means for the chain now; None: nothing (it was stale), and the next one is set."""
        entry.armed_at = 0
        if entry.chain is None or entry.agenda is None:
            return None
        activities, timers, operations = entry.agenda.take_due(entry.chain, now)
        run_due = agenda.run_due(entry.chain.current)
        if not activities and not timers and not operations and not 0 < run_due <= now:
            self._arm(entry, far=True)
            return None
        return types.Tick(activities, timers, nexus=operations)

    def _closed_for(self, awaited: Awaited, entry: Entry) -> dict[str, ClosedRun] | None:
        record = self._records.get((awaited.key, getattr(awaited.request, "run_id", "")))
        if record is None:
            return None
        if entry.chain is not None and entry.chain.current.run.run_id == record.run.run_id:
            return None
        return {record.run.run_id: record}

    # ---- loading --------------------------------------------------------------------------------------------------------

    async def _load(self, batch: Sequence[Awaited]) -> None:
        """Bring every chain, and every closed run, that the batch names into memory."""
        missing = set()
        for awaited in batch:
            awaited.entry = self._cache.get(awaited.key)
            if awaited.entry is None:
                missing.add(awaited.key)
        if missing:
            keys = sorted(missing)
            if len(keys) == 1:
                loaded_chains = [await self._store.load(self._id, keys[0])]
            else:
                loaded_chains = await asyncio.gather(*(self._store.load(self._id, key) for key in keys))
            for key, stored in zip(keys, loaded_chains, strict=True):
                chain = codec.decode_chain(key, stored.header, stored.parts) if stored is not None else None
                entry = Entry(key, chain, self._clock.now())
                self._cache.put(entry)
                if chain is not None:
                    self._wake_loaded(entry)
        for awaited in batch:
            loaded = awaited.entry
            if loaded is None:
                loaded = awaited.entry = self._cache.get(awaited.key)
            run_id = getattr(awaited.request, "run_id", "")
            if not run_id:
                continue
            current = (
                loaded.chain.current.run.run_id if loaded is not None and loaded.chain is not None else ""
            )
            if run_id == current or (awaited.key, run_id) in self._records:
                continue
            raw = await self._store.load_run(self._id, awaited.key, run_id)
            if raw is not None:
                self._records[awaited.key, run_id] = codec.decode_closed(raw)

    def _wake_loaded(self, entry: Entry) -> None:
        """A chain came from the store: whatever it owes may have been forgotten by everybody."""
        assert entry.chain is not None
        self._offers.renew(entry, None)
        for message in agenda.messages(entry.chain):
            self._outbox.send(entry.key, message)
        assert entry.agenda is not None
        if self._lost_before and entry.agenda.in_hand(entry.chain):
            # Of what was begun since, the request knows nothing: a chain may come back from the store at any time.
            self._post(Awaited(entry.key, types.WorkersLost(self._lost_before), None))
        self._arm(entry)

    # ---- publishing -----------------------------------------------------------------------------------------------------

    def _show(self, folded: list[tuple[Entry, Draft]]) -> bool:
        """Offer what has become owed to matching; whether there was anything."""
        shown = False
        for entry, draft in folded:
            if not draft.runs and not draft.delete_chain:
                continue
            activities = draft.run.touched("activities")
            touched: Any = [*(activities.changes if activities is not None else ()), *draft.ripe]
            if draft.run.is_new or (entry.chain is not None and not entry.chain.current.run.open):
                touched = None
            shown |= self._offers.renew(entry, touched)
        return shown

    def _publish(self, folded: list[tuple[Entry, Draft]]) -> None:
        self._uncommitted.clear()
        for entry, draft in folded:
            if not draft.runs and not draft.delete_chain:
                continue
            for message in draft.out.changes.values():
                if message is not None:
                    self._outbox.send(entry.key, message)
            for notice in draft.notices:
                self._waiters.publish(notice)
            if entry.chain is not None:
                self._arm(entry)
            if draft.dirty:
                if self._waiters.watched(entry.key):
                    self._waiters.committed(entry.key, _closing(draft))
                if self._changed is not None:
                    self._changed(entry.key)
                if entry.chain is not None and not entry.chain.current.run.open:
                    entry.forget_history()
            draft.let_go()

    def _arm(self, entry: Entry, far: bool = False) -> None:
        """Set the alarm for the chain's next deadline. ``far``: the one in the store has rung."""
        assert entry.chain is not None and entry.agenda is not None
        due = entry.agenda.next_due(entry.chain)
        if not due or (entry.armed_at and entry.armed_at <= due):
            return
        # The store remembers one instant of a chain, and while it waits for a worker, or owes a message, that is another.
        stored = entry.agenda.alarm(entry.chain, self._last_now, workers_inside=self._workers_inside)
        far = far or stored != due
        if self._alarms.arm(due, entry.key, far):
            entry.armed_at = due

    # ---- far alarms and retention ---------------------------------------------------------------------------------------

    async def _sweep(self) -> None:
        """Read alarms ahead, and delete runs whose retention is over, twice a minute."""
        while self._open:
            await pause(self._clock, SWEEP_NS)
            try:
                await self._read_ahead((self._read_until, ChainKey("\U0010ffff", "")))
                for key, run_id in await self._store.expired(self._id, self._clock.now(), DUE_PAGE):
                    self._post(Awaited(key, types.ExpireRun(run_id), None))
            except StoreError as error:
                log.warning("cannot read ahead: %s", error)

    async def _read_ahead(self, after: tuple[int, ChainKey] | None) -> None:
        until = self._clock.now() + HORIZON_NS
        # First the horizon, then the reading: a chain that commits meanwhile, after the store has looked, arms itself.
        self._alarms.horizon_at = max(self._alarms.horizon_at, until)
        while True:
            page = await self._store.due(self._id, after, until, DUE_PAGE)
            for at, key in page:
                self._alarms.arm(at, key)
            if len(page) < DUE_PAGE:
                break
            after = page[-1]
        self._read_until = until

    # ---- failure --------------------------------------------------------------------------------------------------------

    async def _recover(self, error: Exception) -> None:
        """Memory is gone: acquire a new fence and begin again from what is stored."""
        if isinstance(error, StoreError):
            log.warning("commit failed (%s: %s); the shard reloads", type(error).__name__, error)
        else:
            log.exception("a turn failed; the shard reloads", exc_info=error)
        self._cache.clear()
        self._uncommitted.clear()
        self._outbox.clear()
        self._waiters.memory_lost()
        self._refuse_all(self._done)
        self._refuse_all(self._queue)
        wait_ns = SECOND // 100
        while self._open:
            try:
                await self._acquire()
                return
            except FenceLost:
                log.warning("another owner has the shard")
            except StoreError as again:
                log.warning("cannot acquire the shard: %s", again)
            await pause(self._clock, wait_ns)
            wait_ns = min(wait_ns * 2, SECOND)

    def _refuse_all(self, waiting: "deque[Awaited] | list[Awaited]") -> None:
        while waiting:
            awaited = waiting.pop()
            awaited.outcome = Rejected(Reason.UNAVAILABLE, UNAVAILABLE)
            _settle(awaited)

    # ---- reading --------------------------------------------------------------------------------------------------------

    async def read_history(self, key: ChainKey, run_id: str, first: int, last: int) -> Sequence[HistoryRow]:
        return await self._histories.rows(key, run_id, first, last)

    async def scheduled_event(
        self, key: ChainKey, run_id: str, scheduled_id: int
    ) -> history.ActivityTaskScheduledEventAttributes:
        return await self._histories.scheduled(key, run_id, scheduled_id)

    def watch(self, key: ChainKey, closings: bool = False) -> ChainWatch:
        return ChainWatch(self._waiters, key, closings)

    def listen(self, topic: str) -> TopicListener:
        return TopicListener(self._waiters, topic)

    async def list_runs(
        self, wanted: VisibilityFilter, after: VisibilityCursor | None, limit: int
    ) -> Sequence[VisibilityRow]:
        try:
            return await self._store.list_runs(wanted, after, limit)
        except StoreError as error:
            raise Rejected(Reason.UNAVAILABLE, f"runs cannot be listed now: {error}") from error

    async def count_runs(self, wanted: VisibilityFilter) -> int:
        try:
            return await self._store.count_runs(wanted)
        except StoreError as error:
            raise Rejected(Reason.UNAVAILABLE, f"runs cannot be counted now: {error}") from error

    def carry(self, courier: Courier) -> None:
        """Nexus handlers are told by ``courier`` what chains owe them."""
        self._outbox.courier = courier

    def refused(self, offer: Any) -> None:
        """Matching's callback: an offer on a sticky queue found nobody."""
        self._offers.refused(offer)

    def credit(self, queue: Any, room: int) -> None:
        """Matching's callback: a queue has room again."""
        self._offers.credit(queue, room)


def _closing(draft: Draft) -> tuple[str, HistoryRow] | None:
    """The run that this draft closes, and the row with its closing event."""
    for rd in draft.runs:
        if not rd.run.open and rd.changed and rd.rows and rd.rows[-1][1] == rd.run.close_event_id:
            return rd.run.run_id, HistoryRow(*rd.rows[-1])
    return None


def _settle(awaited: Awaited) -> None:
    """Answer whoever waits. An exception as outcome is raised there."""
    future = awaited.future
    if future is None or future.done():
        return
    if isinstance(awaited.outcome, Exception):
        future.set_exception(awaited.outcome)
    else:
        future.set_result(awaited.outcome)
