"""What stands between payloads and the wire: encryption, compression. This file must never know of values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from tenuto.wire import common, failure


class PayloadCodec(ABC):
    """Changes payloads on their way out, and changes them back. Works outside workflows: it may wait, and be random."""

    @abstractmethod
    async def encode(self, payloads: Sequence[common.Payload]) -> list[common.Payload]:
        """``payloads`` as they go out. May return another number of payloads, but at least one. It is asked for all of a
        message at once; when that raises or changes the number, for each list of arguments alone. Must not change what
        it is given."""

    @abstractmethod
    async def decode(self, payloads: Sequence[common.Payload]) -> list[common.Payload]:
        """What ``payloads`` were before `encode`."""

    async def encode_wrapper(self, payloads: common.Payloads) -> None:
        """`encode` the payloads of one message, in place."""
        _replace(payloads, await self.encode(payloads.payloads))

    async def decode_wrapper(self, payloads: common.Payloads) -> None:
        """`decode` the payloads of one message, in place."""
        _replace(payloads, await self.decode(payloads.payloads))

    async def encode_failure(self, failure: failure.Failure) -> None:
        """`encode` the payloads of ``failure`` and of its causes, in place."""
        from tenuto.converter.walk import code_message

        await code_message(failure, self.encode)

    async def decode_failure(self, failure: failure.Failure) -> None:
        """`decode` the payloads of ``failure`` and of its causes, in place."""
        from tenuto.converter.walk import code_message

        await code_message(failure, self.decode)


def _replace(payloads: common.Payloads, new: Sequence[common.Payload]) -> None:
    kept = list(new)  # they may be the very ones that are about to go
    copies = [common.Payload.FromString(payload.SerializeToString()) for payload in kept]
    del payloads.payloads[:]
    payloads.payloads.extend(copies)
