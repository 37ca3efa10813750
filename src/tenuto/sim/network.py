"""The network of the simulation: calls travel as bytes, late, twice, or not at all.

What a node answers is shown to the checkers the moment it leaves the service, before the network may lose it: a promise is
a promise, heard or not.
"""

import asyncio
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Protocol

from tenuto.service.call import Call
from tenuto.service.errors import Code, ServiceError
from tenuto.sim.loop import Life, SimulationLoop
from tenuto.sim.options import Options
from tenuto.wire import Message, operatorservice
from tenuto.wire import workflowservice as ws

HEADERS = {"client-name": "simulation", "supported-features": "follows-next-run-id"}


class CallFailed(Exception):
    """What a caller sees of a call that was refused or got lost."""

    def __init__(self, code: Code, message: str, details: tuple[Message, ...] = ()) -> None:
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message
        self.details = details

    @property
    def worth_retrying(self) -> bool:
        return self.code in {
            Code.UNAVAILABLE,
            Code.DEADLINE_EXCEEDED,
            Code.RESOURCE_EXHAUSTED,
            Code.CANCELLED,
        }


class Serving(Protocol):
    """A node as the network sees it."""

    name: str
    life: Life

    @property
    def serving(self) -> bool: ...

    def now(self) -> int: ...

    async def serve(self, method: str, request: Message, call: Call) -> Message | bytes: ...


class Witness(Protocol):
    """Sees every answer, and every refusal, of every node."""

    def served(self, node: str, method: str, request: Any, response: Any) -> None: ...

    def refused(self, node: str, method: str, request: Any, error: ServiceError) -> None: ...


class Flight:
    """One call under way."""

    __slots__ = ("caller", "deadline_ns", "headers", "method", "node", "raw", "reply", "tasks")

    def __init__(
        self,
        caller: str,
        node: Serving,
        method: str,
        raw: bytes,
        deadline_ns: int,
        reply: "asyncio.Future[Any]",
        headers: Mapping[str, str],
    ) -> None:
        self.headers = headers
        self.caller = caller
        self.node = node
        self.method = method
        self.raw = raw
        self.deadline_ns = deadline_ns
        self.reply = reply
        self.tasks: list[asyncio.Task[Any]] = []


class Network:
    """All wires. ``calm`` switches every trouble off."""

    def __init__(
        self,
        loop: SimulationLoop,
        options: Options,
        chance: Random,
        witness: Witness,
        broken: Callable[[str, BaseException], None],
    ) -> None:
        self._loop = loop
        self._options = options
        self._chance = chance
        self._witness = witness
        self._broken = broken
        self._flights: dict[Flight, None] = {}
        self.cut: set[tuple[str, str]] = set()
        """(caller, node) pairs that cannot talk."""
        self.calm = False

    def _delay(self) -> int:
        return round(self._options.net_delay_ns * self._chance.random()) + 1000

    def _lost(self, flight: Flight) -> bool:
        if (flight.caller, flight.node.name) in self.cut:
            return True
        return not self.calm and self._chance.random() < self._options.net_loss

    async def call(
        self,
        caller: str,
        node: Serving,
        method: str,
        request: Message,
        timeout_ns: int,
        headers: Mapping[str, str] = HEADERS,
    ) -> Any:
        """The answer, as the caller decodes it. Raises `CallFailed`."""
        loop = self._loop
        flight = Flight(
            caller,
            node,
            method,
            request.SerializeToString(),
            loop.now_ns + timeout_ns,
            loop.create_future(),
            headers,
        )
        self._flights[flight] = None
        copies = 2 if not self.calm and self._chance.random() < self._options.net_duplicates else 1
        for _ in range(copies):
            if not self._lost(flight):
                loop.later(self._delay(), self._arrive, flight)
        timer = loop.later(timeout_ns, _fail, flight, Code.DEADLINE_EXCEEDED, "no answer in time")
        try:
            raw = await flight.reply
        except BaseException:
            loop.later(self._delay(), self._hang_up, flight)
            raise
        finally:
            timer.cancel()
            self._flights.pop(flight, None)
        return response_type(method).FromString(raw)

    def _hang_up(self, flight: Flight) -> None:
        """The node learns that its caller has gone."""
        for task in flight.tasks:
            task.cancel()

    def hung_up(self, caller: str) -> None:
        """A caller has died: its connections break."""
        for flight in list(self._flights):
            if flight.caller == caller:
                del self._flights[flight]
                self._loop.later(self._delay(), self._hang_up, flight)

    def died(self, node: Serving) -> None:
        """A node has died: whoever waits for it hears so."""
        for flight in self._flights:
            if flight.node is node:
                self._loop.later(self._delay(), _fail, flight, Code.UNAVAILABLE, "connection reset")

    def _arrive(self, flight: Flight) -> None:
        if not flight.node.serving:
            self._loop.later(self._delay(), _fail, flight, Code.UNAVAILABLE, "connection refused")
            return
        flight.tasks.append(self._loop.spawn(self._serve(flight), flight.node.life))

    async def _serve(self, flight: Flight) -> None:
        node = flight.node
        request = request_type(flight.method).FromString(flight.raw)
        left = max(0, flight.deadline_ns - self._loop.now_ns)
        call = Call(node.now() + left, lambda: flight.headers, lambda: flight in self._flights)
        try:
            response = await node.serve(flight.method, request, call)
            raw = response if isinstance(response, bytes) else response.SerializeToString()
        except ServiceError as error:
            self._loop.note(f"refused {flight.method}: {error.code.name} {error.message}", node.life)
            self._witness.refused(node.name, flight.method, request, error)
            self._reply(flight, CallFailed(error.code, error.message, error.details))
            return
        except Exception as error:
            self._broken(flight.method, error)
            raise
        self._loop.note(f"served {flight.method} to {flight.caller}", node.life)
        self._witness.served(node.name, flight.method, request, response_type(flight.method).FromString(raw))
        self._reply(flight, raw)

    def _reply(self, flight: Flight, answer: bytes | CallFailed) -> None:
        if not self._lost(flight):
            self._loop.later(self._delay(), _settle, flight, answer)


def _settle(flight: Flight, answer: bytes | CallFailed) -> None:
    if flight.reply.done():
        return
    if isinstance(answer, CallFailed):
        flight.reply.set_exception(answer)
    else:
        flight.reply.set_result(answer)


def _fail(flight: Flight, code: Code, text: str) -> None:
    _settle(flight, CallFailed(code, text))


def request_type(method: str) -> Any:
    return _message(f"{method}Request")


def response_type(method: str) -> Any:
    return _message(f"{method}Response")


def _message(name: str) -> Any:
    return getattr(ws, name, None) or getattr(operatorservice, name)
