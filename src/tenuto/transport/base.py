"""What a client or a worker asks of a way to reach the service: one call, one method, one message each way.

In process or over a network, the same names and the same errors. This room must never know what the messages mean.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from tenuto.wire import Message

Headers = Mapping[str, str | bytes]
NO_HEADERS: Headers = MappingProxyType({})


class Transport(Protocol):
    """A way to the service. ``call`` sends exactly once; retrying is `tenuto.transport.retry`'s."""

    async def open(self) -> None:
        """Make the first connection now rather than with the first call. Raises `RPCError`; twice is harmless."""
        ...

    async def call(
        self, method: str, request: Message, *, timeout: float | None = None, headers: Headers = NO_HEADERS
    ) -> Message:
        """Call ``method`` and return its answer.

        ``method`` is a bare name as in ``"StartWorkflowExecution"``, or ``"package.Service/Method"`` for a service
        beside the main ones. ``timeout`` is in seconds, None for none. Raises `tenuto.transport.errors.RPCError`.
        Cancelling the calling task withdraws the call: a poll that is withdrawn takes no work with it.
        """
        ...

    async def close(self) -> None:
        """Let go of everything; a second time does nothing."""
        ...
