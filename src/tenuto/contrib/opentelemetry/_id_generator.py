"""Identifiers of spans and traces: in a workflow the same ones in every replay.

This file must never change what the workflow itself draws.
"""

from __future__ import annotations

from contextvars import ContextVar
from random import Random
from weakref import WeakKeyDictionary

from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import INVALID_SPAN_ID, INVALID_TRACE_ID

from tenuto.workflow._runtime import Runtime, find

_STREAM = "opentelemetry"


class TemporalIdGenerator(IdGenerator):
    """Draws identifiers from a stream of the run's own chance in workflows, and from ``id_generator`` everywhere else.

    Queries and validators are everywhere else: they are never repeated, and draw nothing.
    """

    def __init__(self, id_generator: IdGenerator) -> None:
        self._id_generator = id_generator
        self._streams: WeakKeyDictionary[Runtime, Random] = WeakKeyDictionary()
        self._next_span: ContextVar[int | None] = ContextVar("tenuto_next_span_id", default=None)
        self._next_trace: ContextVar[int | None] = ContextVar("tenuto_next_trace_id", default=None)

    def seed_span_id(self, span_id: int) -> None:
        """The next span made in this context, in this one alone, has this identifier."""
        self._next_span.set(span_id)

    def seed_trace_id(self, trace_id: int) -> None:
        """The next trace begun in this context, in this one alone, has this identifier."""
        self._next_trace.set(trace_id)

    def generate_span_id(self) -> int:
        return self._drawn(self._next_span, 64, INVALID_SPAN_ID) or self._id_generator.generate_span_id()

    def generate_trace_id(self) -> int:
        return self._drawn(self._next_trace, 128, INVALID_TRACE_ID) or self._id_generator.generate_trace_id()

    def _drawn(self, given: ContextVar[int | None], bits: int, invalid: int) -> int | None:
        seeded = given.get()
        if seeded is not None:
            given.set(None)
            return seeded
        runtime = find()
        if runtime is None or runtime.is_read_only():
            return None
        stream = self._streams.get(runtime)
        if stream is None:
            stream = self._streams[runtime] = runtime.new_random(_STREAM)
        number = stream.getrandbits(bits)
        while number == invalid:
            number = stream.getrandbits(bits)
        return number
