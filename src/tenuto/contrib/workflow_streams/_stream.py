"""The workflow's side: a log of items, and the handlers that fill and read it.

All of it is ordinary workflow code. This file must never look at a clock but the workflow's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from types import CodeType
from typing import Any, NoReturn, TypeVar, overload

from tenuto import workflow
from tenuto.common import Duration
from tenuto.common.durations import as_timedelta
from tenuto.contrib.workflow_streams._topics import Topics, WorkflowTopicHandle
from tenuto.contrib.workflow_streams._wire import (
    DRAINING,
    OFFSET,
    OUT_OF_RANGE,
    POLL,
    PUBLISH,
    TRUNCATED,
    PollInput,
    PollResult,
    PublisherState,
    PublishInput,
    WireItem,
    WorkflowStreamState,
    packed,
)
from tenuto.exceptions import ApplicationError

T = TypeVar("T")

ANSWER_BYTES = 1_000_000
"""How much one poll gets, at least one item."""
PUBLISHER_TTL = timedelta(minutes=15)


class WorkflowStream:
    """The stream of a workflow, at most one. Make it in the workflow's ``__init__``, under ``@workflow.init``, or at the
    beginning of a function workflow: then its handlers are there before the first message is handled.

    Handlers of signals and updates that the class itself defines may run before items that came in the same workflow task
    are in the log.
    """

    def __init__(self, prior_state: WorkflowStreamState | None = None) -> None:
        """``prior_state``: what `get_state` gave in the run before; None for a stream that begins. Raises RuntimeError when
        it is made elsewhere, or twice."""
        caller = sys._getframe(1).f_code
        if caller.co_name != "__init__" and caller is not _function_workflow():
            raise RuntimeError(
                "WorkflowStream must be constructed directly from the workflow's @workflow.init method, "
                f"not from {caller.co_name!r}."
            )
        if workflow.get_signal_handler(PUBLISH) is not None:
            raise RuntimeError("WorkflowStream is already registered on this workflow: it has one stream.")
        prior = prior_state or WorkflowStreamState()
        self._log: list[tuple[str, str]] = [(item.topic, item.data) for item in prior.log]
        self._base = prior.base_offset
        self._publishers = dict(prior.publishers)
        self._detached = False
        self._topics = Topics("workflow stream")
        workflow.set_signal_handler(PUBLISH, self._on_publish)
        workflow.set_update_handler(POLL, self._on_poll, validator=self._admit)
        workflow.set_query_handler(POLL, self._read)
        workflow.set_query_handler(OFFSET, self._on_offset)

    @overload
    def topic(self, name: str) -> WorkflowTopicHandle[Any]: ...
    @overload
    def topic(self, name: str, *, type: type[T]) -> WorkflowTopicHandle[T]: ...
    def topic(self, name: str, *, type: Any = None) -> WorkflowTopicHandle[Any]:
        """A handle to publish under ``name``. Raises RuntimeError when the topic has another type in this workflow."""
        return WorkflowTopicHandle(self._append, name, self._topics.bind(name, type))

    def get_state(self, *, publisher_ttl: Duration = PUBLISHER_TTL) -> WorkflowStreamState:
        """What the next run needs as ``prior_state``. Publishers that were silent for ``publisher_ttl`` are forgotten: it
        must be longer than any of them may go on trying to send one batch (``max_retry_duration``)."""
        ttl = as_timedelta(publisher_ttl)
        now = workflow.now()
        return WorkflowStreamState(
            log=[WireItem(topic, text) for topic, text in self._log],
            base_offset=self._base,
            publishers={name: seen for name, seen in self._publishers.items() if now - seen.last_seen < ttl},
        )

    def detach_pollers(self) -> None:
        """Let waiting subscribers go, and refuse new ones: they come back to the next run. What is published still gets
        into the log. Call it before ``continue_as_new``, then wait until all handlers have finished."""
        self._detached = True

    async def continue_as_new(
        self,
        build_args: Callable[[WorkflowStreamState], Sequence[Any]],
        *,
        publisher_ttl: Duration = PUBLISHER_TTL,
    ) -> NoReturn:
        """Detach the subscribers, wait until all handlers have finished, and go on as a new run whose arguments are what
        ``build_args`` makes of the state. For more than arguments, do these three yourself."""
        self.detach_pollers()
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(args=build_args(self.get_state(publisher_ttl=publisher_ttl)))

    def truncate(self, up_to_offset: int) -> None:
        """Forget items before ``up_to_offset``. Subscribers that are further behind go on with the first that is left.
        Raises ApplicationError for an offset that is yet to come: it fails an update, not the workflow task."""
        count = up_to_offset - self._base
        if count > len(self._log):
            raise ApplicationError(
                f"Cannot truncate to offset {up_to_offset}: valid range is [{self._base}, {self._end})",
                type=OUT_OF_RANGE,
            )
        if count > 0:
            del self._log[:count]
            self._base = up_to_offset

    # ---- behind it --------------------------------------------------------------------------------------------------

    @property
    def _end(self) -> int:
        return self._base + len(self._log)

    def _append(self, topic: str, value: Any) -> None:
        self._log.append((topic, packed(workflow.payload_converter(), value)))

    def _on_publish(self, batch: PublishInput) -> None:
        if batch.publisher_id:
            known = self._publishers.get(batch.publisher_id)
            if known is not None and batch.sequence <= known.sequence:
                return
            self._publishers[batch.publisher_id] = PublisherState(batch.sequence, workflow.now())
        self._log.extend((entry.topic, entry.data) for entry in batch.items)

    def _admit(self, asked: PollInput) -> None:
        if self._detached:
            raise ApplicationError("Workflow pollers are detached for continue-as-new", type=DRAINING)

    async def _on_poll(self, asked: PollInput) -> PollResult:
        # Offsets, not a count of items: the log may be cut while somebody waits.
        start = asked.from_offset
        await workflow.wait_condition(lambda: start < self._base or start < self._end or self._detached)
        if 0 < start < self._base:
            raise ApplicationError(
                f"Requested offset {start} has been truncated. Current base offset is {self._base}.",
                type=TRUNCATED,
            )
        return self._read(asked)

    def _read(self, asked: PollInput) -> PollResult:
        wanted = set(asked.topics)
        result = PollResult(next_offset=self._end)
        size = 0
        for at in range(max(0, asked.from_offset - self._base), len(self._log)):
            topic, text = self._log[at]
            if wanted and topic not in wanted:
                continue
            size += len(text) + len(topic)
            if size > ANSWER_BYTES and result.items:
                result.next_offset, result.more_ready = self._base + at, True
                break
            result.items.append(WireItem(topic, text, self._base + at))
        return result

    def _on_offset(self) -> int:
        return self._end


def _function_workflow() -> CodeType | None:
    """The code of the function whose workflow this is; None for a class."""
    run = getattr(type(workflow.instance()), "run", None)
    return getattr(getattr(run, "__wrapped__", None), "__code__", None)
