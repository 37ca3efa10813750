"""What a program gets when it is played: a client of either SDK, a task queue, and ways to wait without sleeping.

Programs and this file know nothing about which SDK or service is at work.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio.api.enums.v1 import event_type_pb2 as events

Play = Callable[["Stage"], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Program:
    """One program. ``loose`` says why its workflow tasks may fall differently; then only commands are compared."""

    name: str
    play: Play
    loose: str = ""
    alone: str = ""
    """Why it is not played by two workers of different make at once."""
    takeover: bool = False
    """Whether it calls `Stage.swap`, once."""


def program(*, loose: str = "", alone: str = "", takeover: bool = False) -> Callable[[Play], Play]:
    """Mark a function of a script as a program; it is called with a `Stage` and answers something JSON can hold."""

    def mark(play: Play) -> Play:
        play.__dict__["interop_program"] = Program(
            getattr(play, "__name__", ""), play, loose, alone, takeover
        )
        return play

    return mark


@dataclass(slots=True)
class Stage:
    """One playing of one program."""

    client: Any
    queue: str
    name: str
    salt: str
    handles: list[Any] = field(default_factory=list)
    swapped: Callable[[], Awaitable[None]] | None = None
    accepted: Any = None
    """The update stage of this name, of the client's make."""

    def id(self, suffix: str = "main") -> str:
        return f"{self.salt}-{self.name}-{suffix}"

    def keep(self, handle: Any) -> Any:
        """Have the histories of this handle's run, and of what it started, compared."""
        self.handles.append(handle)
        return handle

    async def start(self, run: Any, *args: Any, suffix: str = "main", **options: Any) -> Any:
        """Start a workflow on the stage's queue."""
        options.setdefault("execution_timeout", timedelta(seconds=60))
        return self.keep(
            await self.client.start_workflow(
                run, args=list(args), id=self.id(suffix), task_queue=self.queue, **options
            )
        )

    async def execute(self, run: Any, *args: Any, suffix: str = "main", **options: Any) -> Any:
        """Start a workflow and wait for its result."""
        handle = await self.start(run, *args, suffix=suffix, **options)
        return await handle.result()

    async def until(self, handle: Any, kind: str, count: int = 1) -> None:
        """Wait until history holds ``count`` events of this kind, as in ``TIMER_STARTED``."""
        wanted = events.EventType.Value(f"EVENT_TYPE_{kind}")
        seen = 0
        async for event in handle.fetch_history_events(wait_new_event=True):
            seen += event.event_type == wanted
            if seen == count:
                return
        raise AssertionError(f"the run ended with {seen} of {count} {kind}")

    async def idle(self, handle: Any, tasks: int = 1) -> None:
        """Wait until ``tasks`` workflow tasks are over and none is pending."""
        await self.until(handle, "WORKFLOW_TASK_COMPLETED", tasks)
        while (await handle.describe()).raw_description.HasField("pending_workflow_task"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def pending(self, handle: Any, activity: str) -> None:
        """Wait until a worker has got the activity with this id."""
        while True:
            told = (await handle.describe()).raw_description.pending_activities
            if any(one.activity_id == activity and one.HasField("last_started_time") for one in told):
                return
            await asyncio.sleep(0.01)

    async def swap(self) -> None:
        """Where another worker may take over: nothing is at work now, and every program has come so far."""
        if self.swapped is not None:
            await self.swapped()

    async def gather(self, *awaitables: Awaitable[Any]) -> list[Any]:
        return list(await asyncio.gather(*awaitables))


async def outcome(awaitable: Awaitable[Any]) -> Any:
    """The result, or what the error says."""
    try:
        return await awaitable
    except Exception as error:  # noqa: BLE001 - that is the question
        return describe(error)


_FIELDS = (
    "message",
    "type",
    "non_retryable",
    "details",
    "next_retry_delay",
    "category",
    "retry_state",
    "activity_type",
    "activity_id",
    "workflow_type",
    "workflow_id",
    "namespace",
    "last_heartbeat_details",
    "scheduled_event_id",
    "started_event_id",
    "status",
)


_SAYS_CAUSES = ("WorkflowFailureError", "WorkflowUpdateFailedError")


def describe(error: BaseException | None) -> list[dict[str, Any]]:
    """An error and its causes, as JSON. Usable in workflows."""
    told: list[dict[str, Any]] = []
    while error is not None and not (told and type(error).__name__ == "RPCError"):
        # A client of ours says the causes in the text, too, and keeps the call's error as the cause.
        text = str(error).split(":")[0] if type(error).__name__ in _SAYS_CAUSES else str(error)
        if type(error).__name__ == "WorkflowQueryRejectedError":
            text = "in words, or by number"
        one: dict[str, Any] = {"kind": type(error).__name__, "text": text}
        for name in _FIELDS:
            value = getattr(error, name, None)
            # Where a child began depends on how quick it is.
            quick = name == "started_event_id" and not hasattr(error, "scheduled_event_id")
            if value is not None and not callable(value) and not quick:
                one[name] = _plain(value)
        told.append(one)
        error = error.__cause__
    return told


def _plain(value: Any) -> Any:
    if isinstance(value, str | bool | int | float):
        return getattr(value, "name", value) if not isinstance(value, str | bool) else value
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(getattr(value, "name", value))
