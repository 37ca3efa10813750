"""A saga: what was done is undone in reverse order when a later step fails for good."""

import argparse
import asyncio
from contextlib import AsyncExitStack

import tenuto
from tenuto import activity, workflow
from tenuto.client import WorkflowFailureError


@activity
async def book(what: str, trip: str) -> str:
    if what == "concert":
        raise tenuto.ApplicationError("sold out", non_retryable=True)
    return f"{what} for {trip}"


@activity
async def cancel(booking: str) -> None:
    print("cancelled:", booking)


@workflow
async def journey(trip: str, wishes: list[str]) -> list[str]:
    async with AsyncExitStack() as undo:
        booked = []
        for what in wishes:
            booking = await book(what, trip)
            undo.push_async_callback(cancel, booking)
            booked.append(booking)
        undo.pop_all()  # all went well: nothing to undo
    return booked


async def main(target: str | tenuto.Client) -> None:
    async with tenuto.open(target, workflows=[journey], activities=[book, cancel], task_queue="saga") as app:
        print(await app.execute(journey, "Leipzig", ["train", "room"]))
        try:
            await app.execute(journey, "Leipzig", ["train", "room", "concert"])
        except WorkflowFailureError as error:
            print(error)  # with all its causes


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--address", default="memory://", help="host:port of a server, or the URL of a store"
    )
    asyncio.run(main(options.parse_args().address))
