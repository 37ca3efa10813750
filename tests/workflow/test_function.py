"""Workflows as functions: arguments, children, mailboxes, answers, clients."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from tenuto import activity, step, workflow
from tenuto.common import VersioningBehavior
from tenuto.exceptions import ApplicationError
from tenuto.workflow.definition import Definition, declared, workflow_named
from tests.pair.support import Play


@activity
async def price(item: str, count: int = 1) -> int:
    return len(item) * count


@activity(local=True, start_to_close_timeout=5)
def tax(amount: int) -> int:
    return amount + 1


@step
def note(text: str) -> str:
    return text.upper()


@workflow
async def order(item: str, count: int = 1) -> int:
    """Price an order."""
    cost = await price(item, count=count)
    together = await asyncio.gather(price(item), price.options(summary="again")(item, 2))
    async with asyncio.TaskGroup() as group:
        grouped = group.create_task(tax(cost))
    handle = price.start(item)
    assert await note("done") == "DONE"
    return grouped.result() + sum(together) + await handle


@workflow(name="approval", task_queue="people", versioning_behavior=VersioningBehavior.PINNED)
async def approve(limit: int) -> list[str]:
    seen: list[str] = []
    workflow.publish("seen", seen)
    box = workflow.mailbox("names", str)
    assert workflow.mailbox("names") is box
    assert box.empty() or seen == []
    async for name in box:
        seen.append(name)
        workflow.publish("last", name)
        if len(seen) == limit:
            break
    return seen


@workflow
async def inline() -> int:
    total = 0
    done = asyncio.Event()

    @workflow.on_signal()
    def finish() -> None:
        done.set()

    @workflow.on_query("sum")
    def answer() -> int:
        return total

    def positive(value: int) -> None:
        if value <= 0:
            raise ValueError("not positive")

    @workflow.on_update(validator=positive)
    def add(value: int) -> int:
        nonlocal total
        total += value
        return total

    await done.wait()
    return total


@workflow
async def failing() -> None:
    raise KeyError("lost")


@workflow
async def later(value: "Later") -> "Later":
    return value


@dataclass
class Later:
    number: int


def test_durable_calls_read_like_calls() -> None:
    play = Play(order, price.fn, tax.fn, note.fn)
    assert play.to_end("abc", 2) == 7 + 3 + 6 + 3
    assert play.calls.count("price") == 4


def test_a_mailbox_takes_signals_in_order_and_what_is_published_answers() -> None:
    play = Play(approve).start(2)
    play.signal("names", "ann")
    play.until_quiet()
    assert play.query("seen") == ["ann"]
    assert play.query("last") == "ann"
    play.signal("names", "bob")
    assert play.to_end() == ["ann", "bob"]


def test_handlers_may_be_written_inside_the_workflow() -> None:
    play = Play(inline).start()
    play.until_quiet()
    play.update("add", 5)
    play.until_quiet()
    assert play.outcome() == 5
    assert play.query("sum") == 5
    play.update("add", -1, id="bad")
    play.until_quiet()
    assert play.outcome("bad") == "not positive"
    play.run = None  # a task with nothing but a refusal leaves no trace in history
    play.signal("finish")
    assert play.to_end() == 5


def test_any_error_fails_a_function_workflow() -> None:
    with pytest.raises(ApplicationError, match="lost"):
        Play(failing).to_end()


def test_a_function_workflow_has_a_definition() -> None:
    made = Definition.must(approve)
    assert (made.name, made.arg_types, made.ret_type) == ("approval", [int], list[str])
    assert made.versioning_behavior is VersioningBehavior.PINNED
    assert Definition.must(order).description == "Price an order."
    kinds = tuple(made.failure_exception_types)
    assert issubclass(KeyError, kinds) and not issubclass(workflow.NondeterminismError, kinds)
    assert not isinstance(asyncio.CancelledError(), kinds)
    assert workflow_named(later) == ("later", [Later], Later)
    # Of several with one name the last one counts, and other tests have orders of their own.
    assert {order.name, approve.name, inline.name} <= {each.name for each in declared()}
    assert repr(order) == "<workflow 'order'>"


def test_arguments_are_bound_by_signature() -> None:
    assert order.bind(("a",), {}) == ["a"]
    assert order.bind(("a",), {"count": 2}) == ["a", 2]
    assert order.bind((), {"item": "a"}) == ["a"]
    with pytest.raises(TypeError, match="missing a required argument"):
        order.bind((), {"count": 2})
    with pytest.raises(TypeError, match="too many positional"):
        order.bind(("a", 1, 2), {})


def test_a_workflow_is_an_async_function_whose_arguments_have_places() -> None:
    with pytest.raises(ValueError, match="a workflow is an async function"):

        @workflow  # type: ignore[arg-type]
        def sync() -> None: ...

    with pytest.raises(ValueError, match=r"by name only behind \*many"):

        @workflow
        async def keyword(*many: int, x: int) -> None: ...


def test_outside_of_workflows_a_call_says_how_to_start_it() -> None:
    with pytest.raises(workflow.NotInWorkflowError, match=r"order\.using\(client\)\.execute"):
        asyncio.run(order("a"))
    assert asyncio.run(price("abc", count=2)) == 6


class Recorder:
    """A client that writes down what it is asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any, Any]] = []

    async def start_workflow(self, workflow: Any, **options: Any) -> str:
        self.calls.append(("start", workflow, options))
        return "handle"

    async def execute_workflow(self, workflow: Any, **options: Any) -> int:
        self.calls.append(("execute", workflow, options))
        return 7


def test_a_client_starts_it_with_bound_arguments() -> None:
    client = Recorder()

    async def main() -> None:
        assert await order.using(client, id="o-1").execute("a", count=3) == 7
        await order.using(client, task_queue="q").start("a")

    asyncio.run(main())
    assert client.calls == [
        ("execute", order, {"args": ["a", 3], "id": "o-1"}),
        ("start", order, {"args": ["a"], "task_queue": "q"}),
    ]
