"""What tests check beyond results: whether workflows can be replayed, and whether their code may say what it says.

This file must never change how a worker runs.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tenuto.client import Client
from tenuto.run.lint import lint
from tenuto.worker.interceptor import Interceptor
from tenuto.worker.replayer import Replayer
from tenuto.worker.worker import Worker
from tenuto.workflow.definition import Definition

if TYPE_CHECKING:
    from types import TracebackType


class DeterminismWarning(UserWarning):
    """Code of a workflow calls something that the determinism guard will refuse when it gets there."""


logger = logging.getLogger("tenuto.testing")


class CheckedWorker(Worker):
    """At the end of ``async with`` it replays every workflow that ran on its queue, unless the block has failed."""

    def __init__(self, client: Client, **options: Any) -> None:
        super().__init__(client, **options)
        self._client_checked = client
        self._options = options

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await super().__aexit__(kind, error, trace)
        if error is None and self._options.get("workflows"):
            await replay_all(self._client_checked, self._options)


async def replay_all(client: Client, options: dict[str, Any]) -> int:
    """Replay the workflows of one queue, with a worker's options; how many they were. Raises what the replay raises."""
    shared = ("workflows", "workflow_failure_exception_types", "workflow_runner", "build_id")
    both = [one for one in client.config()["interceptors"] if isinstance(one, Interceptor)]
    replayer = Replayer(
        namespace=client.namespace,
        data_converter=client.data_converter,
        interceptors=[*both, *options.get("interceptors", ())],
        **{name: options[name] for name in shared if name in options},
    )
    count = 0
    async for found in client.list_workflows():
        if found.task_queue != options["task_queue"]:
            continue
        history = await client.get_workflow_handle(found.id, run_id=found.run_id).fetch_history()
        logger.debug("replaying %s", found.id)
        await replayer.replay_workflow(history)
        count += 1
    return count


def warn_of(workflows: Sequence[Any]) -> None:
    """Warn of every call in the code of ``workflows`` that must not be there, by file and line."""
    for workflow in workflows:
        definition = Definition.of(workflow)
        for finding in lint(definition) if definition is not None else ():
            warnings.warn_explicit(str(finding), DeterminismWarning, finding.file, finding.line)


def worker_class(checked: bool) -> type[Worker]:
    """The class of workers to make."""
    return CheckedWorker if checked else Worker
