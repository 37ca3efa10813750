"""Whose payloads are in a part of a workflow's history or answer: the workflow's own, an activity's, another workflow's.

Only codecs and stores that ask for it are told. This file must never touch a payload.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tenuto.converter import (
    ActivitySerializationContext,
    NexusSerializationContext,
    SerializationContext,
    StorageDriverWorkflowInfo,
    WorkflowSerializationContext,
)
from tenuto.run.local_activity import MARKER_NAME

if TYPE_CHECKING:
    from tenuto.wire import Message


class Contexts:
    """The contexts of one run. It remembers what was scheduled, because what became of that does not repeat its names."""

    __slots__ = ("_namespace", "_own", "_result", "_scheduled", "_task_queue", "_workflow_type")

    def __init__(
        self, namespace: str, workflow_id: str, workflow_type: str, task_queue: str, run_id: str
    ) -> None:
        self._namespace = namespace
        own = WorkflowSerializationContext(namespace=namespace, workflow_id=workflow_id)
        self._own = own.stored_under(
            StorageDriverWorkflowInfo(namespace=namespace, id=workflow_id, run_id=run_id, type=workflow_type)
        )
        self._result = self._own
        """Of how it ends: what a child gives its parent is stored with the parent, whose replays read it."""
        self._workflow_type = workflow_type
        self._task_queue = task_queue
        self._scheduled: dict[int, SerializationContext] = {}
        """By id of the event that scheduled it."""

    def of(self, message: Message) -> SerializationContext | None:
        """The context of what is inside; None: that of what it is inside of."""
        kind: Any = message
        name = message.DESCRIPTOR.name
        if name in _ANSWERS:
            return self._own
        if name == "Command":
            chosen = kind.WhichOneof("attributes")
            find = _COMMANDS.get(chosen)
            return find(self, getattr(kind, chosen)) if find is not None else self._own
        if name == "HistoryEvent":
            chosen = kind.WhichOneof("attributes")
            return self._of_event(kind.event_id, chosen, getattr(kind, chosen)) if chosen else self._own
        return None

    def _of_event(self, event_id: int, chosen: str, told: Any) -> SerializationContext:
        if (
            chosen == "workflow_execution_started_event_attributes"
            and told.parent_workflow_execution.workflow_id
        ):
            parent = told.parent_workflow_execution
            self._result = self._own.stored_under(
                StorageDriverWorkflowInfo(
                    namespace=told.parent_workflow_namespace or self._namespace,
                    id=parent.workflow_id,
                    run_id=parent.run_id,
                )
            )
        begins = _BEGINNINGS.get(chosen)
        if begins is not None:
            made = self._scheduled[event_id] = begins(self, told)
            return made
        if chosen in _CHILDREN:
            return self._workflow(told.workflow_execution.workflow_id)
        if chosen in _CONTINUED:
            return self._scheduled.get(told.scheduled_event_id, self._own)
        return self._own

    # ---- kinds ------------------------------------------------------------------------------------------------------

    def _activity(self, told: Any) -> SerializationContext:
        queue = told.task_queue.name
        return self._activity_named(told.activity_id, told.activity_type.name, queue, local=False)

    def _activity_named(self, own_id: str, type_name: str, queue: str, local: bool) -> SerializationContext:
        return ActivitySerializationContext(
            namespace=self._namespace,
            activity_id=own_id,
            activity_type=type_name,
            activity_task_queue=queue,
            workflow_id=self._own.workflow_id,
            workflow_type=self._workflow_type,
            is_local=local,
        ).stored_under(self._own.storage_target)

    def _marker(self, told: Any) -> SerializationContext:
        if told.marker_name != MARKER_NAME:
            return self._own
        read = json.loads(told.details["data"].payloads[0].data)
        return self._activity_named(read["activity_id"], read["activity_type"], self._task_queue, local=True)

    def _child(self, told: Any) -> SerializationContext:
        return self._workflow(told.workflow_id).stored_under(
            StorageDriverWorkflowInfo(
                namespace=self._namespace, id=told.workflow_id, type=told.workflow_type.name
            )
        )

    def _end(self, told: Any) -> SerializationContext:
        return self._result

    def _target(self, told: Any) -> SerializationContext:
        named = told.execution if "execution" in told.DESCRIPTOR.fields_by_name else told.workflow_execution
        return self._workflow(named.workflow_id)

    def _operation(self, told: Any) -> SerializationContext:
        return NexusSerializationContext(
            endpoint=told.endpoint, service=told.service, operation=told.operation
        ).stored_under(self._own.storage_target)

    def _workflow(self, workflow_id: str) -> SerializationContext:
        return WorkflowSerializationContext(namespace=self._namespace, workflow_id=workflow_id)


_Find = Callable[[Contexts, Any], SerializationContext]

_ANSWERS = frozenset(
    {
        "RespondQueryTaskCompletedRequest",
        "RespondWorkflowTaskCompletedRequest",
        "RespondWorkflowTaskFailedRequest",
    }
)
_COMMANDS: dict[str | None, _Find] = {
    "complete_workflow_execution_command_attributes": Contexts._end,
    "fail_workflow_execution_command_attributes": Contexts._end,
    "cancel_workflow_execution_command_attributes": Contexts._end,
    "schedule_activity_task_command_attributes": Contexts._activity,
    "record_marker_command_attributes": Contexts._marker,
    "start_child_workflow_execution_command_attributes": Contexts._child,
    "signal_external_workflow_execution_command_attributes": Contexts._target,
    "schedule_nexus_operation_command_attributes": Contexts._operation,
}
_BEGINNINGS: dict[str, _Find] = {
    "activity_task_scheduled_event_attributes": Contexts._activity,
    "marker_recorded_event_attributes": Contexts._marker,
    "start_child_workflow_execution_initiated_event_attributes": Contexts._child,
    "signal_external_workflow_execution_initiated_event_attributes": Contexts._target,
    "nexus_operation_scheduled_event_attributes": Contexts._operation,
}
_CHILDREN = frozenset(
    f"child_workflow_execution_{word}_event_attributes" for word in ("completed", "failed", "canceled")
)
_CONTINUED = frozenset(
    {f"activity_task_{word}_event_attributes" for word in ("completed", "failed", "timed_out", "canceled")}
    | {
        f"nexus_operation_{word}_event_attributes"
        for word in ("completed", "failed", "canceled", "timed_out")
    }
)
