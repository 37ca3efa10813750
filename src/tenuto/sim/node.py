"""One node of the simulated cluster: a machine with a clock, on which the product's rooms live and die.

The rooms are the real ones: store adapter, matching, shard, service. This module wires them and must never stand in for one.
"""

import asyncio
import uuid
from dataclasses import dataclass
from random import Random

from tenuto.limits import KIB
from tenuto.matching.host import DEFAULT_WINDOW, Matching
from tenuto.service.call import Call
from tenuto.service.core import Core
from tenuto.service.namespaces import Namespaces
from tenuto.service.service import Service
from tenuto.shard.runner import CACHE_BYTES, Shard
from tenuto.sim.disk import Faults, RemoteStore, WatchedDisk
from tenuto.sim.loop import Life, SimClock, SimulationLoop
from tenuto.sim.options import Options
from tenuto.store.spi import StoreError
from tenuto.wire import Message

SHARD = 0
BOOT_PAUSE_S = 0.05


@dataclass(slots=True)
class Rooms:
    """What one life of a node consists of."""

    store: RemoteStore
    namespaces: Namespaces
    matching: Matching
    shard: Shard
    service: Service


class Node:
    """A machine. ``lease`` names the node that should own the shard."""

    def __init__(
        self, name: str, seed: int, loop: SimulationLoop, disk: WatchedDisk, faults: Faults, options: Options
    ) -> None:
        self.name = name
        self.life = Life(name)
        self.rooms: Rooms | None = None
        self.stray: list[object] = []
        """What crashed lives held; kept, because collecting it would run its ``finally`` blocks."""
        self.booting = False
        self.lives = 0
        self.lease = ""
        self.steal = options.steal
        self._seed = seed
        self._loop = loop
        self._disk = disk
        self._faults = faults
        self._options = options
        self._chance = Random(f"node {seed} {name}")
        self.clock = SimClock(loop, round(self._chance.uniform(-1, 1) * options.skew_ns))

    @property
    def serving(self) -> bool:
        return self.rooms is not None

    def now(self) -> int:
        return self.clock.now()

    def boot(self) -> None:
        """Come alive and take the shard over."""
        self.lives += 1
        self.life = Life(f"{self.name}#{self.lives}")
        self.booting = True
        self._loop.note("boot", self.life)
        self._loop.spawn(self._boot(), self.life)

    async def _boot(self) -> None:
        chance = Random(f"life {self._seed} {self.life.name}")

        def new_id() -> str:
            return str(uuid.UUID(int=chance.getrandbits(128), version=4))

        options = self._options
        store = RemoteStore(
            self._loop,
            self._disk,
            self._faults,
            lambda: round(options.disk_delay_ns * chance.random()) + 1000,
            lambda: self.steal or self.lease == self.name,
        )
        namespaces = Namespaces(store, new_id)
        matching = Matching(self.clock, window=3 if options.small_window else DEFAULT_WINDOW)
        shard = Shard(
            store,
            SHARD,
            self.life.name,
            self.clock,
            namespaces.facts,
            matching,
            chance.randbytes,
            cache_bytes=16 * KIB if options.small_cache else CACHE_BYTES,
        )
        matching.refused = shard.refused
        matching.credit = shard.credit
        while True:
            try:
                await store.open()
                await namespaces.load()
                await shard.open()
                break
            except StoreError:
                await asyncio.sleep(BOOT_PAUSE_S)
        core = Core(shard, matching, namespaces, self.clock, new_id)
        self.rooms = Rooms(store, namespaces, matching, shard, Service(core))
        self.booting = False
        self._loop.note("serving", self.life)

    async def serve(self, method: str, request: Message, call: Call) -> Message | bytes:
        """One call, as a frontend would make it."""
        assert self.rooms is not None
        return await self.rooms.service.call(method, request, call)

    def crash(self) -> None:
        """Stop at once, wherever everything is."""
        self._loop.note("crash", self.life)
        self.life.alive = False
        self.stray.append((self.rooms, self.life, asyncio.all_tasks(self._loop)))
        for timer in list(self.clock.pending):
            timer.cancel()
        self.rooms = None
        self.booting = False

    def retire(self) -> None:
        """Stop in good order."""
        rooms, self.rooms = self.rooms, None
        if rooms is None:
            self.crash()
            return
        self._loop.note("retire", self.life)
        self.stray.append(rooms)

        async def close() -> None:
            rooms.matching.close()
            await rooms.shard.close()
            await rooms.store.close()

        self._loop.spawn(close(), self.life)
