"""Workflows to name in calls. Nobody runs them here: a worker played by hand answers for them."""

from __future__ import annotations

from dataclasses import dataclass

from tenuto import activity, workflow


@dataclass
class Receipt:
    """What a sale returns."""

    number: int
    note: str = ""


@workflow.defn
class Sale:
    """A workflow with one of everything."""

    @workflow.run
    async def run(self, card: str) -> Receipt:
        """The sale."""
        raise NotImplementedError

    @workflow.signal
    async def hurry(self) -> None:
        """No argument."""

    @workflow.signal(name="tip")
    def add_tip(self, amount: int) -> None:
        """One argument."""

    @workflow.signal
    def split(self, ways: int, fairly: bool) -> None:
        """Two arguments."""

    @workflow.query
    def total(self) -> int:
        """No argument."""
        raise NotImplementedError

    @workflow.query
    def share(self, of: str) -> Receipt:
        """One argument."""
        raise NotImplementedError

    @workflow.query
    def between(self, low: int, high: int) -> list[int]:
        """Two arguments."""
        raise NotImplementedError

    @workflow.update
    async def pay(self, amount: int) -> Receipt:
        """One argument."""
        raise NotImplementedError

    @workflow.update
    def close(self) -> bool:
        """No argument."""
        raise NotImplementedError

    @workflow.update
    async def move(self, table: int, smoking: bool) -> str:
        """Two arguments."""
        raise NotImplementedError


@workflow.defn(name="idle")
class Idle:
    """A workflow without arguments."""

    @workflow.run
    async def run(self) -> None:
        """Nothing."""
        raise NotImplementedError


@workflow.defn
class Two:
    """A workflow with two arguments."""

    @workflow.run
    async def run(self, a: int, b: str) -> bool:
        """Nothing."""
        raise NotImplementedError


@activity.defn
async def charge(card: str) -> Receipt:
    """An activity to name."""
    raise NotImplementedError
