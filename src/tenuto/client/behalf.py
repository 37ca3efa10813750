"""Calls that are made on somebody's behalf: whoever stands behind them adds to requests, and learns from answers.

A Nexus operation that starts a workflow, for one, is told when that closes. This file must never change a call itself.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol

from tenuto.wire import Message


class OnBehalf(Protocol):
    """Who stands behind the calls of this context."""

    def fill(self, method: str, request: Message) -> None:
        """Add to a request before it is sent; before each time it is."""
        ...

    def learn(self, method: str, answer: Message) -> None:
        """What the service answered."""
        ...


on_behalf: ContextVar[OnBehalf | None] = ContextVar("tenuto_on_behalf", default=None)
