"""Activities as methods, so that they share what they need (a connection, say); sync ones run in threads. Class style."""

import argparse
import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from tenuto import activity, workflow
from tenuto.client import Client
from tenuto.worker import Worker


class Catalogue:
    def __init__(self) -> None:
        self.database = sqlite3.connect(":memory:", check_same_thread=False)
        self.database.execute("CREATE TABLE works (title TEXT PRIMARY KEY)")

    @activity.defn
    def add(self, title: str) -> None:
        # An activity may be run twice, so it had better come to the same end.
        self.database.execute("INSERT OR REPLACE INTO works VALUES (?)", (title,))

    @activity.defn
    def count(self) -> int:
        found: int = self.database.execute("SELECT count(*) FROM works").fetchone()[0]
        return found


@workflow.defn
class Collect:
    @workflow.run
    async def run(self, titles: list[str]) -> int:
        for title in titles:
            await workflow.execute_activity_method(
                Catalogue.add, title, start_to_close_timeout=timedelta(seconds=5)
            )
        return await workflow.execute_activity_method(
            Catalogue.count, start_to_close_timeout=timedelta(seconds=5)
        )


async def main(target: str | Client) -> None:
    client = await Client.connect(target) if isinstance(target, str) else target
    catalogue = Catalogue()
    # One thread: this database wants to be used by one at a time.
    with ThreadPoolExecutor(max_workers=1) as thread:
        async with Worker(
            client,
            task_queue="catalogue",
            workflows=[Collect],
            activities=[catalogue.add, catalogue.count],
            activity_executor=thread,
            max_concurrent_activities=1,
        ):
            works = ["Träumerei", "Arabeske", "Träumerei"]
            print(
                "works:",
                await client.execute_workflow(Collect.run, works, id="collect-1", task_queue="catalogue"),
            )


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--address", default="memory://", help="host:port of a server, or the URL of a store"
    )
    asyncio.run(main(options.parse_args().address))
