"""The program of the demo: ``python -m demo.orders TARGET``. It places order-42, or finds it again, and sees it through.

Local variables (`charged`, `reserved`, `notes`) live through every kill: no line here saves or loads anything. What
activities do is printed before they answer, so that whoever starts this program can count what really happened.
"""

import asyncio
import json
import sys
import uuid
from dataclasses import asdict, dataclass

import tenuto
from tenuto import RetryPolicy, activity, workflow
from tenuto.exceptions import ApplicationErrorCategory

QUICK = RetryPolicy(initial_interval=0.3)


@dataclass
class Done:
    """What the order's local variables held at the end."""

    charged: str
    reserved: list[str]
    notes: list[str]
    shipped: str


def did(what: str, of: str) -> str:
    """The side effect, with a receipt."""
    receipt = f"{what}-{of}-{uuid.uuid4().hex[:6]}"
    print("did", receipt, flush=True)
    return receipt


@activity(retry_policy=QUICK)
async def charge(number: str) -> str:
    """Fails the first time, as payment services do."""
    if activity.info().attempt == 1:
        raise tenuto.ApplicationError("the card service is asleep", category=ApplicationErrorCategory.BENIGN)
    return did("charge", number)


@activity(retry_policy=QUICK)
async def reserve(item: str) -> str:
    """Takes a moment, so that a kill can find it at work."""
    receipt = did("reserve", item)
    await asyncio.sleep(0.3)
    return receipt


@activity
async def pack(number: str) -> str:
    """The last thing to do."""
    return did("pack", number)


@workflow
async def ship(number: str) -> str:
    """The child: packs one order."""
    return await pack(number)


@workflow
async def order(number: str) -> Done:
    """Charges, reserves, waits for an approval, ships."""
    workflow.publish("stage", "charging")
    notes = [f"order {number}"]
    charged = await charge(number)
    notes.append(charged)
    workflow.publish("stage", "reserving")
    reserved = [await reserve(item) for item in ("violin", "bow", "rosin")]
    workflow.publish("stage", "cooling off")
    await workflow.sleep(0.5)
    workflow.publish("stage", "awaiting approval")
    by = await workflow.mailbox("approve", str).get()
    notes.append(f"approved by {by}")
    shipped = await ship.options(id=f"{workflow.info().workflow_id}-shipping")(number)
    return Done(charged, reserved, notes, shipped)


async def main(target: str) -> None:
    """Start the order or find it, approve it when it asks, print its result."""
    async with tenuto.open(target, workflows=[order, ship], activities=[charge, reserve, pack]) as app:
        handle = await app.start(order, "no-42", id="order-42", once=True)
        print("open", flush=True)
        result = asyncio.ensure_future(handle.result())
        while not result.done() and await handle.query("stage") != "awaiting approval":
            await asyncio.wait([result], timeout=0.05)
        print("approving", flush=True)
        await handle.signal("approve", "Clara")
        print("result", json.dumps(asdict(await result)), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
