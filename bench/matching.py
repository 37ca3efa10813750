"""What an offer and a poll cost. Run: PYTHONPATH=src python bench/matching.py"""

import asyncio
import time

from tenuto.clock import ManualClock, WallClock
from tenuto.matching.host import Matching
from tenuto.matching.types import Offer, Poller, QueueKey, QueueKind, Ticket

KEY = QueueKey("ns", "work", QueueKind.ACTIVITY)
FAR = 1 << 62
N = 100_000


def offers(fairness_keys: int = 0) -> list[Offer]:
    return [
        Offer(
            KEY,
            Ticket("ns", f"w{n}", "r", 5, 1, 0),
            fairness_key=f"k{n % fairness_keys}" if fairness_keys else "",
        )
        for n in range(N)
    ]


def report(name: str, seconds: float) -> None:
    print(f"{name:<44} {seconds / N * 1e6:6.2f} us")


async def backlog(name: str, fairness_keys: int) -> None:
    matching = Matching(WallClock(), window=N + 1)
    todo = offers(fairness_keys)
    poller = Poller(KEY, "me", "p")
    began = time.perf_counter()
    for offer in todo:
        matching.offer(offer)
    offered = time.perf_counter()
    for _ in todo:
        assert await matching.poll(poller, FAR) is not None
    polled = time.perf_counter()
    report(f"{name}: offer into a growing backlog", offered - began)
    report(f"{name}: poll a full backlog", polled - offered)


async def alternating() -> None:
    matching = Matching(WallClock())
    todo = offers()
    poller = Poller(KEY, "me", "p")
    began = time.perf_counter()
    for offer in todo:
        matching.offer(offer)
        assert await matching.poll(poller, FAR) is not None
    report("offer, then poll at once (pair)", time.perf_counter() - began)


async def withdrawing() -> None:
    matching = Matching(WallClock(), window=N + 1)
    todo = offers()
    for offer in todo:
        matching.offer(offer)
    began = time.perf_counter()
    for offer in todo:
        matching.withdraw(offer.ticket)
    report("withdraw", time.perf_counter() - began)


async def parked() -> None:
    matching = Matching(ManualClock())
    todo = offers()
    poller = Poller(KEY, "me", "p")

    async def worker() -> None:
        for _ in range(N // 100):
            await matching.poll(poller, FAR)

    workers = [asyncio.ensure_future(worker()) for _ in range(100)]
    await asyncio.sleep(0)
    began = time.perf_counter()
    for n, offer in enumerate(todo):
        matching.offer(offer)
        if n % 100 == 99:
            await asyncio.sleep(0)
    await asyncio.gather(*workers)
    report("offer to a parked poll, and park again (pair)", time.perf_counter() - began)


async def main() -> None:
    await backlog("plain", 0)
    await backlog("1,000 fairness keys", 1_000)
    await alternating()
    await withdrawing()
    await parked()


if __name__ == "__main__":
    asyncio.run(main())
