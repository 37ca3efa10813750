"""The values matching speaks: queues, offers, polls, queries and their pairs.

Everything here is an immutable value or a protocol. This module must never hold behaviour, import a protocol
message, or know what a workflow is beyond the names in a `Ticket`.
"""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

DEFAULT_PRIORITY = 3
PRIORITY_LEVELS = 5
SYSTEM_RATE = 100_000.0
"""Dispatches per second reported for a queue on which nobody has set a limit. Not enforced."""


class QueueKind(enum.IntEnum):
    """What kind of work a queue carries. Numbers equal the wire's ``TaskQueueType``."""

    WORKFLOW = 1
    ACTIVITY = 2
    NEXUS = 3


class QueueKey(NamedTuple):
    """One task queue. ``normal_name`` is set exactly for sticky queues: the queue the worker shares with
    others."""

    namespace_id: str
    name: str
    kind: QueueKind
    normal_name: str = ""

    @property
    def sticky(self) -> bool:
        return self.normal_name != ""


class Ticket(NamedTuple):
    """Identifies one owed dispatch. Two offers with equal tickets are the same offer."""

    namespace_id: str
    workflow_id: str
    run_id: str
    scheduled_event_id: int
    attempt: int
    stamp: int


@dataclass(frozen=True, slots=True)
class Offer:
    """An owed dispatch, shown to matching. Durable nowhere but in the chain that owes it."""

    queue: QueueKey
    ticket: Ticket
    priority: int = DEFAULT_PRIORITY
    """1 (first) to 5; 0 means the default, numbers above 5 mean 5."""
    fairness_key: str = ""
    fairness_weight: float = 1.0
    """Share of this key against others of the same priority; 0 means 1, the floor is 0.001."""
    created_at: int = 0
    """When the dispatch became owed (ns); 0: unknown, then it has no age."""
    deployment: str = ""
    build_id: str = ""
    """With ``deployment``: only versioned polls of exactly this build take the offer. Both empty: only
    unversioned polls."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question for a worker; it meets waiting polls only. The service keeps the rest under ``query_id``."""

    queue: QueueKey
    query_id: str
    namespace_id: str
    workflow_id: str
    run_id: str
    deployment: str = ""
    build_id: str = ""


@dataclass(frozen=True, slots=True)
class Poller:
    """One poll of a worker."""

    queue: QueueKey
    identity: str
    poll_id: str
    max_tasks_per_second: float | None = None
    """Asks for a dispatch limit on the whole queue. Heeded on activity queues only; the last poll wins; 0
    pauses."""
    worker_instance_key: str = ""
    build_id: str = ""
    deployment: str = ""
    versioning: bool = False
    details: object | None = None
    """Whatever the service wants back in a description (capabilities, deployment options)."""
    worker_tasks_per_second: float | None = None
    """Dispatch limit for this worker alone (all its polls on this queue together)."""


@dataclass(frozen=True, slots=True)
class Match:
    """A poll's answer: exactly one of ``offer`` and ``query``."""

    offer: Offer | None
    query: Query | None
    backlog_count_hint: int
    scaling_delta: int | None
    """Advice to a worker that scales its pollers: +1, -1, or None for no advice."""
    deadline_at: int = 0
    """For a query: the instant (ns) at which its caller stops waiting. 0 for an offer."""


class OfferResult(enum.Enum):
    """What became of an offer."""

    TAKEN = "taken"
    DUPLICATE = "duplicate"
    """The same ticket is already waiting on this queue; nothing changed."""
    REFUSED_STICKY = "refused_sticky"
    """Nobody has polled this sticky queue lately: use the normal queue."""
    NO_CREDIT = "no_credit"
    """The queue's window is full (or matching is closed): keep the offer until the credit callback names the
    queue."""


class QueryHandover(enum.Enum):
    """What became of a query. Handed over says nothing about its answer."""

    HANDED_OVER = "handed_over"
    NO_POLLER = "no_poller"
    TIMED_OUT = "timed_out"


class RateSource(enum.IntEnum):
    """Who set the limit in force. Numbers equal the wire's ``RateLimitSource``."""

    API = 1
    WORKER = 2
    SYSTEM = 3


@dataclass(frozen=True, slots=True)
class RateSetting:
    """A limit set through the API, with who and why. ``rate`` is dispatches per second; None: unset."""

    rate: float | None
    reason: str
    identity: str
    updated_at: int


@dataclass(frozen=True, slots=True)
class PollerSeen:
    """A poller of the last five minutes; the latest poll under each identity."""

    identity: str
    last_access_at: int
    rate_per_second: float
    poller: Poller


@dataclass(frozen=True, slots=True)
class QueueStats:
    """Rates are per second over the last 30 s."""

    backlog_count: int = 0
    backlog_age_ns: int = 0
    add_rate: float = 0.0
    dispatch_rate: float = 0.0


@dataclass(frozen=True, slots=True)
class QueueDescription:
    """What is known of one queue now. A queue never used has zeros."""

    queue: QueueKey
    pollers: tuple[PollerSeen, ...] = ()
    stats: QueueStats = QueueStats()
    stats_by_priority: Mapping[int, QueueStats] = field(default_factory=dict)
    """Levels that have been used; the default level is always there."""
    effective_rate: float = SYSTEM_RATE
    rate_source: RateSource = RateSource.SYSTEM
    rate_limiting_active: bool = False
    """Whether the limit held a dispatch back in the last 30 s."""
    queue_rate: RateSetting | None = None
    fairness_key_rate: RateSetting | None = None
    fairness_weights: Mapping[str, float] = field(default_factory=dict)
    """Weights set through the API, which override those in offers."""


class Timer(Protocol):
    """A pending call; cancelling twice, or after the call, does nothing."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Time as matching sees it."""

    def now(self) -> int:
        """Nanoseconds since the epoch; never goes back."""

    def call_at(self, when_ns: int, fn: Callable[[], None]) -> Timer:
        """Call ``fn`` once, when ``now() >= when_ns``, never from within this call."""
