"""OpenTelemetry's context: made current for a while, and carried in headers.

This file must never make a span.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import opentelemetry.baggage.propagation
import opentelemetry.context
import opentelemetry.trace.propagation.tracecontext
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator

from tenuto.converter import PayloadConverter

if TYPE_CHECKING:
    from tenuto.wire import common

HEADER_KEY = "_tracer-data"
"""The header that all SDKs use."""
Carrier: TypeAlias = dict[str, str | list[str]]
Headers: TypeAlias = "Mapping[str, common.Payload]"

default_propagator: TextMapPropagator = CompositePropagator(
    [
        opentelemetry.trace.propagation.tracecontext.TraceContextTextMapPropagator(),
        opentelemetry.baggage.propagation.W3CBaggagePropagator(),
    ]
)


@contextmanager
def attached_context(context: Context | None) -> Iterator[None]:
    """``context`` is the current one inside; None: nothing changes.

    What was current before is so again only where ``context`` still is: a generator that is collected elsewhere, on another
    thread or in another task, changes nothing there.
    """
    if context is None:
        yield
        return
    token = opentelemetry.context.attach(context)
    try:
        yield
    finally:
        if opentelemetry.context.get_current() is context:
            opentelemetry.context.detach(token)


class Carrying:
    """How contexts go into headers and come out again. The three attributes may be set by subclasses."""

    header_key: str
    """Name of the header."""
    text_map_propagator: TextMapPropagator
    """What writes a context as names and values."""
    payload_converter: PayloadConverter
    """What writes those as a payload."""

    def _carry_defaults(self) -> None:
        self.header_key = HEADER_KEY
        self.text_map_propagator = default_propagator
        self.payload_converter = PayloadConverter.default

    def _carrier(self, context: Context | None = None) -> Carrier:
        """``context``, or the current one, as names and values; empty when there is nothing to tell."""
        carrier: Carrier = {}
        self.text_map_propagator.inject(carrier, context=context)
        return carrier

    def _context_to_headers(self, headers: Headers) -> Headers:
        """``headers`` and the current context."""
        return self._carrier_to_headers(self._carrier(), headers)

    def _carrier_to_headers(self, carrier: Carrier, headers: Headers) -> Headers:
        if not carrier:
            return headers
        return {**headers, self.header_key: self.payload_converter.to_payloads([carrier])[0]}

    def _carrier_from_headers(self, headers: Headers) -> Carrier | None:
        payload = headers.get(self.header_key)
        if payload is None:
            return None
        carrier: Any = self.payload_converter.from_payloads([payload])[0]
        return carrier or None

    def _context_from_headers(self, headers: Headers) -> Context | None:
        carrier = self._carrier_from_headers(headers)
        return self._context_of(carrier) if carrier else None

    def _context_of(self, carrier: Mapping[str, Any]) -> Context:
        """What ``carrier`` tells, and nothing of the context that is current."""
        return self.text_map_propagator.extract(carrier, context=Context())


def as_strings(carrier: Carrier, headers: Mapping[str, str] | None) -> Mapping[str, str]:
    """``headers`` of a Nexus request, and what ``carrier`` tells."""
    told = {name: value if isinstance(value, str) else ",".join(value) for name, value in carrier.items()}
    return {**(headers or {}), **told}
