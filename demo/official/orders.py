"""The order workflow, written with the official SDK and nothing else.

Local variables (`charged`, `reserved`, `notes`) live through every restart: no line here saves or loads anything.
"""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

QUEUE = "orders"
QUICK = RetryPolicy(initial_interval=timedelta(milliseconds=300), maximum_interval=timedelta(seconds=1))


@dataclass
class Done:
    """What the order's local variables held at the end."""

    charged: str
    reserved: list[str]
    notes: list[str]
    shipped: str


@workflow.defn
class Ship:
    """The child: packs and ships one order."""

    @workflow.run
    async def run(self, order: str) -> str:
        return str(
            await workflow.execute_activity(
                "ship", order, start_to_close_timeout=timedelta(seconds=3), retry_policy=QUICK
            )
        )


@workflow.defn
class Order:
    """Charges, reserves, waits for an approval, ships."""

    def __init__(self) -> None:
        self.stage = "received"
        self.approved_by = ""

    @workflow.run
    async def run(self, order: str) -> Done:
        notes = [f"order {order}"]
        self.stage = "charging"
        charged: str = await self._step("charge", order)
        notes.append(charged)
        self.stage = "reserving"
        reserved: list[str] = []
        for item in ("violin", "bow", "rosin"):
            reserved.append(await self._step("reserve", item))
        self.stage = "cooling off"
        await workflow.sleep(timedelta(seconds=1.5))
        self.stage = "awaiting approval"
        await workflow.wait_condition(lambda: bool(self.approved_by))
        notes.append(f"approved by {self.approved_by}")
        self.stage = "shipping"
        shipped = await workflow.execute_child_workflow(
            Ship.run, order, id=f"{workflow.info().workflow_id}-shipping"
        )
        self.stage = "done"
        return Done(charged, reserved, notes, shipped)

    async def _step(self, activity: str, argument: str) -> str:
        return str(
            await workflow.execute_activity(
                activity, argument, start_to_close_timeout=timedelta(seconds=3), retry_policy=QUICK
            )
        )

    @workflow.signal
    def approve(self, by: str) -> None:
        """Somebody agrees."""
        self.approved_by = by

    @workflow.query
    def progress(self) -> str:
        """Where the order stands."""
        return self.stage
