"""Workflows and activities for the scenarios of the SDK's further features."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import Priority, RawValue, RetryPolicy, SearchAttributeKey
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)
from temporalio.workflow import ActivityCancellationType, ChildWorkflowCancellationType, ParentClosePolicy

SOON = timedelta(seconds=20)
KEYWORD = SearchAttributeKey.for_keyword("OracleKeyword")
NUMBER = SearchAttributeKey.for_int("OracleInt")
ONCE = RetryPolicy(maximum_attempts=1)
QUICK = RetryPolicy(initial_interval=timedelta(seconds=0.1), backoff_coefficient=1, maximum_attempts=5)


@activity.defn
async def echo(value: Any) -> Any:
    return value


@activity.defn
def blocking(value: int) -> int:
    """Runs in a thread."""
    time.sleep(0.05)
    assert threading.current_thread() is not threading.main_thread()
    return value + 1


@activity.defn
async def resumes() -> list[Any]:
    """Fails once after a heartbeat; the next attempt gets its details."""
    if activity.info().attempt == 1:
        activity.heartbeat("progress", 7)
        raise ApplicationError("once more", type="Again")
    return [activity.info().attempt, *activity.info().heartbeat_details]


@activity.defn
async def silent() -> str:
    """Never heartbeats although it must."""
    await asyncio.sleep(30)
    return "unreachable"


@activity.defn
async def stubborn() -> str:
    """Is told of its cancellation and completes all the same."""
    try:
        while True:
            activity.heartbeat()
            await asyncio.sleep(0.1)
    except asyncio.CancelledError:
        return "completed all the same"


@activity.defn
async def hopeless() -> None:
    raise ApplicationError("no use", {"detail": 1}, type="Hopeless", non_retryable=True)


@activity.defn
async def listed() -> None:
    raise ApplicationError("listed", type="Listed")


@activity.defn
async def delayed() -> int:
    if activity.info().attempt == 1:
        raise ApplicationError("wait", next_retry_delay=timedelta(seconds=0.2))
    return activity.info().attempt


@activity.defn
async def elsewhere() -> str:
    activity.raise_complete_async()


@activity.defn(dynamic=True)
async def whatever(arguments: Sequence[RawValue]) -> str:
    return f"{activity.info().activity_type} {len(arguments)}"


ACTIVITIES: list[Callable[..., Any]] = [
    echo,
    blocking,
    resumes,
    silent,
    stubborn,
    hopeless,
    listed,
    delayed,
    elsewhere,
    whatever,
]


def causes(error: BaseException | None) -> list[str]:
    """The chain of an error, outermost first."""
    found = []
    while error is not None:
        found.append(f"{type(error).__name__}: {error}")
        error = error.__cause__
    return found


async def attempt(awaitable: Any) -> Any:
    """The result, or the chain of errors."""
    try:
        return await awaitable
    except (ActivityError, ChildWorkflowError, ApplicationError) as error:
        return causes(error)


@workflow.defn
class ManyActivities:
    """Every way for an activity to end."""

    @workflow.run
    async def run(self) -> list[Any]:
        call: Any = workflow.execute_activity
        return [
            await call(resumes, start_to_close_timeout=SOON, retry_policy=QUICK),
            await attempt(call(hopeless, start_to_close_timeout=SOON)),
            await attempt(
                call(
                    listed,
                    start_to_close_timeout=SOON,
                    retry_policy=RetryPolicy(non_retryable_error_types=["Listed"]),
                )
            ),
            await call(delayed, start_to_close_timeout=SOON),
            await attempt(
                call(
                    silent,
                    start_to_close_timeout=SOON,
                    heartbeat_timeout=timedelta(seconds=1),
                    retry_policy=ONCE,
                )
            ),
            await attempt(call(silent, start_to_close_timeout=timedelta(seconds=1), retry_policy=ONCE)),
            await attempt(
                call(silent, schedule_to_close_timeout=timedelta(seconds=1.5), start_to_close_timeout=SOON)
            ),
            await attempt(
                call(
                    echo,
                    1,
                    task_queue="nobody-here",
                    schedule_to_start_timeout=timedelta(seconds=1),
                    schedule_to_close_timeout=SOON,
                )
            ),
            await call("anything at all", args=[1, 2], start_to_close_timeout=SOON, result_type=str),
            await call(blocking, 1, start_to_close_timeout=SOON, priority=Priority(priority_key=1)),
        ]


@workflow.defn
class Fan:
    """Activities, timers and local activities all at once."""

    @workflow.run
    async def run(self, width: int) -> int:
        calls: list[Any] = [
            workflow.execute_activity(echo, number, start_to_close_timeout=SOON) for number in range(width)
        ]
        calls += [
            workflow.execute_local_activity(echo, number, start_to_close_timeout=SOON)
            for number in range(width)
        ]
        calls += [self.napped(number) for number in range(width)]
        return sum(await asyncio.gather(*calls))

    async def napped(self, number: int) -> int:
        await workflow.sleep(0.01 * number + 0.01)
        return number


@workflow.defn
class Cancels:
    """Cancels activities and children in each of the ways there are."""

    @workflow.run
    async def run(self, salt: str) -> list[Any]:
        seen: list[Any] = []
        for kind in (
            ActivityCancellationType.TRY_CANCEL,
            ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            ActivityCancellationType.ABANDON,
        ):
            handle: Any = workflow.start_activity(
                stubborn,
                start_to_close_timeout=SOON,
                heartbeat_timeout=timedelta(seconds=5),
                cancellation_type=kind,
                retry_policy=ONCE,
            )
            await workflow.sleep(0.5)
            handle.cancel()
            seen.append([kind.name, await attempt(handle)])
        for how in (
            ChildWorkflowCancellationType.TRY_CANCEL,
            ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
            ChildWorkflowCancellationType.ABANDON,
        ):
            child: Any = await workflow.start_child_workflow(
                Mailbox.run, id=f"{salt}-{how.name}", cancellation_type=how
            )
            await workflow.sleep(0.3)
            child.cancel()
            seen.append([how.name, await attempt(child)])
        return [
            [name, [part.replace(salt, "ID") for part in parts] if isinstance(parts, list) else parts]
            for name, parts in seen
        ]


@workflow.defn
class Mailbox:
    """Collects signals until told to stop; knows handlers by name and any other name."""

    def __init__(self) -> None:
        self.mail: list[Any] = []
        self.stopped = False

    @workflow.run
    async def run(self) -> list[Any]:
        await workflow.wait_condition(lambda: self.stopped)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self.mail

    @workflow.signal
    async def put(self, item: Any) -> None:
        await workflow.sleep(0.05)
        self.mail.append(item)

    @workflow.signal
    def stop(self) -> None:
        self.stopped = True

    @workflow.signal(dynamic=True)
    def other(self, name: str, arguments: Sequence[RawValue]) -> None:
        self.mail.append(f"{name} {len(arguments)}")

    @workflow.query(dynamic=True)
    def ask(self, name: str, arguments: Sequence[RawValue]) -> str:
        return f"{name} {len(self.mail)}"

    @workflow.update(dynamic=True)
    async def change(self, name: str, arguments: Sequence[RawValue]) -> str:
        done: Any = await workflow.execute_activity(echo, name, start_to_close_timeout=SOON)
        self.mail.append(f"update {done}")
        return f"{done} {len(self.mail)}"


@workflow.defn
class Family:
    """Signals and cancels children and strangers; leaves one child behind."""

    @workflow.run
    async def run(self, salt: str) -> list[Any]:
        seen: list[Any] = []
        child = await workflow.start_child_workflow(Mailbox.run, id=f"{salt}-a")
        await child.signal(Mailbox.put, "from the parent")
        await child.signal("unknown", args=[1, 2])
        await child.signal(Mailbox.stop)
        seen.append(await child)
        other = await workflow.start_child_workflow(Mailbox.run, id=f"{salt}-b")
        stranger = workflow.get_external_workflow_handle(f"{salt}-b")
        await stranger.signal("put", "from afar")
        await stranger.cancel()
        seen.append([part.replace(salt, "ID") for part in await attempt(other)])
        for unknown in (
            workflow.get_external_workflow_handle(f"{salt}-missing").signal("x"),
            workflow.get_external_workflow_handle(f"{salt}-missing").cancel(),
        ):
            seen.append([part.replace(salt, "ID") for part in await attempt(unknown)])
        try:
            await workflow.start_child_workflow(Mailbox.run, id=workflow.info().workflow_id)
        except WorkflowAlreadyStartedError as error:
            seen.append([part.replace(salt, "ID") for part in causes(error)])
        kept: Any = await workflow.start_child_workflow(
            Mailbox.run, id=f"{salt}-kept", parent_close_policy=ParentClosePolicy.ABANDON
        )
        asked: Any = await workflow.start_child_workflow(
            Mailbox.run, id=f"{salt}-asked", parent_close_policy=ParentClosePolicy.REQUEST_CANCEL
        )
        ended: Any = await workflow.start_child_workflow(Mailbox.run, id=f"{salt}-ended")
        seen.append([bool(part.first_execution_run_id) for part in (kept, asked, ended)])
        return seen


@workflow.defn
class Describing:
    """Attributes, memo, details, metadata."""

    @workflow.run
    async def run(self) -> list[Any]:
        info = workflow.info()
        seen: list[Any] = [info.typed_search_attributes.get(KEYWORD), workflow.memo()]
        workflow.upsert_search_attributes([KEYWORD.value_set("changed"), NUMBER.value_set(5)])
        workflow.upsert_memo({"b": 2, "a": None})
        workflow.set_current_details("half way")
        await workflow.sleep(0.1, summary="a short rest")
        seen += [workflow.info().typed_search_attributes.get(NUMBER), workflow.memo()]
        workflow.upsert_search_attributes([KEYWORD.value_unset()])
        seen += [info.attempt, info.cron_schedule, info.parent is None, info.root is None]
        seen += [workflow.info().get_current_history_length() > 0, info.is_continue_as_new_suggested()]
        await workflow.wait_condition(lambda: self.done)
        return seen

    def __init__(self) -> None:
        self.done = False

    @workflow.signal(description="ends it")
    def finish(self) -> None:
        self.done = True


@workflow.defn
class Chance:
    """Draws at random, waits, and draws again: a replay must see the same."""

    @workflow.run
    async def run(self, rounds: int) -> bool:
        drawn = [workflow.random().random()]
        names = [str(workflow.uuid4())]
        began = workflow.now()
        for number in range(rounds):
            await workflow.execute_activity(echo, drawn[-1], start_to_close_timeout=SOON)
            if workflow.patched(f"step-{number % 3}"):
                await workflow.sleep(0.01)
            drawn.append(workflow.random().random())
            names.append(str(workflow.uuid4()))
            assert (
                await workflow.execute_local_activity(echo, drawn[-1], start_to_close_timeout=SOON)
            ) == drawn[-1]
        workflow.deprecate_patch("old")
        return len(set(drawn)) == len(set(names)) == rounds + 1 and workflow.now() >= began


@workflow.defn
class LocalRetries:
    """Local activities: retried in place, retried by timer, failing, cancelled."""

    @workflow.run
    async def run(self) -> list[Any]:
        call: Any = workflow.execute_local_activity
        slow = RetryPolicy(initial_interval=timedelta(seconds=1.2), maximum_attempts=2)
        seen = [
            await call(resumes, start_to_close_timeout=SOON, retry_policy=QUICK),
            await call(
                resumes,
                start_to_close_timeout=SOON,
                retry_policy=slow,
                local_retry_threshold=timedelta(seconds=0.5),
            ),
            await attempt(call(hopeless, start_to_close_timeout=SOON)),
            await attempt(call(silent, start_to_close_timeout=timedelta(seconds=1), retry_policy=ONCE)),
        ]
        task = asyncio.create_task(call(silent, start_to_close_timeout=SOON))
        await workflow.sleep(0.3)
        task.cancel()
        try:
            await task
        except (ActivityError, asyncio.CancelledError) as error:
            seen.append(is_cancelled_exception(error))
        return seen


@workflow.defn
class Chain:
    """Continues as new with other terms, keeping what is not given."""

    @workflow.run
    async def run(self, left: int) -> list[Any]:
        info = workflow.info()
        if left:
            workflow.continue_as_new(left - 1, memo={"left": left}, run_timeout=timedelta(minutes=5))
        return [workflow.memo(), info.continued_run_id is not None, str(info.run_timeout)]


@workflow.defn
class Broken:
    """Its first task fails until told otherwise: not the workflow's failure."""

    failures = 0

    @workflow.run
    async def run(self) -> str:
        if Broken.failures < 2:
            Broken.failures += 1
            raise RuntimeError("a bug")
        return "mended"


@workflow.defn
class Outside:
    """Activities that are ended from outside, by id and by token."""

    @workflow.run
    async def run(self) -> list[Any]:
        seen = []
        for name in ("completed", "failed", "canceled"):
            handle: Any = workflow.start_activity(
                elsewhere,
                activity_id=name,
                start_to_close_timeout=SOON,
                heartbeat_timeout=SOON,
                retry_policy=ONCE,
                cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            )
            if name == "canceled":
                await workflow.sleep(0.5)
                handle.cancel()
            seen.append(await attempt(handle))
        return seen


@workflow.defn
class Long:
    """A long history."""

    @workflow.run
    async def run(self, rounds: int) -> int:
        for _ in range(rounds):
            await workflow.execute_activity(echo, "x" * 100, start_to_close_timeout=SOON)
        return rounds


@workflow.defn
class Baton:
    """Takes updates until it is told to hand over to its next run; keeps count across runs."""

    def __init__(self) -> None:
        self.count = 0
        self.hand_over = False
        self.stopped = False

    @workflow.run
    async def run(self, runs: int, count: int) -> list[int]:
        self.count += count
        await workflow.wait_condition(lambda: self.hand_over or self.stopped)
        await workflow.wait_condition(workflow.all_handlers_finished)
        # Both may have come to a server that was busy: a run that went on would never hear that it is to stop.
        if self.hand_over and not self.stopped:
            workflow.continue_as_new(args=[runs + 1, self.count])
        return [runs, self.count]

    @workflow.signal
    def next_run(self) -> None:
        self.hand_over = True

    @workflow.signal
    def stop(self) -> None:
        self.stopped = True

    @workflow.update
    async def add(self, amount: int) -> str:
        self.count += amount
        call: Any = workflow.execute_activity
        await call(echo, amount, start_to_close_timeout=SOON)
        return "added"

    @add.validator
    def check(self, amount: int) -> None:
        if amount < 0:
            raise ApplicationError("negative", type="Negative")


@workflow.defn
class Heavy:
    """Large payloads: its history does not fit one answer."""

    @workflow.run
    async def run(self, rounds: int, size: int) -> int:
        seen = 0
        for _ in range(rounds):
            call: Any = workflow.execute_activity
            seen += len(await call(echo, "x" * size, start_to_close_timeout=SOON))
        return seen


@activity.defn
async def watched() -> str:
    """Heartbeats until told to stop; tells why."""
    try:
        for _ in range(100):
            activity.heartbeat()
            await asyncio.sleep(0.1)
            if activity.info().attempt > 1:
                return f"attempt {activity.info().attempt}"
    except asyncio.CancelledError:
        details = activity.cancellation_details()
        if details is not None and (details.paused or details.reset):
            raise ApplicationError("paused" if details.paused else "reset") from None
        raise
    return "never told"


ACTIVITIES.append(watched)


@workflow.defn
class Watched:
    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity(
            watched,
            activity_id="watched",
            start_to_close_timeout=SOON,
            heartbeat_timeout=timedelta(seconds=5),
            retry_policy=QUICK,
        )


WORKFLOWS: list[Any] = [
    Baton,
    Heavy,
    Watched,
    ManyActivities,
    Fan,
    Cancels,
    Mailbox,
    Family,
    Describing,
    Chance,
    LocalRetries,
    Chain,
    Broken,
    Outside,
    Long,
]
