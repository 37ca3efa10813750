"""A client of the service that calls until it is answered. It must never know what it asks for."""

import asyncio
from random import Random
from typing import Any

from tenuto.sim.network import CallFailed
from tenuto.sim.options import Options
from tenuto.sim.worker import CALL_NS, NAMESPACE, Ask

TRIES = 8


class Caller:
    """``name`` is whom the service sees, and the beginning of every request id."""

    def __init__(self, name: str, chance: Random, options: Options, ask: Ask) -> None:
        self.name = name
        self._chance = chance
        self._options = options
        self._ask = ask
        self._count = 0

    async def _insist(self, method: str, request: Any, timeout: int = CALL_NS) -> None:
        """Call until answered, under one request id. ``timeout`` of each try in ns."""
        request.namespace = NAMESPACE
        self._count += 1
        if "request_id" in request.DESCRIPTOR.fields_by_name:
            request.request_id = f"{self.name}.{self._count}"
        for _ in range(TRIES):
            try:
                await self._ask(self.name, method, request, timeout)
                return
            except CallFailed as failed:
                if not failed.worth_retrying:
                    return
            await asyncio.sleep(self._chance.uniform(0.01, 0.5))
