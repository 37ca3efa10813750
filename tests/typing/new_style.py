"""Programs in the new style, as a type checker sees them. Never run."""

import asyncio
from dataclasses import dataclass
from typing import Any, assert_type

import tenuto
from tenuto import activity, step, workflow
from tenuto.client import Client


@dataclass
class Card:
    number: str


@dataclass
class Receipt:
    id: str


@activity
async def charge(card: Card, total: int = 0) -> str:
    return card.number


@activity(start_to_close_timeout=5, retry_policy=tenuto.RetryPolicy(maximum_attempts=3))
def measure(text: str) -> int:
    return len(text)


@step
def token() -> bytes:
    return b""


@step(name="rated")
async def rate(x: float) -> float:
    return x


@workflow
async def pack(item: str, *, count: int = 1) -> bool:
    return bool(item)


@workflow(name="orders", task_queue="shop", failure_exception_types=[ValueError])
async def order(card: Card, total: int = 0) -> Receipt:
    assert_type(await charge(card, total=total), str)
    assert_type(await charge.options(summary="x")(card), str)
    assert_type(charge.start(card), workflow.ActivityHandle[str])
    assert_type(await measure("x"), int)
    assert_type(await token(), bytes)
    assert_type(await rate(1.0), float)
    assert_type(await asyncio.gather(charge(card), measure("x")), tuple[str, int])
    async with asyncio.TaskGroup() as group:
        task = group.create_task(charge(card))
    assert_type(task.result(), str)
    assert_type(await workflow.execute_activity(charge, card), str)
    assert_type(await workflow.execute_activity(measure, "x"), int)

    assert_type(await pack("a", count=2), bool)
    child = await pack.options(id="p").start("a")
    assert_type(child, workflow.ChildWorkflowHandle[Any, bool])
    assert_type(await workflow.execute_child_workflow(pack, "a", id="p"), bool)

    box = workflow.mailbox("cards", Card)
    assert_type(box, workflow.Mailbox[Card])
    assert_type(await box.get(), Card)
    async for each in box:
        assert_type(each, Card)
    workflow.publish("state", "packed")

    @workflow.on_update(validator=lambda text: None)
    def add(text: str) -> int:
        return len(text)

    assert_type(add("x"), int)
    return Receipt(workflow.info().workflow_id)


async def main(client: Client) -> None:
    assert_type(await order.using(client, id="o").execute(Card("1"), total=5), Receipt)
    assert_type(await client.execute_workflow(order, Card("1"), 5), Receipt)
    async with tenuto.open("sqlite:///app.db", workflows=[order, pack], activities=[charge]) as app:
        assert_type(app, tenuto.App)
        assert_type(await app.execute(order, Card("1"), 5, id="o"), Receipt)
        handle = await app.start(order, Card("1"))
        assert_type(await handle.result(), Receipt)
        assert_type(app.client, Client)
    assert_type(await charge.fn(Card("1")), Any)
