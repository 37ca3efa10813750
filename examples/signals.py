"""Signals: a workflow that takes messages from a mailbox, one after the other, until it is told to stop."""

import argparse
import asyncio
from dataclasses import dataclass

import tenuto
from tenuto import workflow


@dataclass
class Note:
    author: str
    text: str


@workflow
async def diary(title: str) -> list[str]:
    notes = workflow.mailbox("note", Note)
    closed = workflow.mailbox("close")
    lines = [title]
    while closed.empty() or not notes.empty():
        await workflow.wait_condition(lambda: not (notes.empty() and closed.empty()))
        while not notes.empty():
            note = notes.get_nowait()
            lines.append(f"{note.author}: {note.text}")
    return lines


async def main(target: str | tenuto.Client) -> None:
    async with tenuto.open(target, workflows=[diary], task_queue="signals") as app:
        handle = await app.start(diary, "Rehearsal")
        await handle.signal("note", Note("Clara", "bar 12 again"))
        await handle.signal("note", Note("Robert", "softer"))
        await handle.signal("close")
        for line in await handle.result():
            print(line)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--address", default="memory://", help="host:port of a server, or the URL of a store"
    )
    asyncio.run(main(options.parse_args().address))
