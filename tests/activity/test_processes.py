"""Sync activities in other processes: our own, and those of an executor."""

import asyncio
import os
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from tenuto import activity
from tenuto.exceptions import ApplicationError, CancelledError
from tenuto.worker.processes import ProcessRunner

from .house import End, House, open_house

BEAT = timedelta(seconds=60)
OFTEN = timedelta(milliseconds=50)


@activity.defn
def where(value: int) -> list[Any]:
    return [value, os.getpid(), activity.info().activity_type, activity.in_activity()]


@activity
def cube(value: int) -> int:
    return value**3


@activity.defn
def fail(kind: str) -> None:
    activity.heartbeat("last words")
    if kind == "application":
        raise ApplicationError("no", 1, 2, type="Sad")
    if kind == "die":
        os._exit(7)
    raise ValueError("of another process")


@activity.defn
def spin() -> str:
    try:
        while True:
            activity.heartbeat("round")
            activity.wait_for_cancelled_sync(0.01)
            if not activity.is_cancelled():
                continue
            return f"cooperated {activity.cancellation_details()}"
    except CancelledError:
        return f"interrupted {activity.cancellation_details()}"


@activity.defn
def no_client() -> str:
    try:
        activity.client()
    except RuntimeError as error:
        return str(error)
    return "had one"


async def _one(house: House, activities: Any, name: str, *args: Any) -> End:
    return await asyncio.wait_for(house.run(activities, name, *args, heartbeat_timeout=BEAT), 60)


def test_our_own_processes() -> None:
    async def story() -> None:
        async with open_house(virtual=False) as house:
            activities = house.activities(where, cube, fail, no_client, processes=1)
            try:
                value, pid, kind, inside = (await _one(house, activities, "where", 3)).result
                assert (value, kind, inside) == (3, "where", True)
                assert pid != os.getpid()
                assert (await _one(house, activities, "where", 3)).result[1] == pid
                assert (await _one(house, activities, "cube", 3)).result == 27
                sad = (await _one(house, activities, "fail", "application")).failure
                assert sad.application_failure_info.type == "Sad"
                assert len(sad.application_failure_info.details.payloads) == 2
                value_error = (await _one(house, activities, "fail", "value")).failure
                assert value_error.message == "of another process"
                assert "in fail" in value_error.cause.message
                assert "No client available" in (await _one(house, activities, "no_client")).result
                died = (await _one(house, activities, "fail", "die")).failure
                assert died.application_failure_info.type == "ProcessDied"
                assert "exit code 7" in died.message
                assert (await _one(house, activities, "where", 4)).result[1] not in (pid, os.getpid())
            finally:
                await activities.drain()

    asyncio.run(story())


async def _cancelled(house: House, activities: Any) -> str:
    workflow_id = await house.schedule("spin", heartbeat_timeout=BEAT)
    task = asyncio.ensure_future(activities.run(await house.task()))
    while not (await house.pending(workflow_id)).heartbeat_details.payloads:  # noqa: ASYNC110 - in another process
        await asyncio.sleep(0.01)
    await house.cancel(workflow_id)
    await asyncio.wait_for(task, 60)
    return str((await house.end(workflow_id)).result)


def test_a_call_in_our_own_process_is_interrupted() -> None:
    async def story() -> str:
        async with open_house(virtual=False) as house:
            activities = house.activities(spin, executor=ProcessRunner(1), max_heartbeat_throttle=OFTEN)
            try:
                return await _cancelled(house, activities)
            finally:
                await activities.drain()
                activities.executor().shutdown()

    told = asyncio.run(story())
    assert told.startswith(("interrupted", "cooperated"))
    assert "cancel_requested=True" in told


def test_processes_of_an_executor_that_was_given() -> None:
    async def story() -> None:
        async with open_house(virtual=False) as house:
            with ProcessPoolExecutor(1) as executor:
                activities = house.activities(
                    where, fail, spin, executor=executor, max_heartbeat_throttle=OFTEN
                )
                try:
                    assert (await _one(house, activities, "where", 3)).result[1] != os.getpid()
                    assert (await _one(house, activities, "fail", "value")).kind == "FAILED"
                    assert (await _cancelled(house, activities)).startswith("cooperated")
                finally:
                    await activities.drain()

    asyncio.run(story())


def test_a_function_no_process_can_find_is_refused_when_the_worker_is_made() -> None:
    @activity.defn
    def local() -> None: ...

    async def story() -> None:
        async with open_house(virtual=False) as house:
            with pytest.raises(TypeError, match="must be picklable when using a process executor"):
                house.activities(local, processes=1)

    asyncio.run(story())
