"""The data converter as workflow tasks use it: whole messages decoded on their way in and encoded on their way out.

Without a codec and without external storage nothing here costs anything. This file must never talk to the service.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tenuto.converter import WorkflowSerializationContext
from tenuto.wire import enums_event, failure
from tenuto.worker.contexts import Contexts

if TYPE_CHECKING:
    from tenuto.converter import DataConverter
    from tenuto.wire import Message, history
    from tenuto.wire import workflowservice as ws


class Payloads:
    """``headers``: whether the codec sees headers too."""

    def __init__(self, converter: DataConverter, namespace: str, *, headers: bool = False) -> None:
        self._converter = converter
        self._namespace = namespace
        self._headers = headers
        self.encoded = converter.rewrites
        """Whether messages must be decoded and encoded at all."""
        probe = WorkflowSerializationContext(namespace=namespace, workflow_id="")
        self._contextual = converter.with_context(probe) is not converter
        self.context_free = converter if converter.converts_by_context else None
        """The converter for a run to tell whose values it converts; None: it does not ask."""

    def converter_for(self, workflow_id: str) -> DataConverter:
        """The converter, knowing whose values it converts, if it wants to know."""
        if not self._contextual:
            return self._converter
        context = WorkflowSerializationContext(namespace=self._namespace, workflow_id=workflow_id)
        return self._converter.with_context(context)

    def failure_of(self, error: BaseException) -> failure.Failure:
        """``error`` as a message, not encoded. Never raises."""
        made = failure.Failure()
        try:
            self._converter.failure_converter.to_failure(error, self._converter.payload_converter, made)
        except Exception as inner:  # noqa: BLE001 - an error that cannot be written is told in words
            made = failure.Failure(message=f"{error} (and it could not be converted: {inner})")
            made.application_failure_info.type = type(error).__name__
        return made

    def contexts(self, workflow_id: str, workflow_type: str, task_queue: str, run_id: str) -> Contexts | None:
        """For the other methods, one for each run; None when nobody asks for them."""
        if not self._converter.wants_context:
            return None
        return Contexts(self._namespace, workflow_id, workflow_type, task_queue, run_id)

    async def decode_task(
        self,
        task: ws.PollWorkflowTaskQueueResponse,
        events: list[history.HistoryEvent],
        contexts: Contexts | None,
    ) -> None:
        """Decode in place what came: ``events``, queries, updates. Raises whatever the codec does."""
        messages: list[Message] = [*_read(events, contexts), *task.messages, *task.queries.values()]
        if task.HasField("query"):
            messages.append(task.query)
        await self._decode(messages, task.workflow_execution.workflow_id, contexts)

    async def decode_events(
        self, events: Sequence[history.HistoryEvent], workflow_id: str, contexts: Contexts | None
    ) -> None:
        """Decode events in place. Raises whatever the codec does."""
        await self._decode(_read(events, contexts), workflow_id, contexts)

    async def encode(
        self,
        request: ws.RespondWorkflowTaskCompletedRequest
        | ws.RespondWorkflowTaskFailedRequest
        | ws.RespondQueryTaskCompletedRequest,
        workflow_id: str,
        contexts: Contexts | None = None,
    ) -> None:
        """Encode in place what goes. Raises whatever the codec does."""
        from tenuto.converter.walk import encode_message

        context_of = contexts.of if contexts is not None else None
        converter = self.converter_for(workflow_id)
        await encode_message(request, converter, headers=self._headers, context_of=context_of)

    async def _decode(self, messages: list[Message], workflow_id: str, contexts: Contexts | None) -> None:
        from tenuto.converter.walk import decode_message

        context_of = contexts.of if contexts is not None else None
        converter = self.converter_for(workflow_id)
        await decode_message(messages, converter, headers=self._headers, context_of=context_of)


_UNREAD = frozenset(
    {
        enums_event.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
        enums_event.EVENT_TYPE_NEXUS_OPERATION_SCHEDULED,
        enums_event.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
        enums_event.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED,
        enums_event.EVENT_TYPE_TIMER_STARTED,
        enums_event.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED,
        enums_event.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED,
    }
)
"""Events that tell a run only that it asked for something: it made their payloads itself, and does not read them."""


def _read(events: Sequence[history.HistoryEvent], contexts: Contexts | None) -> list[Message]:
    """The events whose payloads matter to a run, so that replays neither decrypt nor fetch the others."""
    read: list[Message] = []
    for event in events:
        if event.event_type not in _UNREAD:
            read.append(event)
        elif contexts is not None:
            contexts.of(event)  # what becomes of it refers back to it
    return read
