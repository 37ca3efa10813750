"""Differences between the makes of workers that are known and wanted, each with its reason. Keep them narrow."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Accepted:
    """In ``program``, when the workers' makes differ, ``what`` ("result" or "history") is not compared."""

    program: str
    what: str
    reason: str


ACCEPTED: tuple[Accepted, ...] = (
    Accepted(
        "local_activities",
        "history",
        "The marker of a local activity that ran out of time holds what the code saw, an activity's failure. With the bare "
        "timeout that the official worker writes a replay of its own raises something else than the first run did.",
    ),
    Accepted("taken_over", "history", "The same."),
    Accepted(
        "continue_as_new",
        "history",
        "A memo that the run changed goes on to the next run, as changed search attributes do; with the official worker "
        "the next run begins with the memo that this one began with.",
    ),
    Accepted("continue_as_new", "result", "The same, as the program tells it."),
)
"""And in all programs, taken care of where texts are made: `tests.interop.sdk.stage.describe` (errors of our client name
their causes, in the text and as ``__cause__``) and `tests.interop.sdk.reading` (who wrote a history, and the flag that says
that a worker checks Nexus operations)."""


def accepted(program: str, what: str) -> bool:
    return any(each.program == program and each.what == what for each in ACCEPTED)
