"""What every use case stands on: the shards, matching, the namespaces, the clock, and a source of ids."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from tenuto.limits import LIMITS, SECOND, Limits
from tenuto.matching.host import Matching
from tenuto.matching.types import Clock
from tenuto.service.namespaces import Namespaces
from tenuto.shard.api import Shards
from tenuto.wire import duration_pb2, timestamp_pb2

SERVER_VERSION = "1.32.0"
"""The version of a Temporal service whose behaviour clients may expect; they switch features on it."""


FARTHEST = 2**63 - 1
"""The last instant, and the longest duration, that databases can count in nanoseconds."""


@dataclass(frozen=True, slots=True)
class Core:
    """``new_id`` makes UUIDs; ``address`` is where clients reach this node; ``store_name`` is shown to clients."""

    shards: Shards
    matching: Matching
    namespaces: Namespaces
    clock: Clock
    new_id: Callable[[], str]
    limits: Limits = LIMITS
    cluster_id: str = "00000000-0000-4000-8000-000000000000"
    store_name: str = "memory"
    address: str = "127.0.0.1:7233"
    shard_count: int = 1

    def long_poll_until(self, deadline_at: int | None, wait_ns: int) -> int:
        """When a waiting call must answer at the latest: after ``wait_ns``, and a little before its caller gives up."""
        now = self.clock.now()
        until = now + wait_ns
        if deadline_at is not None:
            until = min(until, max(deadline_at - self.limits.poll_tailroom_ns, now))
        return until

    async def sleep(self, until: int) -> None:
        """Wait until ``until`` (ns)."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.clock.call_at(until, lambda: None if woken.done() else woken.set_result(None))
        try:
            await woken
        finally:
            timer.cancel()


def timestamp(at: int) -> timestamp_pb2.Timestamp:
    return timestamp_pb2.Timestamp(seconds=at // SECOND, nanos=at % SECOND)


def duration(ns: int) -> duration_pb2.Duration:
    return duration_pb2.Duration(seconds=ns // SECOND, nanos=ns % SECOND)


def nanoseconds(value: duration_pb2.Duration | timestamp_pb2.Timestamp) -> int:
    """What is too far away to count in 64 bits becomes the farthest that is not."""
    return max(-FARTHEST, min(value.seconds * SECOND + value.nanos, FARTHEST))
