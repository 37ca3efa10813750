"""Standalone activities as lists, counts and descriptions show them, and their options as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from tenuto.client.encoding import error_of, first_value, instant, length
from tenuto.client.listing import group_values
from tenuto.client.paging import Pages
from tenuto.common import Priority, RetryPolicy, TypedSearchAttributes, WorkerDeploymentVersion
from tenuto.converter import DataConverter, decode_typed_search_attributes
from tenuto.wire import activity, common
from tenuto.wire import workflowservice as ws

if TYPE_CHECKING:
    from tenuto.client.core import ClientCore
    from tenuto.client.inputs_more import ListActivitiesInput

OptionT = TypeVar("OptionT")


class ActivityExecutionStatus(IntEnum):
    """Whether an activity is open, or how it closed."""

    UNSPECIFIED = 0
    RUNNING = 1
    COMPLETED = 2
    FAILED = 3
    CANCELED = 4
    TERMINATED = 5
    TIMED_OUT = 6
    PAUSED = 7


class PendingActivityState(IntEnum):
    """What an open activity is doing."""

    UNSPECIFIED = 0
    SCHEDULED = 1
    STARTED = 2
    CANCEL_REQUESTED = 3
    PAUSED = 4
    PAUSE_REQUESTED = 5


@dataclass(frozen=True)
class ActivityOptionsKey(Generic[OptionT]):
    """An option that can be changed; the keys are in `ActivityOptionsKeys`."""

    name: str

    def value_set(self, value: OptionT) -> ActivityOptionsUpdate[OptionT]:
        """Give it this value."""
        return ActivityOptionsUpdate(self, value)

    def value_unset(self) -> ActivityOptionsUpdate[OptionT]:
        """Give it none."""
        return ActivityOptionsUpdate(self, None)


@dataclass(frozen=True)
class ActivityOptionsUpdate(Generic[OptionT]):
    """A change of one option. ``value`` None: unset."""

    key: ActivityOptionsKey[OptionT]
    value: OptionT | None


class ActivityOptionsKeys:
    """Every option that can be changed."""

    task_queue: ClassVar[ActivityOptionsKey[str]] = ActivityOptionsKey("task_queue")
    schedule_to_close_timeout: ClassVar[ActivityOptionsKey[timedelta]] = ActivityOptionsKey(
        "schedule_to_close_timeout"
    )
    schedule_to_start_timeout: ClassVar[ActivityOptionsKey[timedelta]] = ActivityOptionsKey(
        "schedule_to_start_timeout"
    )
    start_to_close_timeout: ClassVar[ActivityOptionsKey[timedelta]] = ActivityOptionsKey(
        "start_to_close_timeout"
    )
    heartbeat_timeout: ClassVar[ActivityOptionsKey[timedelta]] = ActivityOptionsKey("heartbeat_timeout")
    start_delay: ClassVar[ActivityOptionsKey[timedelta]] = ActivityOptionsKey("start_delay")
    retry_policy: ClassVar[ActivityOptionsKey[RetryPolicy]] = ActivityOptionsKey("retry_policy")
    priority: ClassVar[ActivityOptionsKey[Priority]] = ActivityOptionsKey("priority")


@dataclass(frozen=True)
class ActivityExecutionOptions:
    """An activity's options as they are."""

    task_queue: str | None
    schedule_to_close_timeout: timedelta | None
    schedule_to_start_timeout: timedelta | None
    start_to_close_timeout: timedelta | None
    heartbeat_timeout: timedelta | None
    start_delay: timedelta | None
    retry_policy: RetryPolicy | None
    priority: Priority | None


def options_of(proto: activity.ActivityOptions) -> ActivityExecutionOptions:
    """An answer's options, read."""
    return ActivityExecutionOptions(
        task_queue=proto.task_queue.name or None,
        schedule_to_close_timeout=length(proto, "schedule_to_close_timeout"),
        schedule_to_start_timeout=length(proto, "schedule_to_start_timeout"),
        start_to_close_timeout=length(proto, "start_to_close_timeout"),
        heartbeat_timeout=length(proto, "heartbeat_timeout"),
        start_delay=length(proto, "start_delay"),
        retry_policy=RetryPolicy.from_proto(proto.retry_policy) if proto.HasField("retry_policy") else None,
        priority=Priority.from_proto(proto.priority) if proto.HasField("priority") else None,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class ActivityExecution:
    """A standalone activity as a list shows it. Instants are aware UTC datetimes."""

    activity_id: str
    activity_run_id: str | None
    activity_type: str
    close_time: datetime | None
    execution_duration: timedelta | None
    execution_time: datetime | None
    namespace: str
    schedule_time: datetime
    status: ActivityExecutionStatus
    task_queue: str
    typed_search_attributes: TypedSearchAttributes
    raw_info: activity.ActivityExecutionListInfo | activity.ActivityExecutionInfo = field(repr=False)


def _shared(
    info: activity.ActivityExecutionListInfo | activity.ActivityExecutionInfo, namespace: str
) -> dict[str, Any]:
    return {
        "activity_id": info.activity_id,
        "activity_run_id": info.run_id or None,
        "activity_type": info.activity_type.name,
        "close_time": instant(info, "close_time"),
        "execution_duration": length(info, "execution_duration"),
        "execution_time": instant(info, "execution_time"),
        "namespace": namespace,
        "schedule_time": instant(info, "schedule_time"),
        "status": ActivityExecutionStatus(info.status),
        "task_queue": info.task_queue,
        "typed_search_attributes": decode_typed_search_attributes(info.search_attributes),
        "raw_info": info,
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class ActivityExecutionDescription(ActivityExecution):
    """A standalone activity as `ActivityHandle.describe` shows it."""

    raw_info: activity.ActivityExecutionInfo = field(repr=False)
    attempt: int
    canceled_reason: str | None
    current_retry_interval: timedelta | None
    expiration_time: datetime | None
    heartbeat_timeout: timedelta | None
    last_attempt_complete_time: datetime | None
    last_deployment_version: WorkerDeploymentVersion | None
    last_heartbeat_time: datetime | None
    last_started_time: datetime | None
    last_worker_identity: str | None
    next_attempt_schedule_time: datetime | None
    priority: Priority
    retry_policy: RetryPolicy | None
    run_state: PendingActivityState | None
    schedule_to_close_timeout: timedelta | None
    schedule_to_start_timeout: timedelta | None
    start_to_close_timeout: timedelta | None
    start_delay: timedelta | None
    total_heartbeat_count: int
    raw_callbacks: Sequence[activity.CallbackInfo] = field(repr=False)
    raw_input: common.Payloads | None = field(repr=False)
    raw_outcome: activity.ActivityExecutionOutcome | None = field(repr=False)
    data_converter: DataConverter = field(repr=False)

    def has_heartbeat_details(self) -> bool:
        """Whether the answer holds them."""
        return self.raw_info.HasField("heartbeat_details")

    async def heartbeat_details(self, type_hints: list[type] | None = None) -> list[Any] | None:
        """What the last heartbeat carried."""
        if not self.has_heartbeat_details():
            return None
        return await self.data_converter.decode(self.raw_info.heartbeat_details.payloads, type_hints)

    def has_last_failure(self) -> bool:
        """Whether the answer holds it."""
        return self.raw_info.HasField("last_failure")

    async def last_failure(self) -> BaseException | None:
        """Why the last attempt failed."""
        if not self.has_last_failure():
            return None
        return await error_of(self.data_converter, self.raw_info.last_failure)

    def has_input(self) -> bool:
        """Whether the answer holds it."""
        return self.raw_input is not None

    async def input(self, type_hints: list[type] | None = None) -> list[Any] | None:
        """The arguments."""
        if self.raw_input is None:
            return None
        return await self.data_converter.decode(self.raw_input.payloads, type_hints)

    def has_result(self) -> bool:
        """Whether the answer holds it."""
        return self.raw_outcome is not None and self.raw_outcome.HasField("result")

    async def result(self, type_hint: type | None = None) -> Any | None:
        """What it returned."""
        if self.raw_outcome is None or not self.raw_outcome.HasField("result"):
            return None
        return await first_value(self.data_converter, self.raw_outcome.result.payloads, type_hint)

    def has_outcome_failure(self) -> bool:
        """Whether the answer holds it."""
        return self.raw_outcome is not None and self.raw_outcome.HasField("failure")

    async def outcome_failure(self) -> BaseException | None:
        """Why it closed without a result."""
        if self.raw_outcome is None or not self.raw_outcome.HasField("failure"):
            return None
        return await error_of(self.data_converter, self.raw_outcome.failure)


def activity_description_of(
    answer: ws.DescribeActivityExecutionResponse, namespace: str, converter: DataConverter
) -> ActivityExecutionDescription:
    """An answer to a describe, read."""
    info = answer.info
    version = info.last_deployment_version
    return ActivityExecutionDescription(
        **_shared(info, namespace),
        attempt=info.attempt,
        canceled_reason=info.canceled_reason or None,
        current_retry_interval=length(info, "current_retry_interval"),
        expiration_time=instant(info, "expiration_time"),
        heartbeat_timeout=length(info, "heartbeat_timeout"),
        last_attempt_complete_time=instant(info, "last_attempt_complete_time"),
        last_deployment_version=WorkerDeploymentVersion.from_proto(version)
        if info.HasField("last_deployment_version")
        else None,
        last_heartbeat_time=instant(info, "last_heartbeat_time"),
        last_started_time=instant(info, "last_started_time"),
        last_worker_identity=info.last_worker_identity or None,
        next_attempt_schedule_time=instant(info, "next_attempt_schedule_time"),
        priority=Priority.from_proto(info.priority),
        retry_policy=RetryPolicy.from_proto(info.retry_policy) if info.HasField("retry_policy") else None,
        run_state=PendingActivityState(info.run_state) if info.run_state else None,
        schedule_to_close_timeout=length(info, "schedule_to_close_timeout"),
        schedule_to_start_timeout=length(info, "schedule_to_start_timeout"),
        start_to_close_timeout=length(info, "start_to_close_timeout"),
        start_delay=length(info, "start_delay"),
        total_heartbeat_count=info.total_heartbeat_count,
        raw_callbacks=list(answer.callbacks),
        raw_input=answer.input if answer.HasField("input") else None,
        raw_outcome=answer.outcome if answer.HasField("outcome") else None,
        data_converter=converter,
    )


@dataclass(frozen=True)
class ActivityExecutionCountAggregationGroup:
    """How many have these values, in the order of the query's GROUP BY."""

    count: int
    group_values: Sequence[Any]


@dataclass(frozen=True)
class ActivityExecutionCount:
    """How many activities match; ``groups`` is empty unless the query says GROUP BY."""

    count: int
    groups: Sequence[ActivityExecutionCountAggregationGroup]


def activity_count_of(answer: ws.CountActivityExecutionsResponse) -> ActivityExecutionCount:
    """An answer to a count, read."""
    return ActivityExecutionCount(
        answer.count,
        [
            ActivityExecutionCountAggregationGroup(group.count, group_values(group.group_values))
            for group in answer.groups
        ],
    )


class ActivityExecutionAsyncIterator(Pages[ActivityExecution]):
    """The standalone activities that match a query."""

    def __init__(self, client: ClientCore, input: ListActivitiesInput) -> None:
        super().__init__(input.page_size, input.next_page_token, input.limit)
        self._client = client
        self._input = input

    async def _fetch(
        self, page_size: int | None, token: bytes | None
    ) -> tuple[Sequence[ActivityExecution], bytes | None]:
        answer = await self._client._call(
            "ListActivityExecutions",
            ws.ListActivityExecutionsRequest(
                namespace=self._client.namespace,
                page_size=page_size or 0,
                next_page_token=token or b"",
                query=self._input.query or "",
            ),
            ws.ListActivityExecutionsResponse,
            self._input,
        )
        rows = [ActivityExecution(**_shared(row, self._client.namespace)) for row in answer.executions]
        return rows, answer.next_page_token
