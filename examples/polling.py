"""Polling: asking another system until it is ready, without keeping a worker busy and without filling the history."""

import argparse
import asyncio

import tenuto
from tenuto import RetryPolicy, activity, workflow
from tenuto.exceptions import ApplicationErrorCategory

ASKED = 0
"""Stands for the other system: it is ready when it was asked four times."""


# A failed attempt leaves no event behind, however many there are; the service keeps the time between them.
@activity(start_to_close_timeout=10, retry_policy=RetryPolicy(initial_interval=0.2, backoff_coefficient=1))
async def rendered(film: str) -> str:
    global ASKED
    ASKED += 1
    if ASKED % 4:
        # Benign: it is expected, so nobody needs to read of it in the log.
        raise tenuto.ApplicationError("not ready yet", category=ApplicationErrorCategory.BENIGN)
    return f"{film}.mp4 after {activity.info().attempt} attempts"


@workflow
async def publish_film(film: str) -> str:
    return await rendered(film)


async def main(target: str | tenuto.Client) -> None:
    async with tenuto.open(
        target, workflows=[publish_film], activities=[rendered], task_queue="polling"
    ) as app:
        print(await app.execute(publish_film, "nocturne"))


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--address", default="memory://", help="host:port of a server, or the URL of a store"
    )
    asyncio.run(main(options.parse_args().address))
