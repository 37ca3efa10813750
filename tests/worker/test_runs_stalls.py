"""Workflow code that does not yield is noticed, named and stopped; code that is only slow to get its turn is not."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import wraps
from typing import Any

import pytest

from tenuto._loop import VirtualTimeLoop
from tenuto.run.types import Completion, TaskFailure
from tenuto.wire import failure
from tenuto.worker.driving import Driver, StalledError


def on_a_real_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    @wraps(test)
    def run() -> None:
        asyncio.run(test())

    return run


def spins_for_ever() -> Completion | None:
    while True:
        pass


@on_a_real_loop
async def test_code_that_spins_is_stopped_and_its_stack_is_told() -> None:
    driver = Driver(timedelta(seconds=0.1))
    with pytest.raises(StalledError, match=r"\[TMPRL1101\] .* didn't yield within 0.1 second") as caught:
        await driver.do("w", [spins_for_ever])
    assert "spins_for_ever" in caught.value.stack
    assert await driver.do("w", [Completion]) == Completion()
    assert asyncio.get_running_loop().is_running()


@on_a_real_loop
async def test_code_that_waits_without_the_processor_is_stopped_too() -> None:
    def naps() -> None:
        for _ in range(1000):
            time.sleep(0.01)

    with pytest.raises(StalledError):
        await Driver(timedelta(seconds=0.1)).do("w", [naps])


@on_a_real_loop
async def test_on_a_thread_even_code_that_cannot_be_interrupted_is_given_up() -> None:
    never = threading.Event()

    def waits() -> None:
        never.wait()

    with ThreadPoolExecutor(1) as executor:
        driver = Driver(timedelta(seconds=0.1), executor)
        with pytest.raises(StalledError) as caught:
            await driver.do("w", [waits])
        assert "never.wait" in caught.value.stack
        never.set()
        assert await driver.do("w", [Completion]) == Completion()


@on_a_real_loop
async def test_many_short_steps_are_no_stall_and_let_others_run() -> None:
    driver = Driver(timedelta(seconds=0.1))
    others = 0

    async def other() -> None:
        nonlocal others
        while True:
            others += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await driver.do("w", [lambda: time.sleep(0.02)] * 15)
    task.cancel()
    assert others > 3


@on_a_real_loop
async def test_steps_end_at_the_first_that_fails() -> None:
    failed = Completion(failure=TaskFailure(cause=1, failure=failure.Failure()))
    done: list[int] = []

    def goes_on() -> None:
        done.append(1)

    assert await Driver(None).do("w", [lambda: failed, goes_on]) is failed
    assert not done


@on_a_real_loop
async def test_an_error_of_a_step_reaches_whoever_waits() -> None:
    def wrong() -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        await Driver(timedelta(seconds=1.0)).do("w", [wrong])
    with ThreadPoolExecutor(1) as executor, pytest.raises(ValueError, match="wrong"):
        await Driver(timedelta(seconds=1.0), executor).do("w", [wrong])


def test_nobody_watches_on_virtual_time() -> None:
    loop = VirtualTimeLoop()
    driver = Driver(timedelta(seconds=0.05))

    def slow() -> Completion:
        until = time.monotonic() + 0.3
        while time.monotonic() < until:
            pass
        return Completion()

    assert loop.run_until_complete(driver.do("w", [slow])) == Completion()
