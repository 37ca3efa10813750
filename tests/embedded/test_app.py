"""Applications: what `tenuto.open` makes of what it is given."""

import asyncio

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
