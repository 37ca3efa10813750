"""Applications: what `tenuto.open` makes of what it is given."""

import asyncio
from typing import Any

import pytest

import tenuto
from tenuto import workflow
from tenuto.converter import DataConverter


@workflow
async def nothing() -> int:
    return 1


def test_a_client_that_is_connected_can_be_given_and_is_left_open() -> None:
    async def scene() -> None:
        async with await tenuto.connect("memory://", namespace="default") as client:
            async with tenuto.open(client, workflows=[nothing], activities=[]) as app:
                assert app.client is client
                assert await app.execute(nothing) == 1
            assert await client.count_workflows() is not None

    asyncio.run(scene())


def test_settings_that_a_connected_client_cannot_take_are_refused() -> None:
    async def scene() -> None:
        async with await tenuto.connect("memory://") as client:
            with pytest.raises(ValueError, match=r"pass data_converter, namespace to its Client\.connect"):
                tenuto.open(client, namespace="other", data_converter=DataConverter())

    asyncio.run(scene())


@workflow
async def tell(what: str) -> str:
    return f"told {what}"


def test_a_schedule_in_one_line_is_made_once_and_changed_after_that() -> None:
    async def scene() -> None:
        async with tenuto.open("memory://", workflows=[tell], task_queue="here") as app:
            handle = await app.schedule("hourly", tell, "one", every=3600)
            await handle.pause(note="not now")
            again = await app.schedule(
                "hourly", tell, "two", cron="0 9 * * MON", time_zone="Europe/Rome", memo={"a": 1}
            )
            assert again.id == "hourly"
            told = (await again.describe()).schedule
            assert told.state.paused and told.state.note == "not now"
            assert told.spec.time_zone_name == "Europe/Rome" and not told.spec.intervals
            await again.trigger()
            taken = (await again.describe()).info.recent_actions
            while not taken:
                taken = (await again.describe()).info.recent_actions
            run: Any = taken[0].action
            assert run.workflow_id.startswith("hourly-")
            assert (
                await app.client.get_workflow_handle(run.workflow_id, result_type=str).result() == "told two"
            )

    asyncio.run(scene())


def test_a_schedule_without_a_time_is_refused() -> None:
    async def scene() -> None:
        async with tenuto.open("memory://", workflows=[tell]) as app:
            with pytest.raises(ValueError, match="give cron, every, or both"):
                await app.schedule("never", tell, "one")

    asyncio.run(scene())
