"""A service in this process with a client on it, and a wire between both that can be watched and cut."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from tenuto.client import Client
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.wire import Message

PATIENCE = 90
"""Seconds after which a story hangs: more than any takes on a machine that stalls."""
LONGER_THAN_PATIENCE = timedelta(minutes=10)


def story(test: Callable[[Client], Awaitable[None]]) -> Callable[[], None]:
    """A test that gets a client of a fresh service in this process."""

    async def run() -> None:
        client = await Client.connect(f"memory://{uuid.uuid4().hex}")
        try:
            async with asyncio.timeout(PATIENCE):
                await test(client)
        finally:
            await client.close()

    def wrapped() -> None:
        asyncio.run(run())

    wrapped.__name__ = test.__name__
    wrapped.__doc__ = test.__doc__
    return wrapped


def new_id() -> str:
    return f"w-{uuid.uuid4().hex}"


class Wire:
    """Stands between a client and its service: counts calls, and can be told to refuse some."""

    def __init__(self, client: Client) -> None:
        self.calls: list[tuple[str, Message]] = []
        self.answered: Counter[str] = Counter()
        self.refused: dict[str, RPCError] = {}
        service = client.service_client
        call = service.call

        async def watched(method: str, request: Message, **terms: Any) -> Any:
            self.calls.append((method, request))
            refusal = self.refused.get(method)
            if refusal is not None:
                raise refusal
            answer = await call(method, request, **terms)
            self.answered[method] += 1
            return answer

        service.call = watched  # type: ignore[method-assign]

    async def until(self, method: str, count: int = 1) -> None:
        """Wait until that many such calls have been made."""
        while len(self.requests(method)) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    def requests(self, method: str) -> list[Any]:
        return [request for name, request in self.calls if name == method]


def refuse_namespace(client: Client) -> None:
    """There is no such namespace."""
    Wire(client).refused["DescribeNamespace"] = RPCError("not found", RPCStatusCode.NOT_FOUND, b"")
