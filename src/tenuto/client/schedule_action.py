"""What a schedule does each time: start a workflow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Concatenate, TypedDict, Unpack, overload

from tenuto import ambient
from tenuto.client import encoding, naming
from tenuto.client.callables import (
    FirstType,
    MethodAsyncNoParam,
    MethodAsyncSingleParam,
    MultiParamSpec,
    ParamType,
    ReturnType,
    SelfType,
    Values,
)
from tenuto.client.encoding import duration_proto, length
from tenuto.common import (
    UNSET,
    Duration,
    Priority,
    RetryPolicy,
    SearchAttributes,
    TypedSearchAttributes,
    as_timedelta,
    merged_args,
)
from tenuto.converter import DataConverter, decode_search_attributes, decode_typed_search_attributes
from tenuto.wire import common, schedule, taskqueue
from tenuto.wire import workflow as workflow_protos

if TYPE_CHECKING:
    from tenuto.client.core import ClientCore
    from tenuto.workflow.function import FunctionWorkflow


NO_ATTRIBUTES: SearchAttributes = MappingProxyType({})


class ScheduleAction(ABC):
    """What a schedule does each time."""

    @staticmethod
    def _from_proto(action: schedule.ScheduleAction) -> ScheduleAction:
        if action.HasField("start_workflow"):
            return ScheduleActionStartWorkflow._from_info(action.start_workflow)
        raise ValueError(f"Unsupported action: {action.WhichOneof('action')}")

    @abstractmethod
    async def _to_proto(self, client: ClientCore) -> schedule.ScheduleAction: ...


class ScheduledStartOptions(TypedDict, total=False):
    """Options of `ScheduleActionStartWorkflow`; they mean what they mean for `Client.start_workflow`."""

    id: str | None
    task_queue: str | None
    execution_timeout: Duration | None
    run_timeout: Duration | None
    task_timeout: Duration | None
    retry_policy: RetryPolicy | None
    memo: Mapping[str, Any] | None
    typed_search_attributes: TypedSearchAttributes
    untyped_search_attributes: SearchAttributes
    static_summary: str | None
    static_details: str | None
    headers: Mapping[str, common.Payload] | None
    priority: Priority


class _SentHeaders(dict[str, common.Payload]):
    """Headers as the service has them: they go back as they are."""


@dataclass(init=False)
class ScheduleActionStartWorkflow(ScheduleAction):
    """Starts a workflow. The service adds the instant to ``id``.

    One that was read from the service carries its arguments, memo, summary and details as payloads, and gives them back
    as they are.
    """

    workflow: str
    args: Sequence[Any] | Sequence[common.Payload]
    id: str
    task_queue: str
    execution_timeout: timedelta | None
    run_timeout: timedelta | None
    task_timeout: timedelta | None
    retry_policy: RetryPolicy | None
    memo: Mapping[str, Any] | Mapping[str, common.Payload] | None
    typed_search_attributes: TypedSearchAttributes
    untyped_search_attributes: SearchAttributes
    static_summary: str | common.Payload | None
    static_details: str | common.Payload | None
    priority: Priority
    headers: Mapping[str, common.Payload] | None

    @overload
    def __init__(
        self,
        workflow: FunctionWorkflow[..., Any],
        arg: Any = ...,
        *more: Any,
        args: Sequence[Any] = ...,
        **options: Unpack[ScheduledStartOptions],
    ) -> None: ...
    @overload
    def __init__(
        self, workflow: MethodAsyncNoParam[SelfType, ReturnType], **options: Unpack[ScheduledStartOptions]
    ) -> None: ...
    @overload
    def __init__(
        self,
        workflow: MethodAsyncSingleParam[SelfType, ParamType, ReturnType],
        arg: ParamType,
        **options: Unpack[ScheduledStartOptions],
    ) -> None: ...
    @overload
    def __init__(
        self,
        workflow: Callable[[SelfType, FirstType, Unpack[Values]], Awaitable[ReturnType]],
        arg: FirstType,
        *more: *Values,
        **options: Unpack[ScheduledStartOptions],
    ) -> None: ...
    @overload
    def __init__(
        self,
        workflow: Callable[Concatenate[SelfType, MultiParamSpec], Awaitable[ReturnType]],
        *,
        args: Sequence[Any],
        **options: Unpack[ScheduledStartOptions],
    ) -> None: ...
    @overload
    def __init__(
        self,
        workflow: str,
        arg: Any = ...,
        *more: Any,
        args: Sequence[Any] = ...,
        **options: Unpack[ScheduledStartOptions],
    ) -> None: ...
    def __init__(  # type: ignore[misc]
        self,
        workflow: str | Callable[..., Awaitable[Any]],
        arg: Any = UNSET,
        *more: Any,
        args: Sequence[Any] = (),
        id: str | None = None,
        task_queue: str | None = None,
        execution_timeout: Duration | None = None,
        run_timeout: Duration | None = None,
        task_timeout: Duration | None = None,
        retry_policy: RetryPolicy | None = None,
        memo: Mapping[str, Any] | None = None,
        typed_search_attributes: TypedSearchAttributes = TypedSearchAttributes.empty,
        untyped_search_attributes: SearchAttributes = NO_ATTRIBUTES,
        static_summary: str | None = None,
        static_details: str | None = None,
        headers: Mapping[str, common.Payload] | None = None,
        raw_info: workflow_protos.NewWorkflowExecutionInfo | None = None,
        priority: Priority = Priority.default,
    ) -> None:
        if raw_info is not None:
            self._read(raw_info)
            return
        named = naming.workflow_named(workflow)
        self.workflow = named.name
        self.args = merged_args(arg, more, args)
        self.id = id or f"{named.name}-{ambient.new_id()}"
        self.task_queue = task_queue or named.task_queue or ""
        self.execution_timeout = as_timedelta(execution_timeout)
        self.run_timeout = as_timedelta(run_timeout)
        self.task_timeout = as_timedelta(task_timeout)
        self.retry_policy = retry_policy
        self.memo = memo
        self.typed_search_attributes = typed_search_attributes
        self.untyped_search_attributes = untyped_search_attributes
        self.static_summary = static_summary
        self.static_details = static_details
        self.headers = headers
        self.priority = priority

    @staticmethod
    def _from_info(info: workflow_protos.NewWorkflowExecutionInfo) -> ScheduleActionStartWorkflow:
        made = ScheduleActionStartWorkflow.__new__(ScheduleActionStartWorkflow)
        made._read(info)
        return made

    def _read(self, info: workflow_protos.NewWorkflowExecutionInfo) -> None:
        """Take everything from ``info``, payloads as they are."""
        self.workflow = info.workflow_type.name
        self.args = list(info.input.payloads)
        self.id = info.workflow_id
        self.task_queue = info.task_queue.name
        self.execution_timeout = length(info, "workflow_execution_timeout")
        self.run_timeout = length(info, "workflow_run_timeout")
        self.task_timeout = length(info, "workflow_task_timeout")
        self.retry_policy = (
            RetryPolicy.from_proto(info.retry_policy) if info.HasField("retry_policy") else None
        )
        self.memo = dict(info.memo.fields) if info.memo.fields else None
        self.typed_search_attributes = decode_typed_search_attributes(info.search_attributes)
        typed = {pair.key.name for pair in self.typed_search_attributes}
        every = decode_search_attributes(info.search_attributes)
        self.untyped_search_attributes = {name: value for name, value in every.items() if name not in typed}
        metadata = info.user_metadata
        self.static_summary = metadata.summary if metadata.HasField("summary") else None
        self.static_details = metadata.details if metadata.HasField("details") else None
        self.headers = _SentHeaders(info.header.fields) or None
        self.priority = Priority.from_proto(info.priority)

    async def _to_proto(self, client: ClientCore) -> schedule.ScheduleAction:
        converter = encoding.for_workflow(client, self.id, self.workflow)
        info = workflow_protos.NewWorkflowExecutionInfo(
            workflow_id=self.id,
            workflow_type=common.WorkflowType(name=self.workflow),
            task_queue=taskqueue.TaskQueue(name=client._task_queue(self.task_queue)),
            input=await self._encoded_args(converter),
            workflow_execution_timeout=duration_proto(self.execution_timeout),
            workflow_run_timeout=duration_proto(self.run_timeout),
            workflow_task_timeout=duration_proto(self.task_timeout),
            retry_policy=encoding.retry_policy_proto(self.retry_policy),
            memo=await self._encoded_memo(converter),
            user_metadata=await encoding.user_metadata(converter, self.static_summary, self.static_details),
            priority=encoding.priority_proto(self.priority),
        )
        for attributes in (self.untyped_search_attributes, self.typed_search_attributes):
            made = encoding.search_attributes_proto(attributes)
            if made is not None:
                info.search_attributes.MergeFrom(made)
        if isinstance(self.headers, _SentHeaders):
            info.header.CopyFrom(common.Header(fields=self.headers))
        elif self.headers:
            header = await encoding.headers_proto(client, self.headers)
            if header is not None:
                info.header.CopyFrom(header)
        return schedule.ScheduleAction(start_workflow=info)

    async def _encoded_args(self, converter: DataConverter) -> common.Payloads | None:
        if not any(isinstance(arg, common.Payload) for arg in self.args):
            return await encoding.payloads(converter, self.args)
        ready = [
            arg if isinstance(arg, common.Payload) else await encoding.payload(converter, arg)
            for arg in self.args
        ]
        return common.Payloads(payloads=ready) if ready else None

    async def _encoded_memo(self, converter: DataConverter) -> common.Memo | None:
        if self.memo is None:
            return None
        made = common.Memo()
        for key, value in self.memo.items():
            raw = value if isinstance(value, common.Payload) else await encoding.payload(converter, value)
            made.fields[key].CopyFrom(raw)
        return made
