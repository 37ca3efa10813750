"""What activities really did, written down where no crash reaches it: the world's own ledger.

Every worker of a storm has a `Scribe` among its interceptors. This file must never judge; the checkers do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tenuto.activity import Info
from tenuto.worker.activity_interceptor import (
    ActivityInboundInterceptor,
    ActivityOutboundInterceptor,
    ExecuteActivityInput,
)
from tenuto.worker.interceptor import Interceptor


@dataclass(slots=True)
class Deed:
    """One execution of an activity's code."""

    worker: str
    info: Info
    attempt: int
    began_ns: int
    ended: bool = False
    """It returned, as opposed to raised, or died with its worker."""

    @property
    def name(self) -> tuple[str, str]:
        """(run id, activity id)"""
        return self.info.workflow_run_id or "", self.info.activity_id

    @property
    def shown(self) -> str:
        kind = "local activity" if self.info.is_local else "activity"
        return f"{kind} {self.info.activity_type!r} (id {self.info.activity_id}) of {self.info.workflow_id}"


class Ledger:
    """All deeds, by (run id, activity id). ``begun`` is called before the code runs."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self.deeds: dict[tuple[str, str], list[Deed]] = {}
        self.begun: list[Callable[[Deed], None]] = []

    def begin(self, worker: str, info: Info) -> Deed:
        deed = Deed(worker, info, info.attempt, self._now())
        for told in self.begun:
            told(deed)
        self.deeds.setdefault(deed.name, []).append(deed)
        return deed


class Scribe(Interceptor):
    """Writes down what one worker's activities do."""

    def __init__(self, ledger: Ledger, worker: str) -> None:
        self._ledger = ledger
        self._worker = worker

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Writing(next, self._ledger, self._worker)


class _Writing(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, ledger: Ledger, worker: str) -> None:
        super().__init__(next)
        self._ledger = ledger
        self._worker = worker
        self._outbound: ActivityOutboundInterceptor | None = None

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        self._outbound = outbound
        super().init(outbound)

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        assert self._outbound is not None
        deed = self._ledger.begin(self._worker, self._outbound.info())
        result = await super().execute_activity(input)
        deed.ended = True
        return result
