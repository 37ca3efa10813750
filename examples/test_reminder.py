"""Testing: a workflow that takes a month, tested in milliseconds. Run it with `pytest examples/test_reminder.py`.

The fixtures come with Tenuto: `tenuto_env` is a service in the test's own process whose time jumps whenever a result is
waited for, `tenuto_client` a client of it, and `tenuto_worker` makes workers.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

import tenuto
from tenuto import activity, workflow
from tenuto.client import WorkflowFailureError
from tenuto.testing import WorkflowEnvironment
from tenuto.worker import Worker

Workers = Callable[..., Worker]


@activity
async def remind(customer: str) -> None:
    raise NotImplementedError("tests put something else in its place")


@workflow
async def subscription(customer: str, months: int) -> int:
    cancelled = workflow.mailbox("cancel")
    for month in range(1, months + 1):
        await workflow.sleep(timedelta(days=30))
        if not cancelled.empty():
            return month
        await remind(customer)
    return months


class Reminded:
    """In the place of the activity: notes who was reminded."""

    def __init__(self) -> None:
        self.names: list[str] = []

    @activity.defn
    async def remind(self, customer: str) -> None:
        self.names.append(customer)


async def test_a_year_passes_at_once(tenuto_client: tenuto.Client, tenuto_worker: Workers) -> None:
    reminded = Reminded()
    async with tenuto_worker(workflows=[subscription], activities=[reminded.remind]):
        assert await tenuto_client.execute_workflow(subscription, "Clara", 12) == 12
    assert reminded.names == ["Clara"] * 12


async def test_a_subscription_can_be_cancelled(
    tenuto_env: WorkflowEnvironment, tenuto_worker: Workers
) -> None:
    reminded = Reminded()
    async with tenuto_worker(workflows=[subscription], activities=[reminded.remind]):
        handle = await tenuto_env.client.start_workflow(subscription, "Clara", 12)
        await tenuto_env.sleep(timedelta(days=45))
        await handle.signal("cancel")
        assert await handle.result() == 2
    assert reminded.names == ["Clara"]


async def test_a_broken_reminder_fails_it(tenuto_client: tenuto.Client, tenuto_worker: Workers) -> None:
    @activity.defn(name="remind")
    async def broken(customer: str) -> None:
        raise tenuto.ApplicationError("no such address", non_retryable=True)

    async with tenuto_worker(workflows=[subscription], activities=[broken]):
        with pytest.raises(WorkflowFailureError, match="no such address"):
            await tenuto_client.execute_workflow(subscription, "Nobody", 1)


def test_the_activity_alone_is_a_function() -> None:
    with pytest.raises(NotImplementedError):
        asyncio.run(remind("Clara"))
