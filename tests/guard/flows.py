"""Workflow code that does what it must not, in the ways people write it."""

import os
import random as rnd
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from time import monotonic as now_mono
from typing import Any

from tenuto import activity, workflow


def helper() -> float:
    return time.time()


def innocent(rng: rnd.Random) -> float:
    return rng.random() + rnd.Random(4).random()


@dataclass
class Order:
    number: uuid.UUID = field(default_factory=uuid.uuid4)


@workflow.defn
class Careless:
    @workflow.run
    async def run(self, way: str) -> Any:
        helper()
        return datetime.now()

    @workflow.signal
    def poke(self) -> None:
        import random

        random.shuffle([1, 2])
        with workflow.unsafe.sandbox_unrestricted():
            time.time()

    def told(self) -> str:
        return Path("x").read_text()


@workflow.defn
class Careful:
    @workflow.run
    async def run(self) -> str:
        innocent(workflow.random())
        return str(workflow.now())


@activity
async def reading() -> float:
    return time.time()


@workflow
async def function_flow(order: str) -> float:
    await reading()
    return time.monotonic()


def stamp() -> datetime:
    return datetime.now()


def today() -> date:
    return date.today()


def day() -> datetime:
    return datetime.today()


def mono() -> float:
    return now_mono()


def environment() -> str | None:
    return os.environ.get("HOME")


WAYS: dict[str, Callable[[], object]] = {
    "time.time": helper,
    "time.monotonic": mono,
    "datetime.datetime.now": stamp,
    "datetime.date.today": today,
    "datetime.datetime.today": day,
    "uuid.uuid4": lambda: Order(),
    "random.choice": lambda: rnd.choice([1, 2]),
    "random.Random": lambda: rnd.Random(),
    "os.urandom": lambda: os.urandom(3),
    "os._Environ.__getitem__": environment,
    "open": lambda: open("/dev/null"),
    "io.open": lambda: Path("/dev/null").read_text(),
    "os.stat": lambda: Path("/dev/null").exists(),
    "time.sleep": lambda: time.sleep(0),
}
