"""Activities: retries, failures, cancellation, local ones, and those that somebody else completes."""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import Priority, RetryPolicy
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.workflow import ActivityCancellationType

from tests.interop.sdk.stage import Stage, describe, outcome, program

SHORT = timedelta(seconds=5)
FAST = RetryPolicy(initial_interval=timedelta(milliseconds=10), maximum_attempts=3)
ONCE = RetryPolicy(maximum_attempts=1)
NO_CACHE = "The official worker gives up local activities of runs that it cannot keep in memory."


@activity.defn
async def stubborn(succeeds_at: int) -> list[Any]:
    """Fails until that attempt; hands its progress on by heartbeats."""
    info = activity.info()
    seen = [*info.heartbeat_details, info.attempt]
    activity.heartbeat(*seen)
    if info.attempt < succeeds_at:
        raise ApplicationError(f"attempt {info.attempt}", seen, type="Stubborn")
    return seen


@activity.defn
async def failing(how: str) -> None:
    match how:
        case "plain":
            raise ValueError("no such thing")
        case "chain":
            try:
                raise KeyError("inner")
            except KeyError as inner:
                raise ApplicationError("outer", 1, {"two": 2}, type="Outer", non_retryable=True) from inner
        case "soon":
            raise ApplicationError("later", next_retry_delay=timedelta(milliseconds=5))
        case "slow":
            await asyncio.sleep(30)


@activity.defn
async def holding(how: str) -> str:
    """Heartbeats until it is cancelled."""
    try:
        while True:
            activity.heartbeat("held")
            await asyncio.sleep(0.05)
    except asyncio.CancelledError:
        if how == "obey":
            raise
        return f"{how}: went on"


@activity.defn
async def echo(value: Any) -> Any:
    return value


@activity.defn
async def elsewhere() -> str:
    activity.raise_complete_async()


@activity.defn(name="said-otherwise")
def in_a_thread(left: int, right: int = 2) -> int:
    return left * right


@workflow.defn
class Retries:
    """All options of an activity, and one that needs three attempts."""

    @workflow.run
    async def run(self) -> list[Any]:
        stubborn_result = await workflow.execute_activity(
            stubborn, 3, start_to_close_timeout=SHORT, heartbeat_timeout=SHORT, retry_policy=FAST
        )
        named = await workflow.execute_activity(
            echo,
            {"a": [1, None, True]},
            activity_id="by-name",
            schedule_to_close_timeout=timedelta(seconds=20),
            schedule_to_start_timeout=timedelta(seconds=10),
            start_to_close_timeout=SHORT,
            retry_policy=RetryPolicy(
                initial_interval=timedelta(seconds=2),
                backoff_coefficient=3,
                maximum_interval=timedelta(seconds=9),
                maximum_attempts=5,
                non_retryable_error_types=["A", "B"],
            ),
            summary="what it is for",
            priority=Priority(priority_key=2, fairness_key="one", fairness_weight=1.5),
        )
        by_name = await workflow.execute_activity(
            "said-otherwise", args=[3, 4], start_to_close_timeout=SHORT, result_type=int
        )
        with_default = await workflow.execute_activity(in_a_thread, 5, schedule_to_close_timeout=SHORT)
        return [stubborn_result, named, by_name, with_default]


@program()
async def activity_retries(stage: Stage) -> Any:
    return await stage.execute(Retries.run)


@workflow.defn
class Failures:
    """Every way in which an activity can fail, as the workflow sees it."""

    @workflow.run
    async def run(self) -> list[Any]:
        seen: list[Any] = []

        async def look(how: str, **options: Any) -> None:
            options.setdefault("start_to_close_timeout", SHORT)
            options.setdefault("retry_policy", ONCE)
            try:
                await workflow.execute_activity(failing, how, **options)
            except FailureError as error:
                seen.append(describe(error))

        await look("plain")
        await look("chain")
        await look("soon", retry_policy=RetryPolicy(maximum_attempts=2))
        await look("plain", retry_policy=RetryPolicy(non_retryable_error_types=["ValueError"]))
        await look("slow", start_to_close_timeout=timedelta(milliseconds=200))
        await look("slow", heartbeat_timeout=timedelta(milliseconds=200))
        await look(
            "plain", task_queue="nobody-is-here", schedule_to_start_timeout=timedelta(milliseconds=200)
        )
        await look("slow", schedule_to_close_timeout=timedelta(milliseconds=200), start_to_close_timeout=None)
        await workflow.execute_activity(failing, "chain", start_to_close_timeout=SHORT)
        return seen

    @workflow.query
    def nothing(self) -> None: ...


@workflow.defn
class Caught:
    @workflow.run
    async def run(self) -> Any:
        try:
            await workflow.execute_child_workflow(Failures.run, id=workflow.info().workflow_id + "-child")
        except Exception as error:  # noqa: BLE001 - told in the result
            return describe(error)


@program()
async def activity_failures(stage: Stage) -> Any:
    return await stage.gather(
        outcome(stage.execute(Failures.run)), outcome(stage.execute(Caught.run, suffix="caught"))
    )


@workflow.defn
class Cancels:
    """Cancels an activity in the way it is told."""

    def __init__(self) -> None:
        self.go = False

    @workflow.signal
    def cancel(self) -> None:
        self.go = True

    @workflow.run
    async def run(self, how: str, kind: int) -> Any:
        held = workflow.start_activity(
            holding,
            how,
            activity_id="held",
            start_to_close_timeout=timedelta(seconds=30),
            heartbeat_timeout=timedelta(seconds=1),
            cancellation_type=ActivityCancellationType(kind),
        )
        await workflow.wait_condition(lambda: self.go)
        held.cancel()
        said: Any
        try:
            said = await held
        except FailureError as error:
            said = describe(error)
        await workflow.sleep(0.2)
        return said


@program()
async def activity_cancellation(stage: Stage) -> Any:
    async def one(how: str, kind: ActivityCancellationType) -> Any:
        handle = await stage.start(Cancels.run, how, int(kind), suffix=f"{how}-{kind.name}")
        await stage.pending(handle, "held")
        await handle.signal(Cancels.cancel)
        return await handle.result()

    return await stage.gather(
        *(one(how, kind) for how in ("obey", "ignore") for kind in ActivityCancellationType)
    )


@workflow.defn
class NeverSent:
    """Cancels activities and timers before anybody heard of them, and after they are done."""

    @workflow.run
    async def run(self) -> list[Any]:
        seen: list[Any] = []
        first = workflow.start_activity(echo, 1, start_to_close_timeout=SHORT)
        first.cancel()
        try:
            await first
        except (FailureError, asyncio.CancelledError) as error:
            seen.append(describe(error))
        second = workflow.start_activity(echo, 2, start_to_close_timeout=SHORT)
        await asyncio.sleep(0)
        second.cancel()
        try:
            await second
        except (FailureError, asyncio.CancelledError) as error:
            seen.append(describe(error))
        done = workflow.start_activity(echo, 3, start_to_close_timeout=SHORT)
        seen.append(await done)
        seen.append(done.cancel())
        timer = asyncio.create_task(asyncio.sleep(10))
        await asyncio.sleep(0)
        timer.cancel()
        seen.append(await workflow.execute_activity(echo, 4, start_to_close_timeout=SHORT))
        return seen


@program()
async def activity_cancelled_before_sent(stage: Stage) -> Any:
    return await stage.execute(NeverSent.run)


@activity.defn
async def local(how: str) -> Any:
    attempt = activity.info().attempt
    match how:
        case "twice" if attempt < 3:
            raise ApplicationError(f"attempt {attempt}", type="Twice")
        case "once" if attempt < 2:
            raise ApplicationError("delayed", next_retry_delay=timedelta(milliseconds=100))
        case "never":
            raise ApplicationError("never", {"attempt": attempt}, non_retryable=True) from ValueError("cause")
        case "always":
            raise RuntimeError(f"always: {attempt}")
        case "slow" if attempt < 2:
            await asyncio.sleep(10)
        case "long":
            await asyncio.sleep(1.4)
        case "void":
            return None
        case "cancelled":
            raise asyncio.CancelledError
    return [how, attempt, activity.info().is_local]


@workflow.defn
class Locals:
    """Local activities, one after the other."""

    @workflow.run
    async def run(self) -> list[Any]:
        seen: list[Any] = []

        async def look(how: str, **options: Any) -> None:
            options.setdefault("start_to_close_timeout", SHORT)
            options.setdefault("retry_policy", FAST)
            try:
                seen.append(await workflow.execute_local_activity(local, how, **options))
            except FailureError as error:
                seen.append(describe(error))

        await look("fine", summary="with a summary")
        await look("void", activity_id="by-name")
        await look("twice")
        await look("never")
        await look("always")
        await look("always", retry_policy=RetryPolicy(non_retryable_error_types=["RuntimeError"]))
        await look("slow", start_to_close_timeout=timedelta(milliseconds=100))
        await look("slow", start_to_close_timeout=timedelta(milliseconds=100), retry_policy=ONCE)
        await look("slow", schedule_to_close_timeout=timedelta(milliseconds=100), start_to_close_timeout=None)
        seen.append(await workflow.execute_activity(echo, "between", start_to_close_timeout=SHORT))
        await look("fine")
        return seen


@program(alone=NO_CACHE)
async def local_activities(stage: Stage) -> Any:
    return await stage.execute(Locals.run)


@workflow.defn
class LocalBackoff:
    """Retries that are too long for one workflow task."""

    @workflow.run
    async def run(self) -> list[Any]:
        policy = RetryPolicy(initial_interval=timedelta(milliseconds=300), maximum_attempts=3)
        threshold = timedelta(milliseconds=200)
        seen = [
            await workflow.execute_local_activity(
                local,
                "twice",
                start_to_close_timeout=SHORT,
                retry_policy=policy,
                local_retry_threshold=threshold,
            )
        ]
        seen.append(await workflow.execute_local_activity(local, "once", start_to_close_timeout=SHORT))
        try:
            await workflow.execute_local_activity(
                local,
                "always",
                start_to_close_timeout=SHORT,
                retry_policy=policy,
                local_retry_threshold=threshold,
            )
        except FailureError as error:
            seen.append(describe(error))
        return seen


@program(alone=NO_CACHE)
async def local_activity_backoff(stage: Stage) -> Any:
    return await stage.execute(LocalBackoff.run)


@workflow.defn
class LocalFailure:
    """Fails with what a local activity failed with."""

    @workflow.run
    async def run(self, how: str) -> None:
        await workflow.execute_local_activity(local, how, start_to_close_timeout=SHORT, retry_policy=ONCE)


@program(alone=NO_CACHE)
async def local_activity_failure_ends_the_run(stage: Stage) -> Any:
    return await stage.gather(
        *(
            outcome(stage.execute(LocalFailure.run, how, suffix=how))
            for how in ("never", "always", "cancelled")
        )
    )


@workflow.defn
class TakenBack:
    """Asks for things that it takes back when a local activity ends, all within one workflow task."""

    @workflow.run
    async def run(self) -> list[Any]:
        seen: list[Any] = []
        quick = workflow.execute_local_activity(local, "fine", start_to_close_timeout=SHORT)
        seen.append(await asyncio.wait_for(quick, 60))
        left = workflow.start_activity(echo, "never", start_to_close_timeout=SHORT)
        seen.append(await workflow.execute_local_activity(local, "fine", start_to_close_timeout=SHORT))
        left.cancel()
        try:
            await left
        except FailureError as error:
            seen.append(describe(error))
        seen.append(await workflow.execute_activity(echo, "in the end", start_to_close_timeout=SHORT))
        return seen


@program(alone=NO_CACHE)
async def taken_back(stage: Stage) -> Any:
    return await stage.execute(TakenBack.run)


@workflow.defn
class LongLocal:
    """Takes longer than a workflow task may, so that it has to be kept alive."""

    @workflow.run
    async def run(self) -> Any:
        first = await workflow.execute_local_activity(local, "long", start_to_close_timeout=SHORT)
        second = await workflow.execute_local_activity(local, "fine", start_to_close_timeout=SHORT)
        return [first, second]


@program(alone=NO_CACHE)
async def local_activity_longer_than_a_task(stage: Stage) -> Any:
    return await stage.execute(LongLocal.run, task_timeout=timedelta(seconds=1))


@activity.defn
async def paced(index: int) -> int:
    await asyncio.sleep(0.06 * index)
    return index


@workflow.defn
class Together:
    """Local activities side by side, with commands between them."""

    @workflow.run
    async def run(self) -> list[Any]:
        order: list[Any] = []

        async def one(index: int) -> None:
            order.append(await workflow.execute_local_activity(paced, index, start_to_close_timeout=SHORT))
            order.append(
                await workflow.execute_local_activity(paced, 4 - index, start_to_close_timeout=SHORT) + 10
            )
            order.append(await workflow.execute_activity(echo, index + 20, start_to_close_timeout=SHORT))

        await asyncio.gather(*(one(index) for index in range(4)))
        return sorted(order)


@program(loose="What is done first is a race.", alone=NO_CACHE)
async def local_activities_together(stage: Stage) -> Any:
    return await stage.execute(Together.run)


@activity.defn
async def local_holding(how: str) -> str:
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        if how == "obey":
            raise
        return f"{how}: went on"
    return "nobody stopped it"


@workflow.defn
class CancelsLocal:
    """Cancels a local activity: by a timer while it runs, or before it ran."""

    @workflow.run
    async def run(self, how: str, kind: int) -> list[Any]:
        held = workflow.start_local_activity(
            local_holding,
            how,
            start_to_close_timeout=timedelta(seconds=30),
            cancellation_type=ActivityCancellationType(kind),
        )
        if how == "early":
            held.cancel()
        else:
            await workflow.execute_local_activity(paced, 1, start_to_close_timeout=SHORT)
            held.cancel()
        said: Any
        try:
            said = await held
        except (FailureError, asyncio.CancelledError) as error:
            said = describe(error)
        return [said, await workflow.execute_local_activity(paced, 0, start_to_close_timeout=SHORT)]


@program(alone=NO_CACHE)
async def local_activity_cancellation(stage: Stage) -> Any:
    async def one(how: str, kind: ActivityCancellationType) -> Any:
        return await outcome(stage.execute(CancelsLocal.run, how, int(kind), suffix=f"{how}-{kind.name}"))

    return await stage.gather(
        *(one(how, kind) for how in ("obey", "ignore", "early") for kind in ActivityCancellationType)
    )


@workflow.defn
class ByOthers:
    """Activities that are completed by somebody else."""

    @workflow.run
    async def run(self) -> list[Any]:
        seen: list[Any] = []
        for name in ("completed", "failed", "cancelled"):
            handle = workflow.start_activity(
                elsewhere,
                activity_id=name,
                start_to_close_timeout=timedelta(seconds=20),
                retry_policy=ONCE,
                cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            )
            if name == "cancelled":
                await workflow.wait_condition(lambda: self.stop)
                handle.cancel()
            try:
                seen.append(await handle)
            except FailureError as error:
                seen.append(describe(error))
        return seen

    stop = False

    @workflow.signal
    def cancel(self) -> None:
        self.stop = True


@program()
async def completed_by_others(stage: Stage) -> Any:
    handle = await stage.start(ByOthers.run)

    async def other(activity_id: str) -> Any:
        await stage.pending(handle, activity_id)
        return stage.client.get_async_activity_handle(
            workflow_id=handle.id, run_id=handle.result_run_id, activity_id=activity_id
        )

    first = await other("completed")
    await first.heartbeat("half", "way")
    await first.complete("from outside")
    told = [await outcome(first.complete("again"))]
    await (await other("failed")).fail(ApplicationError("from outside", type="Outside"))
    third = await other("cancelled")
    await handle.signal(ByOthers.cancel)
    await stage.until(handle, "ACTIVITY_TASK_CANCEL_REQUESTED")
    told.append(await outcome(third.heartbeat()))
    await third.report_cancellation("so", "be it")
    return [told, await handle.result()]
