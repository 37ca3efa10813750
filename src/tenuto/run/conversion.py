"""How values become payloads in a run, and back: its own, and those of what it starts.

This file must never know an activity, a child or a signal: it is told whose values they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tenuto.converter.context import SerializationContext, in_context
from tenuto.wire import command, common, failure

if TYPE_CHECKING:
    from tenuto.converter import FailureConverter, PayloadConverter


class Conversion:
    """The converters for the values of one owner: the run, or one thing that it started."""

    def __init__(self, payload_converter: PayloadConverter, failure_converter: FailureConverter) -> None:
        self.payload_converter = payload_converter
        self.failure_converter = failure_converter

    def within(self, context: SerializationContext) -> Conversion:
        """The same for values of which ``context`` tells; itself when no converter asks."""
        payloads = in_context(self.payload_converter, context)
        failures = in_context(self.failure_converter, context)
        if payloads is self.payload_converter and failures is self.failure_converter:
            return self
        return Conversion(payloads, failures)

    def encode(self, values: Sequence[Any]) -> list[common.Payload]:
        return list(self.payload_converter.to_payloads(values)) if values else []

    def encode_one(self, value: Any) -> common.Payload:
        return self.payload_converter.to_payloads([value])[0]

    def decode(self, payloads: Sequence[common.Payload], types: Sequence[Any] | None) -> list[Any]:
        """Values with the hints that there are: none at all when more was sent than there are parameters, so that the error
        tells of that."""
        if not payloads:
            return []
        hints = list(types[: len(payloads)]) if types is not None and len(payloads) <= len(types) else None
        return self.payload_converter.from_payloads(payloads, hints)

    def decode_result(self, payloads: Sequence[common.Payload], hint: Any) -> Any:
        """A result: None when there is no payload."""
        if not payloads:
            return None
        hints = [hint] if hint is not None else None
        return self.payload_converter.from_payloads(payloads[:1], hints)[0]

    def failure_of(self, error: BaseException) -> failure.Failure:
        made = failure.Failure()
        self.failure_converter.to_failure(error, self.payload_converter, made)
        return made

    def error_of(self, sent: failure.Failure) -> BaseException:
        return self.failure_converter.from_failure(sent, self.payload_converter)

    def summarize(self, made: command.Command, summary: str | None, details: str | None = None) -> None:
        """What people read beside a command."""
        if summary:
            made.user_metadata.summary.CopyFrom(self.encode_one(summary))
        if details:
            made.user_metadata.details.CopyFrom(self.encode_one(details))
