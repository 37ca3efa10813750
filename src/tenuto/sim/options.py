"""Every knob of a simulation, drawn from its seed: each seed has another mixture of load and trouble (a swarm)."""

from dataclasses import dataclass, fields, replace
from random import Random

MS = 1_000_000
SECOND = 1_000 * MS


@dataclass(frozen=True, slots=True)
class Options:
    """Rates are per call unless named otherwise; 0 switches a trouble off."""

    shuffle: bool
    nodes: int
    clients: int
    workers: int
    workflow_ids: int
    operations: int
    """Each client's operations."""
    pause_ns: int
    """Mean pause of a client between operations."""

    disk_delay_ns: int
    """Longest way to the disk, one way."""
    net_delay_ns: int
    store_faults: float
    net_loss: float
    net_duplicates: float
    abandon: float
    """A client's chance of giving up on a call early."""

    crash_every_ns: int
    """Mean time between crashes of the owner; 0: none. Likewise below."""
    takeover_every_ns: int
    partition_every_ns: int
    jump_every_ns: int
    skew_ns: int
    """Largest skew of a node's clock."""
    jump_ns: int
    worker_death_every_ns: int
    steal: bool
    """A former owner may acquire the shard again; otherwise only the holder of the lease may."""

    sticky: float
    """Share of workers with a sticky cache."""
    slow: float
    """A worker's chance of answering too late."""
    worker_failures: float
    """A worker's chance of failing a workflow task, or of losing it."""
    eager: float
    """Share of starts and activities that ask for eager execution."""
    resets: bool
    deletes: bool
    cron: bool
    pauses: bool
    """Clients pause and unpause activities."""
    children: bool
    updates: bool
    small_cache: bool
    """Chains are evicted from memory all the time."""
    small_bounds: float
    """Chance that each bound of the product is made small (see ``bounds``)."""
    small_window: bool
    """Matching takes only a few offers of a queue."""
    schedules: int = 0
    """Clients that make schedules. Drawn seeds have none: see ``with_schedules``."""
    soloists: int = 0
    """Clients that start activities on their own. Drawn seeds have none: see ``with_activities``."""


def _maybe(chance: Random, share: float, low: float, high: float) -> float:
    drawn = chance.uniform(low, high)
    return drawn if chance.random() < share else 0.0


def _ns(chance: Random, share: float, low_s: float, high_s: float) -> int:
    return round(_maybe(chance, share, low_s, high_s) * SECOND)


def draw(seed: int) -> Options:
    """The options of a seed."""
    chance = Random(f"options {seed}")
    calm = chance.random() < 0.1
    trouble = 0.0 if calm else 1.0
    return Options(
        shuffle=chance.random() < 0.8,
        nodes=chance.choice((1, 2, 2, 3)),
        clients=chance.randint(1, 4),
        workers=chance.randint(1, 4),
        workflow_ids=chance.choice((1, 2, 4, 8)),
        operations=chance.randint(5, 25),
        pause_ns=_ns(chance, 1, 0.01, 2),
        disk_delay_ns=round(chance.choice((0.05, 1, 5, 50)) * MS),
        net_delay_ns=round(chance.choice((0.05, 1, 20, 200)) * MS),
        store_faults=_maybe(chance, 0.5 * trouble, 0.001, 0.15),
        net_loss=_maybe(chance, 0.5 * trouble, 0.005, 0.2),
        net_duplicates=_maybe(chance, 0.4 * trouble, 0.005, 0.2),
        abandon=_maybe(chance, 0.4 * trouble, 0.01, 0.2),
        crash_every_ns=_ns(chance, 0.5 * trouble, 1, 20),
        takeover_every_ns=_ns(chance, 0.4 * trouble, 1, 20),
        partition_every_ns=_ns(chance, 0.3 * trouble, 2, 20),
        jump_every_ns=_ns(chance, 0.3 * trouble, 1, 20),
        skew_ns=_ns(chance, 0.4 * trouble, 0.001, 2),
        jump_ns=_ns(chance, 1, 0.01, 30),
        worker_death_every_ns=_ns(chance, 0.5 * trouble, 1, 20),
        steal=chance.random() < 0.2,
        sticky=_maybe(chance, 0.8, 0.3, 1),
        slow=_maybe(chance, 0.4 * trouble, 0.01, 0.2),
        worker_failures=_maybe(chance, 0.4 * trouble, 0.01, 0.2),
        eager=_maybe(chance, 0.3, 0.2, 1),
        resets=chance.random() < 0.4,
        deletes=chance.random() < 0.15,
        cron=chance.random() < 0.15,
        pauses=chance.random() < 0.25,
        children=chance.random() < 0.7,
        updates=chance.random() < 0.7,
        small_cache=chance.random() < 0.3,
        small_bounds=_maybe(chance, 0.4, 0.2, 1),
        small_window=chance.random() < 0.15,
    )


def with_schedules(seed: int) -> Options:
    """The options of a seed, and schedules besides: another story than the seed alone tells."""
    return replace(draw(seed), schedules=Random(f"schedules {seed}").randint(1, 2))


def with_activities(seed: int) -> Options:
    """The options of a seed, and activities on their own besides: another story, too."""
    return replace(draw(seed), soloists=Random(f"activities {seed}").randint(1, 3))


def describe(options: Options) -> str:
    """One line: the knobs that are on."""
    shown = []
    for field in fields(options):
        value = getattr(options, field.name)
        if value in (0, False):
            continue
        if field.name.endswith("_ns"):
            shown.append(f"{field.name[:-3]}={value / SECOND:.4g}s")
        elif isinstance(value, float):
            shown.append(f"{field.name}={value:.3g}")
        else:
            shown.append(f"{field.name}={value}")
    return " ".join(shown)
