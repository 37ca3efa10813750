"""Sync activities in threads, against a service in real time."""

import asyncio
import threading
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tenuto import activity
from tenuto.exceptions import ApplicationError, CancelledError
from tenuto.worker.activity_interceptor import ActivityInboundInterceptor, ExecuteActivityInput
from tenuto.worker.interceptor import Interceptor

from .house import End, House, open_house
from .test_local import attempt

BEAT = timedelta(seconds=60)
OFTEN = timedelta(milliseconds=20)
TAG: ContextVar[str] = ContextVar("tag", default="none")
NOTES: list[Any] = []


@activity.defn
def where(value: int) -> list[Any]:
    return [value, threading.current_thread().name, activity.info().activity_type, TAG.get()]


@activity.defn
def spin() -> str:
    try:
        while True:
            activity.heartbeat("round")
            activity.wait_for_worker_shutdown_sync(0.005)
    except CancelledError:
        NOTES.append(activity.cancellation_details())
        raise


@activity.defn(no_thread_cancel_exception=True)
def cooperative() -> str:
    while not activity.is_cancelled():
        activity.heartbeat()
        activity.wait_for_cancelled_sync(0.005)
    return "saw it"


@activity.defn
def from_two_threads() -> None:
    activity.heartbeat("one")
    raise ValueError("broken")


@activity
def new_style(value: int) -> int:
    return value * 3


def real(name: str, *functions: Any, args: tuple[Any, ...] = (), **options: Any) -> End:
    async def story() -> End:
        async with open_house(virtual=False) as house:
            activities = house.activities(*functions, **options)
            try:
                return await house.run(activities, name, *args)
            finally:
                await activities.drain()

    return asyncio.run(story())


def test_sync_activities_get_threads_of_their_own_when_nobody_gives_an_executor() -> None:
    value, thread, kind, _ = real("where", where, args=(3,)).result
    assert (value, kind) == (3, "where")
    assert thread.startswith("tenuto-activity")


def test_a_given_executor_is_used_and_left_open() -> None:
    with ThreadPoolExecutor(1, "mine") as executor:
        assert real("where", where, args=(3,), executor=executor).result[1].startswith("mine")
        assert executor.submit(lambda: 1).result() == 1


def test_functions_of_new_style_run_in_threads_too() -> None:
    assert real("new_style", new_style, args=(5,)).result == 15


def test_context_variables_set_around_the_call_are_seen_in_the_thread() -> None:
    class Tagging(ActivityInboundInterceptor):
        async def execute_activity(self, input: ExecuteActivityInput) -> Any:
            assert isinstance(input.executor, ThreadPoolExecutor)
            TAG.set("tagged")
            return await super().execute_activity(input)

    class Tags(Interceptor):
        def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
            return Tagging(next)

    assert real("where", where, args=(1,), interceptors=[Tags()]).result[3] == "tagged"
    assert TAG.get() == "none"


def test_a_heartbeat_of_another_thread_is_not_lost_when_the_activity_fails_at_once() -> None:
    @activity.defn
    async def hurried() -> list[Any]:
        if activity.info().attempt == 1:
            context = activity.Context.current()
            beating = threading.Thread(target=context.heartbeat, args=("kept",))
            beating.start()
            beating.join()
            raise ApplicationError("again", next_retry_delay=timedelta(milliseconds=1))
        return list(activity.info().heartbeat_details)

    async def story() -> Any:
        async with open_house(virtual=False) as house:
            activities = house.activities(hurried)
            workflow_id = await house.schedule("hurried", attempts=2)
            await activities.run(await house.task())
            await activities.run(await house.task())
            return (await house.end(workflow_id)).result

    assert asyncio.run(story()) == ["kept"]


def test_an_error_and_the_newest_heartbeat_travel_together() -> None:
    end = real("from_two_threads", from_two_threads)
    assert end.failure.message == "broken"
    assert "in from_two_threads" in end.failure.stack_trace


async def _cancelled(house: House, function: Any) -> End:
    activities = house.activities(function, max_heartbeat_throttle=OFTEN)
    name = activity.Definition.must(function).name
    assert name is not None
    workflow_id = await house.schedule(name, heartbeat_timeout=BEAT)
    task = asyncio.ensure_future(activities.run(await house.task()))
    await house.cancel(workflow_id)
    await asyncio.wait_for(task, 10)
    await activities.drain()
    return await house.end(workflow_id)


def test_a_thread_is_interrupted_when_its_activity_is_cancelled() -> None:
    async def story() -> End:
        NOTES.clear()
        async with open_house(virtual=False) as house:
            return await _cancelled(house, spin)

    assert asyncio.run(story()).kind == "CANCELED"
    assert [one.cancel_requested for one in NOTES] == [True]


def test_a_thread_that_refuses_interruption_sees_the_flag() -> None:
    async def story() -> Any:
        async with open_house(virtual=False) as house:
            return (await _cancelled(house, cooperative)).result

    assert asyncio.run(story()) == "saw it"


def test_shutdown_interrupts_threads_after_the_grace() -> None:
    async def story() -> Any:
        async with open_house(virtual=False) as house:
            activities = house.activities(stuck)
            workflow_id = await house.schedule("stuck")
            task = asyncio.ensure_future(activities.run(await house.task()))
            while not NOTES:  # noqa: ASYNC110 - in another thread
                await asyncio.sleep(0.001)
            await asyncio.wait_for(activities.drain(), 10)
            await task
            return (await house.end(workflow_id)).failure.application_failure_info.type

    NOTES.clear()
    assert asyncio.run(story()) == "WorkerShutdown"


@activity.defn
def stuck() -> None:
    NOTES.append("started")
    for _ in range(10_000):
        activity.wait_for_cancelled_sync(0.001)


def test_a_thread_of_a_local_activity_ends_when_its_time_is_up() -> None:
    @activity.defn
    def waits() -> None:
        try:
            while not activity.is_cancelled():
                activity.wait_for_worker_shutdown_sync(0.001)
            while True:
                activity.wait_for_worker_shutdown_sync(0.001)
        except CancelledError:
            NOTES.append(activity.cancellation_details())
            raise

    async def story() -> None:
        async with open_house(virtual=False) as house:
            activities = house.activities(waits)
            up: list[bool] = []
            asked = replace(attempt("waits"), expired=lambda: bool(up))
            task = asyncio.ensure_future(activities.run_local(asked))
            await asyncio.sleep(0.02)
            up.append(True)
            await asyncio.sleep(0.02)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.to_thread(activities.executor().shutdown)

    NOTES.clear()
    asyncio.run(story())
    assert [one.timed_out for one in NOTES] == [True]


class _Broken(Executor):
    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> "Future[Any]":
        raise BrokenExecutor("gone")


def test_a_broken_executor_fails_the_attempt_and_is_fatal() -> None:
    async def story() -> Any:
        async with open_house(virtual=False) as house:
            activities = house.activities(where, executor=_Broken())
            workflow_id = await house.schedule("where", 1)
            with pytest.raises(RuntimeError, match="Activity worker failed"):
                await activities.run(await house.task())
            return (await house.end(workflow_id)).failure.application_failure_info.type

    assert asyncio.run(story()) == "BrokenExecutor"
