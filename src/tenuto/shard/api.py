"""What a shard offers to the service: the narrow waist between use cases and the only writer.

The service must never reach around this: no store, no engine state, no matching offers of its own making.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from tenuto.engine.chain import Outgoing
from tenuto.engine.nexus_types import NexusAnswer
from tenuto.engine.types import Notice
from tenuto.store.spi import ChainKey, HistoryRow, VisibilityCursor, VisibilityFilter, VisibilityRow
from tenuto.wire import history


class Watch(Protocol):
    """Wakes when a chain commits. Create it *before* reading the state that is waited on; close it when done."""

    closing: tuple[str, HistoryRow] | None
    """The run that closed last while it was watched, and the stored row that ends with its closing event."""

    async def wait(self, deadline_at: int) -> bool:
        """True when the chain has committed since the last ``wait`` (or since creation); False at ``deadline_at`` (ns)."""

    def close(self) -> None: ...


class Listener(Protocol):
    """Hears the notices of one topic. Create it before the request that may cause them; close it when done."""

    async def next(self, deadline_at: int) -> Notice | None:
        """The next notice, or None at ``deadline_at`` (ns). Raises UNAVAILABLE when the shard lost its memory."""

    def close(self) -> None: ...


class Shards(Protocol):
    """All shards this node can reach, addressed by chain."""

    async def submit(self, key: ChainKey, request: Any) -> Any:
        """Decide one engine request (`tenuto.engine.types`) and return its reply once it is durable. Raises `Rejected`."""

    async def read_history(self, key: ChainKey, run_id: str, first: int, last: int) -> Sequence[HistoryRow]:
        """Stored rows covering events first..last of a run. Raises `Rejected` (UNAVAILABLE)."""

    async def scheduled_event(
        self, key: ChainKey, run_id: str, scheduled_id: int
    ) -> history.ActivityTaskScheduledEventAttributes:
        """What an activity was scheduled with (its input and header live in history only)."""

    def watch(self, key: ChainKey, closings: bool = False) -> Watch:
        """``closings``: wake only when a run of the chain closes (or the shard has lost its memory)."""

    def carry(self, courier: Callable[[ChainKey, Outgoing], Awaitable[NexusAnswer]]) -> None:
        """From now on ``courier`` makes the attempts to tell Nexus handlers what chains owe them."""

    def listen(self, topic: str) -> Listener:
        """Topics: ``update/<run id>/<update id>`` and ``query/<query id>``."""

    async def list_runs(
        self, wanted: VisibilityFilter, after: VisibilityCursor | None, limit: int
    ) -> Sequence[VisibilityRow]: ...

    async def count_runs(self, wanted: VisibilityFilter) -> int: ...
