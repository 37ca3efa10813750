"""One node on virtual time over a watched disk, and the properties every single answer must have."""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, TypeVar

from tenuto.engine.types import Rejected
from tenuto.frontend.answers import Answers, Refusal, percent_encoded, refusal
from tenuto.limits import LIMITS, SECOND
from tenuto.matching.host import Matching
from tenuto.service.call import Call
from tenuto.service.core import Core
from tenuto.service.errors import Code, ServiceError
from tenuto.service.namespaces import Namespaces
from tenuto.service.service import Service
from tenuto.shard.runner import Shard
from tenuto.sim.loop import SimClock, SimulationLoop
from tenuto.store.memory import MemoryDisk, MemoryStore
from tenuto.store.spi import (
    Batch,
    ChainKey,
    HistoryRow,
    Store,
    VisibilityCursor,
    VisibilityFilter,
    VisibilityRow,
)
from tenuto.wire import DecodeError, Message, operatorservice
from tenuto.wire import workflowservice as ws

LATE = Code.DEADLINE_EXCEEDED
"""Time ran out for the answer, not for what was asked."""
T = TypeVar("T")
NAMESPACES = ("default", "other")
BRIEF = replace(LIMITS, task_poll_minimum_ns=SECOND // 2)
"""Polls may be short, so that not every step costs seconds of virtual time."""
DEADLINE_NS = SECOND + SECOND // 4
MOVES_WHEN_REFUSED = {
    "RespondWorkflowTaskCompleted": "wrong commands fail the workflow task",
    "ExecuteMultiOperation": "the start stands when its update is aborted later",
}
"""Calls whose refusal is itself written down."""


class Broken(AssertionError):
    """An answer without one of the properties."""


class CountingDisk(MemoryDisk):
    """Counts what becomes durable."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0

    def write(self, number: int, fence: int, batch: Batch, history_only: bool = False) -> None:
        self.writes += 1
        for chain in batch.chains:
            fits(chain.alarm_at)
        for run in batch.runs:
            fits(run.expires_at)
        for row in batch.visibility:
            fits(row.status, row.start_at, row.execution_at, row.close_at)
        super().write(number, fence, batch, history_only)

    def put_record(self, kind: str, name: str, value: bytes | None, expect: int | None) -> int | None:
        version = super().put_record(kind, name, value, expect)
        self.writes += version is not None
        return version


def fits(*numbers: int | None) -> None:
    """Databases have 64 bits for a number."""
    if any(number is not None and not -(2**63) <= number < 2**63 for number in numbers):
        raise OverflowError(f"no column holds one of {numbers}")


class StrictStore(MemoryStore):
    """As particular about numbers as a database."""

    async def read_history(
        self, shard: int, key: ChainKey, run_id: str, first: int, last: int
    ) -> list[HistoryRow]:
        fits(first, last)
        return await super().read_history(shard, key, run_id, first, last)

    async def list_runs(
        self, wanted: VisibilityFilter, after: VisibilityCursor | None, limit: int
    ) -> Sequence[VisibilityRow]:
        if after is not None:
            fits(after.close_at, after.start_at)
        fits(limit, wanted.start_from, wanted.start_to, wanted.close_from, wanted.close_to, *wanted.statuses)
        return await super().list_runs(wanted, after, limit)

    async def count_runs(self, wanted: VisibilityFilter) -> int:
        fits(wanted.start_from, wanted.start_to, wanted.close_from, wanted.close_to, *wanted.statuses)
        return await super().count_runs(wanted)


@dataclass(slots=True)
class Answer:
    """What a call came to: a response, or a refusal's code, name and text."""

    response: Message | None
    code: int = 0
    text: str = ""

    @property
    def refused(self) -> bool:
        return self.code != 0


class _Complaints(logging.Handler):
    """Collects what the service logs as an error: nothing planned does."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(self.format(record))


class World:
    """A serving node. ``store`` defaults to memory over ``disk``."""

    def __init__(self, seed: int, disk: CountingDisk | None = None, store: Store | None = None) -> None:
        self.loop = SimulationLoop(seed, shuffle=False, trace_lines=1)
        self.clock = SimClock(self.loop)
        self.disk = disk or CountingDisk()
        self.store: Store = store or StrictStore(self.disk)
        self.complaints = _Complaints()
        chance = Random(f"ids {seed}")
        self.namespaces = Namespaces(self.store, lambda: _uuid(chance))
        self.matching = Matching(self.clock)
        self.shard = Shard(
            self.store, 0, "node", self.clock, self.namespaces.facts, self.matching, chance.randbytes
        )
        self.matching.refused = self.shard.refused
        self.matching.credit = self.shard.credit
        self.core = Core(
            self.shard, self.matching, self.namespaces, self.clock, lambda: _uuid(chance), limits=BRIEF
        )
        self.service = Service(self.core)
        self.answers = Answers(self.service)
        self.paths = {method: path for path, (method, _) in self.answers.methods.items()}
        self.kinds = dict(self.answers.methods.values())
        self.replies = {
            method: getattr(ws if hasattr(ws, f"{method}Response") else operatorservice, f"{method}Response")
            for method in self.kinds
        }
        logging.getLogger("tenuto").addHandler(self.complaints)
        self.run(self._open())

    async def _open(self) -> None:
        await self.store.open()
        await self.namespaces.load(NAMESPACES)
        await self.shard.open()

    def run(self, coro: Coroutine[Any, Any, T]) -> T:
        result: T = self.loop.run_until_complete(coro)
        self.loop.run_ready()
        return result

    def close(self) -> None:
        async def close() -> None:
            self.matching.close()
            await self.shard.close()
            await self.store.close()

        self.run(close())
        self.loop.close()  # whatever still waits may be collected in silence
        logging.getLogger("tenuto").removeHandler(self.complaints)

    def pass_time(self, ns: int) -> None:
        """Let ``ns`` of virtual time go by."""
        self.run(self.core.sleep(self.clock.now() + ns))

    def frame(self, deadline_ns: int = DEADLINE_NS) -> Call:
        return Call(self.clock.now() + deadline_ns, dict)

    # ---- calls ----------------------------------------------------------------------------------------------------

    def call(self, method: str, request: Message, deadline_ns: int = DEADLINE_NS) -> Answer:
        """A message to the service itself. Raises `Broken`."""
        before = request.SerializeToString(deterministic=True)
        answer = self._judged(method, self.service.call(method, request, self.frame(deadline_ns)), request)
        if request.SerializeToString(deterministic=True) != before:
            raise Broken(f"{method} has changed its request:\n{request}")
        return answer

    def call_raw(self, method: str, raw: bytes, deadline_ns: int = DEADLINE_NS) -> Answer:
        """Bytes to the door that listeners use. Raises `Broken`."""
        answer = self.answers.unary(self.paths[method])
        assert answer is not None
        return self._judged(method, answer(raw, self.frame(deadline_ns)), raw)

    def _judged(self, method: str, coro: Coroutine[Any, Any, Any], request: object) -> Answer:
        writes, began = self.disk.writes, self.loop.now_ns
        try:
            answered = self.run(self._in_time(coro))
        except (ServiceError, Rejected, Refusal) as error:
            answer = self._refused(method, error, request)
            moved = self.disk.writes != writes and self.loop.now_ns == began and answer.code != LATE
            if moved and method not in MOVES_WHEN_REFUSED:
                raise Broken(f"{method} was refused ({error!r}) and yet wrote:\n{_shown(request)}") from error
        except Exception as error:
            raise Broken(f"{method} failed with {error!r}:\n{_shown(request)}") from error
        else:
            answer = Answer(self._read(method, answered, request))
        if self.complaints.heard:
            heard, self.complaints.heard = self.complaints.heard, []
            raise Broken(f"{method} made the service complain: {heard[0]}\n{_shown(request)}")
        return answer

    async def _in_time(self, coro: Coroutine[Any, Any, Any]) -> Any:
        """Whatever is asked, something is answered within a minute."""
        return await asyncio.wait_for(coro, 60)

    def _refused(self, method: str, error: Exception, request: object) -> Answer:
        if isinstance(error, Rejected):
            raise Broken(f"{method} let the engine's refusal {error!r} through")
        if isinstance(error, ServiceError):
            error = refusal(error)
        assert isinstance(error, Refusal)
        if error.code in (Code.INTERNAL, Code.UNKNOWN):
            cause = error.__cause__
            raise Broken(
                f"{method} answered {Code(error.code).name}: {cause!r}\n{_shown(request)}"
            ) from cause
        percent_encoded(error.message)
        return Answer(None, error.code, error.message)

    def _read(self, method: str, answered: Message | bytes, request: object) -> Message:
        kind = self.replies[method]
        raw = answered if isinstance(answered, bytes) else answered.SerializeToString()
        try:
            read: Message = kind.FromString(raw)
        except DecodeError as error:
            raise Broken(f"nobody can read the answer of {method}: {error}\n{_shown(request)}") from error
        return read

    def begin(self, method: str, request: Message) -> "Coroutine[Any, Any, Answer]":
        """Start a call that waits for others; await what this returns (`finish`) to judge its answer."""
        task = self.loop.create_task(self.service.call(method, request, self.frame(8 * SECOND)))
        self.loop.run_ready()

        async def outcome() -> Any:
            return await task

        return self._later(method, request, outcome())

    async def _later(self, method: str, request: Message, waiting: Coroutine[Any, Any, Any]) -> Answer:
        try:
            return Answer(self._read(method, await waiting, request))
        except ServiceError as error:
            return self._refused(method, error, request)
        except Exception as error:
            raise Broken(f"{method} failed with {error!r}:\n{_shown(request)}") from error

    # ---- sizes ----------------------------------------------------------------------------------------------------

    def sizes(self) -> dict[str, int]:
        """What must be empty when nobody waits."""
        waiters = self.shard._waiters
        queues = self.matching._queues.values()
        families = {type(family).__name__: family for family in self.service._families}
        queries: Any = families["Queries"]
        return {
            "watches": len(waiters.watches),
            "listeners": len(waiters.listeners),
            "parked polls": sum(1 for queue in queues for _ in queue.polls()),
            "waiting queries": sum(1 for queue in queues for _ in queue.asking()),
            "asked queries": len(queries._asked),
            "hungry queues": len(self.matching._hungry),
            "shard queue": len(self.shard._queue),
            "tasks": sum(1 for task in asyncio.all_tasks(self.loop) if not task.done()) - 2,
        }


def _uuid(chance: Random) -> str:
    text = f"{chance.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:]}"


def _shown(request: object) -> str:
    return (repr(request) if isinstance(request, bytes) else str(request))[:3000]
