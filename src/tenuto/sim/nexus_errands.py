"""Nexus in the storm: errands of some seeds call operations that other workflows back, or that end at once.

Who calls what is drawn apart from everything else, so that the other seeds tell the stories that they always told. This
file must never know about faults.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from tenuto import workflow
from tenuto.exceptions import NexusOperationError, is_cancelled_exception
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.wire import operatorservice as ops

if TYPE_CHECKING:
    from tenuto.client import Client

ENDPOINT, SERVICE = "errands", "Errands"
EVERY, REST = 10, 9
"""Seeds with this rest, divided by that number, know Nexus."""
MOVES = ("nexus_now", "nexus_flow", "nexus_stopped", "nexus_broken")
SHARE = 0.7
"""Of the errands of such a seed that make one of these moves."""
LONG = timedelta(minutes=20)


def knows_nexus(seed: int) -> bool:
    return seed % EVERY == REST


def draw(seed: int, name: str, moves: list[str]) -> list[str]:
    """The moves of errand ``name``, perhaps with one more."""
    chance = Random(f"nexus {seed} {name}")
    if chance.random() >= SHARE:
        return moves
    at = chance.randint(0, len(moves))
    return [*moves[:at], chance.choice(MOVES), *moves[at:]]


async def prepare(client: Client, queue: str) -> None:
    """Make the endpoint that leads to the workers of the storm."""
    request = ops.CreateNexusEndpointRequest()
    request.spec.name = ENDPOINT
    request.spec.target.worker.namespace = client.namespace
    request.spec.target.worker.task_queue = queue
    while True:
        try:
            await client.operator_service.create_nexus_endpoint(request)
            return
        except RPCError as error:
            if error.status is RPCStatusCode.ALREADY_EXISTS:
                return
        await asyncio.sleep(1)


@workflow
async def long_errand(key: str) -> str:
    await asyncio.sleep(LONG.total_seconds())
    return key


async def call(kind: str, key: str) -> str:
    """One move of a workflow; what comes of it."""
    shop: Any = workflow.create_nexus_client(service=SERVICE, endpoint=ENDPOINT)
    try:
        handle = await shop.start_operation(kind.removeprefix("nexus_"), key, output_type=str)
        if kind == "nexus_stopped":
            await asyncio.sleep(0.5)
            handle.cancel()
        return f"{kind} {await handle}"
    except NexusOperationError as error:
        if kind == "nexus_stopped" and is_cancelled_exception(error):
            return f"{kind} {key}"
        if kind == "nexus_broken":
            return f"{kind} {key}"
        raise


def wanted(kind: str, key: str) -> str:
    """What is to come of a move."""
    return f"{kind} {key}/tock" if kind == "nexus_flow" else f"{kind} {key}"
