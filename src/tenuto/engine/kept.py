"""Kept workflow tasks: the worker has recorded steps, and goes on with the same task.

WFT_COMPLETED stands in history, the markers of later steps are written behind it one by one, and so is whatever ends the
task. History is then what a worker would have left that did everything in one go, and it is durable after every step.
"""

from dataclasses import dataclass

from msgspec.structs import replace

from tenuto.engine.chain import WorkflowTask
from tenuto.engine.draft import RunDraft


@dataclass(frozen=True, slots=True)
class Kept:
    """The worker goes on with a task whose completion stands in history: ``task`` is as it was before that, and names it."""

    task: WorkflowTask

    def apply(self, rd: RunDraft) -> None:
        rd.run.task = replace(self.task)


@dataclass(frozen=True, slots=True)
class KeptLost:
    """A kept task has failed, timed out, or must end by force. Its completion stands in history, so that nothing tells of
    it: whatever the worker has not recorded is done again by the next task."""

    def apply(self, rd: RunDraft) -> None:
        run = rd.run
        run.task = None
        run.task_attempt = 1
        run.sticky_queue, run.sticky_timeout_ns = "", 0
        rd.close_attempted = False
