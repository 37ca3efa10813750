"""Programs replace single calls of the service in their tests: the client must ask what they put there."""

import asyncio
from typing import Any
from unittest.mock import AsyncMock, patch

import pytest

from tenuto.client import Client
from tenuto.service import RPCError, RPCStatusCode


def test_a_replaced_call_of_the_service_is_the_one_the_client_makes() -> None:
    async def scenario() -> None:
        client = await Client.connect("localhost:1", lazy=True)
        refusal = RPCError("not today", RPCStatusCode.INTERNAL, b"")
        stand_in: Any = AsyncMock(side_effect=refusal)
        with patch.object(client.workflow_service, "start_workflow_execution", stand_in):
            with pytest.raises(RPCError, match="not today"):
                await client.start_workflow("anything", id="w", task_queue="q", rpc_metadata={"k": "v"})
        assert stand_in.await_args.kwargs["metadata"] == {"k": "v"}

    asyncio.run(scenario())
