"""A run's tasks tell where they stand, through everything they await."""

import asyncio
import inspect
from collections.abc import Iterator

import pytest

from tenuto._loop import VirtualTimeLoop
from tenuto.run import stacks


async def inner(gate: asyncio.Event) -> None:
    await gate.wait()


async def outer(gate: asyncio.Event) -> None:
    await inner(gate)


@pytest.fixture
def standing() -> Iterator[list[asyncio.Task[None]]]:
    loop = VirtualTimeLoop()
    gate = asyncio.Event()
    tasks = [loop.create_task(outer(gate), name="first"), loop.create_task(asyncio.sleep(0), name="over")]
    loop.run_ready()
    yield tasks
    gate.set()
    loop.run_ready()


def test_a_stack_goes_down_to_what_is_awaited(standing: list[asyncio.Task[None]]) -> None:
    text = stacks.stack_trace(standing)
    assert text.startswith("Stack for first (most recent call last):")
    assert (
        text.index("in outer")
        < text.index("await inner(gate)")
        < text.index("in inner")
        < text.index("in wait")
    )
    assert "over" not in text


def test_a_stack_begins_at_the_users_code() -> None:
    loop = VirtualTimeLoop()
    gate = asyncio.Event()
    task = loop.create_task(asyncio.wait_for(outer(gate), None))
    loop.run_ready()
    lines = stacks.stack_trace([task]).splitlines()
    assert lines[1].endswith("in outer") and lines[-1].strip() == "await fut"
    gate.set()
    loop.run_ready()


def test_places_and_sources_are_told_for_tools(standing: list[asyncio.Task[None]]) -> None:
    told = stacks.enhanced_stack_trace(standing, "tenuto", "1.2.3")
    assert (told.sdk.name, told.sdk.version) == ("tenuto", "1.2.3")
    (stack,) = told.stacks
    places = [(place.function_name, place.internal_code) for place in stack.locations]
    assert places == [("outer", False), ("inner", False), ("wait", True)]
    assert stack.locations[0].line == inspect.getsourcelines(outer)[1] + 1
    assert stack.locations[0].column == 4
    assert list(told.sources) == [__file__]
    assert "async def outer" in told.sources[__file__].content
