"""Local activities: short calls that the workflow's own worker makes at once, without a task in between."""

import argparse
import asyncio

import tenuto
from tenuto import activity, workflow


@activity(local=True, start_to_close_timeout=5)
def rate(currency: str) -> float:
    return {"EUR": 1.0, "CHF": 1.05}[currency]


@workflow
async def convert(amount: float, currencies: list[str]) -> list[float]:
    # Several of them within one workflow task; their results are recorded together at its end.
    return [round(amount / await rate(currency), 2) for currency in currencies]


async def main(target: str | tenuto.Client) -> None:
    async with tenuto.open(target, workflows=[convert], activities=[rate], task_queue="local") as app:
        print(await app.execute(convert, 210.0, ["EUR", "CHF"]))


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--address", default="memory://", help="host:port of a server, or the URL of a store"
    )
    asyncio.run(main(options.parse_args().address))
