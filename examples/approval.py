"""Human approval: a workflow that waits for days for a person, with a reminder and a deadline, at no cost meanwhile."""

import argparse
import asyncio
from dataclasses import dataclass
from datetime import timedelta

import tenuto
from tenuto import activity, workflow


@dataclass
class Decision:
    by: str
    granted: bool


@activity
async def mail(to: str, text: str) -> None:
    print(f"mail to {to}: {text}")


@workflow
async def purchase(item: str, remind_after: timedelta, give_up_after: timedelta) -> str:
    decisions = workflow.mailbox("decide", Decision)
    await mail("office", f"may we buy {item}?")
    try:
        async with asyncio.timeout(remind_after.total_seconds()):  # a durable timer
            decision = await decisions.get()
    except TimeoutError:
        await mail("office", f"still waiting: may we buy {item}?")
        try:
            async with asyncio.timeout((give_up_after - remind_after).total_seconds()):
                decision = await decisions.get()
        except TimeoutError:
            return f"{item}: nobody answered"
    return f"{item}: {'granted' if decision.granted else 'refused'} by {decision.by}"


async def main(target: str | tenuto.Client) -> None:
    async with tenuto.open(target, workflows=[purchase], activities=[mail], task_queue="approval") as app:
        soon, late = timedelta(seconds=1), timedelta(seconds=2)
        harp = await app.start(purchase, "a harp", soon, late)
        print(await app.execute(purchase, "an organ", soon, late))
        await app.client.get_workflow_handle(harp.id).result()
        piano = await app.start(purchase, "a piano", timedelta(days=1), timedelta(days=7))
        await piano.signal("decide", Decision("Clara", granted=True))
        print(await piano.result())


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--address", default="memory://", help="host:port of a server, or the URL of a store"
    )
    asyncio.run(main(options.parse_args().address))
