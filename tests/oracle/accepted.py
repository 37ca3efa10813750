"""Differences between the servers that are known and wanted, each with its reason.

Keep every pattern as narrow as it can be.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Accepted:
    """Lines matching regex `line` are left out on both sides in scenarios matching the glob `scenario`."""

    scenario: str
    line: str
    reason: str


ACCEPTED: tuple[Accepted, ...] = (
    Accepted(
        "reset_with_repeated_request_id",
        "",
        "A reset that a client repeats with its request id, because the answer was lost, is not done twice; the "
        "reference service means to do so too but compares with the id of the start (execution-semantics 7).",
    ),
)
