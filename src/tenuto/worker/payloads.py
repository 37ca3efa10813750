"""The data converter as workflow tasks use it: whole messages decoded on their way in and encoded on their way out.

Without a codec and without external storage nothing here costs anything. This file must never talk to the service.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tenuto.converter import WorkflowSerializationContext
from tenuto.wire import failure, update

if TYPE_CHECKING:
    from tenuto.converter import DataConverter
    from tenuto.wire import Message, history, protocol
    from tenuto.wire import workflowservice as ws

_CARRIED = {
    f"type.googleapis.com/{kind.DESCRIPTOR.full_name}": kind
    for kind in (update.Request, update.Acceptance, update.Rejection, update.Response)
}
"""What protocol messages carry, by type address."""


class Payloads:
    """``headers``: whether the codec sees headers too."""

    def __init__(self, converter: DataConverter, namespace: str, *, headers: bool = False) -> None:
        self._converter = converter
        self._namespace = namespace
        self._headers = headers
        self.encoded = converter.payload_codec is not None or converter.external_storage is not None
        """Whether messages must be decoded and encoded at all."""
        probe = WorkflowSerializationContext(namespace=namespace, workflow_id="")
        self._contextual = converter.with_context(probe) is not converter

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
            self._converter.failure_converter.to_failure(error, made, self._converter.payload_converter)
        except Exception as inner:  # noqa: BLE001 - an error that cannot be written is told in words
            made = failure.Failure(message=f"{error} (and it could not be converted: {inner})")
            made.application_failure_info.type = type(error).__name__
        return made

    async def decode_task(
        self, task: ws.PollWorkflowTaskQueueResponse, events: list[history.HistoryEvent]
    ) -> None:
        """Decode in place what came: ``events``, queries, updates. Raises whatever the codec does."""
        messages: list[Message] = list(events)
        if task.HasField("query"):
            messages.append(task.query)
        messages.extend(task.queries.values())
        carried = _unpack(task.messages)
        messages.extend(content for _, content in carried)
        await self._decode(messages, task.workflow_execution.workflow_id)
        for envelope, content in carried:
            envelope.body.Pack(content)

    async def decode_events(self, events: Sequence[history.HistoryEvent], workflow_id: str) -> None:
        """Decode events in place. Raises whatever the codec does."""
        await self._decode(list(events), workflow_id)

    async def encode(
        self,
        request: ws.RespondWorkflowTaskCompletedRequest
        | ws.RespondWorkflowTaskFailedRequest
        | ws.RespondQueryTaskCompletedRequest,
        workflow_id: str,
    ) -> None:
        """Encode in place what goes. Raises whatever the codec does."""
        carried = _unpack(getattr(request, "messages", ()))
        messages: list[Message] = [request, *(content for _, content in carried)]
        await self._encode(messages, workflow_id)
        for envelope, content in carried:
            envelope.body.Pack(content)

    async def _decode(self, messages: list[Message], workflow_id: str) -> None:
        from tenuto.converter import walk

        await walk.decode_message(messages, self.converter_for(workflow_id), headers=self._headers)

    async def _encode(self, messages: list[Message], workflow_id: str) -> None:
        from tenuto.converter import walk

        await walk.encode_message(messages, self.converter_for(workflow_id), headers=self._headers)


def _unpack(envelopes: Any) -> list[tuple[protocol.Message, Message]]:
    found: list[tuple[protocol.Message, Message]] = []
    for envelope in envelopes:
        kind = _CARRIED.get(envelope.body.type_url)
        if kind is not None:
            content = kind()
            envelope.body.Unpack(content)
            found.append((envelope, content))
    return found
