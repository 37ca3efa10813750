"""A storm: a workflow's own test, played many times while services and workers crash and messages get lost.

python examples/storm.py              # thirty seeds
python examples/storm.py --seeds 500  # more of them
"""

import argparse
import asyncio

import tenuto
from tenuto import activity, step, workflow
from tenuto.testing import storm

ORDERS = 3
charged: set[str] = set()
"""The world outside: whom the bank has charged. It knows a charge by its key, as banks do."""


@step
async def price(item: str) -> int:
    return {"violin": 900, "bow": 120}[item]


@activity
async def charge(key: str, amount: int) -> str:
    await asyncio.sleep(0.5)  # takes no time in a storm
    charged.add(key)
    return f"{key}: {amount}"


@workflow
async def order(item: str) -> str:
    amount = await price(item)
    approved = workflow.mailbox("approve")
    await approved.get()
    return await charge(workflow.info().workflow_id, amount)


async def scenario(client: tenuto.Client) -> None:
    """What a storm plays: it must succeed, whatever happens."""
    charged.clear()
    handles = [await client.start_workflow(order, "violin", id=f"order-{number}") for number in range(ORDERS)]
    for handle in handles:
        await handle.signal("approve")
    for handle in handles:
        assert await handle.result() == f"{handle.id}: 900"
    assert len(charged) == ORDERS


def main(seeds: int = 30) -> None:
    outcomes = storm(
        workflows=[order], activities=[price, charge], scenario=scenario, seeds=range(1, seeds + 1)
    )
    events = sum(outcome.events for outcome in outcomes)
    print(f"{len(outcomes)} storms weathered, {events} events of history")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=30)
    main(options.parse_args().seeds)
