"""What may change how a worker or a replayer is made and run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenuto.client import WorkflowHistory
    from tenuto.worker.config import WorkerConfig
    from tenuto.worker.replayer import Replayer, ReplayerConfig, WorkflowReplayResult
    from tenuto.worker.worker import Worker


class Plugin(ABC):
    """Give one to `Worker` or `Replayer`, or to a client whose workers shall all have it. The first one is the outermost."""

    def name(self) -> str:
        """Which plugin this is: by default the class with its module."""
        return f"{type(self).__module__}.{type(self).__qualname__}"

    @abstractmethod
    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        """The configuration to use instead of ``config``, which may be changed and returned."""

    @abstractmethod
    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:
        """Run ``worker`` to its end; usually by awaiting ``next(worker)`` with something around it."""

    @abstractmethod
    def configure_replayer(self, config: ReplayerConfig) -> ReplayerConfig:
        """Like ``configure_worker``, for a replayer."""

    @abstractmethod
    def run_replayer(
        self,
        replayer: Replayer,
        histories: AsyncIterator[WorkflowHistory],
        next: Callable[
            [Replayer, AsyncIterator[WorkflowHistory]],
            AbstractAsyncContextManager[AsyncIterator[WorkflowReplayResult]],
        ],
    ) -> AbstractAsyncContextManager[AsyncIterator[WorkflowReplayResult]]:
        """Replay ``histories``; usually ``next(replayer, histories)`` with something around it."""
