"""Commits of chain transitions on a SQLite file, flushed in full: ``PYTHONPATH=src python bench/store.py [directory]``.

A transition writes a chain header (300 B), one part (300 B) and one history row (400 B), and each fourth a visibility row
(300 B). Chains are taken at random out of 4,000. CPU is that of the whole process. "busy" runs beside an event loop
that never rests.
"""

import asyncio
import os
import random
import resource
import sys
import tempfile
import time
import uuid

from tenuto.store.spi import (
    Batch,
    ChainKey,
    ChainWrite,
    HistoryRow,
    HistoryWrite,
    Store,
    VisibilityRow,
)
from tenuto.store.sqlite import SqliteStore

CHAINS = 4_000
HEADER, PART, EVENTS, INFO = (os.urandom(size) for size in (300, 300, 400, 300))


class Load:
    """Makes batches of transitions, on ``chains`` chains, in a random but repeatable order."""

    def __init__(self) -> None:
        self.random = random.Random(1)
        namespace_id = self._id()
        self.runs = [(ChainKey(namespace_id, self._id()), self._id()) for _ in range(CHAINS)]
        self.now = 0
        self.rows = 0

    def _id(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128)))

    def batch(self, transitions: int) -> Batch:
        self.now += 1
        batch = Batch()
        for number, (key, run_id) in enumerate(self.random.sample(self.runs, transitions)):
            batch.chains.append(ChainWrite(key, HEADER, self.now + number, {"run": PART}))
            batch.history.append(HistoryWrite(key, run_id, (HistoryRow(self.now, self.now, EVENTS),)))
            self.rows += 3
            if (self.now + number) % 4 == 0:
                shown = VisibilityRow(*key, run_id, "Type", 1, "queue", self.now, self.now, None, INFO)
                batch.visibility.append(shown)
                self.rows += 1
        return batch


async def measure(store: Store, fence: int, transitions: int, seconds: float) -> None:
    load = Load()
    load.now = transitions * 1_000_000
    batches = [load.batch(transitions) for _ in range(2_000)]
    rows_each = load.rows / len(batches)
    waits: list[float] = []
    began, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds and len(waits) < len(batches):
        start = time.perf_counter()
        await store.commit(1, fence, batches[len(waits)])
        waits.append(time.perf_counter() - start)
    elapsed, cpu = time.perf_counter() - began, time.process_time() - cpu
    count = len(waits)
    waits.sort()
    print(
        f"{transitions:3} transitions: {count / elapsed:6.0f} commits/s {count * rows_each / elapsed:7.0f} rows/s"
        f"  CPU {cpu / count * 1e6:6.0f} us/commit {cpu / count / rows_each * 1e6:5.1f} us/row"
        f"  p50 {waits[count // 2] * 1e3:5.2f} ms  p99 {waits[count * 99 // 100] * 1e3:6.2f} ms"
    )


async def spin(until: asyncio.Event, work: int) -> None:
    while not until.is_set():
        sum(range(work))
        await asyncio.sleep(0)


def measure_flush(directory: str) -> float:
    """Seconds for appending one page and flushing it, the floor under any commit."""
    file = os.open(os.path.join(directory, "flush"), os.O_CREAT | os.O_WRONLY)
    began = time.perf_counter()
    for _ in range(200):
        os.write(file, HEADER)
        os.fdatasync(file)
    os.close(file)
    return (time.perf_counter() - began) / 200


async def main(directory: str) -> None:
    print(f"flush alone: {measure_flush(directory) * 1e6:.0f} us")
    store = SqliteStore(os.path.join(directory, "bench.db"))
    await store.open()
    fence = await store.acquire(1, "bench")
    for transitions in (1, 8, 40):
        await measure(store, fence, transitions, 3.0)
    for work in (3_000, 30_000):
        done = asyncio.Event()
        spinning = asyncio.ensure_future(spin(done, work))
        print(f"beside a busy loop, {work // 75} us between two looks at the sockets")
        for transitions in (1, 8, 40):
            await measure(store, fence, transitions, 2.0)
        done.set()
        await spinning
    await store.close()
    print(f"peak RSS {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(main(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory(dir=".") as scratch:
            asyncio.run(main(scratch))
