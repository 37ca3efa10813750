"""The links of the chain that every activity passes. This file must never decide anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from tenuto.activity import Info
    from tenuto.wire import common


@dataclass
class ExecuteActivityInput:
    """Input of `ActivityInboundInterceptor.execute_activity`."""

    fn: Callable[..., Any]
    args: Sequence[Any]
    executor: Executor | None
    """Where a sync function runs; None for an async one."""
    headers: Mapping[str, common.Payload]


class ActivityInboundInterceptor:
    """Around each attempt of an activity. Override what you need, and call ``super()`` to go on."""

    def __init__(self, next: ActivityInboundInterceptor) -> None:
        self.next = next

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        """Called once, before anything else: wrap ``outbound`` here and pass it on."""
        self.next.init(outbound)

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        return await self.next.execute_activity(input)


class ActivityOutboundInterceptor:
    """Around what an activity asks of its context. Override what you need, and call ``super()`` to go on."""

    def __init__(self, next: ActivityOutboundInterceptor) -> None:
        self.next = next

    def info(self) -> Info:
        return self.next.info()

    def heartbeat(self, *details: Any) -> None:
        self.next.heartbeat(*details)
