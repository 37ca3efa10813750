"""The seam between what workflow code calls and the run that answers: one abstract class, found on the running loop.

`tenuto.run` implements it; the functions of `tenuto.workflow` find it with `current` and pass on. This file must never
hold behaviour.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from asyncio import events
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from random import Random
from typing import TYPE_CHECKING, Any, NoReturn

from tenuto.exceptions import TemporalError

if TYPE_CHECKING:
    import uuid

    from tenuto.common import MetricMeter, SearchAttributeUpdate
    from tenuto.converter import PayloadConverter
    from tenuto.workflow.facts import Info, TaskFacts, UpdateInfo
    from tenuto.workflow.handles import ActivityHandle, ChildWorkflowHandle, NexusOperationHandle
    from tenuto.workflow.interception import (
        ContinueAsNewInput,
        SignalExternalWorkflowInput,
        StartActivityInput,
        StartChildWorkflowInput,
        StartLocalActivityInput,
        StartNexusOperationInput,
    )

current_update: ContextVar[UpdateInfo | None] = ContextVar("tenuto_update", default=None)
"""Set in the task of an update's handler, and so in every task that one makes."""
timer_summary: ContextVar[str | None] = ContextVar("tenuto_timer_summary", default=None)
"""What ``call_later`` writes beside the timer it starts."""


class NotInWorkflowError(TemporalError):
    """A function that is only for workflow code was called elsewhere."""


class Runtime(ABC):
    """What a run does for its workflow code. Every call happens inside a step of the run's loop.

    Names equal those of the functions in `tenuto.workflow`, where the behaviour is told.
    """

    @abstractmethod
    def info(self) -> Info:
        """For workflow code: interceptors are asked."""

    @abstractmethod
    def namespace(self) -> str:
        """The run's. No interceptor is asked."""

    @abstractmethod
    def task_facts(self) -> TaskFacts: ...
    @abstractmethod
    def instance(self) -> Any: ...
    @abstractmethod
    def time_ns(self) -> int: ...
    @abstractmethod
    def random(self) -> Random: ...
    @abstractmethod
    def new_random(self, name: str | None) -> Random: ...
    @abstractmethod
    def random_seed(self) -> int: ...
    @abstractmethod
    def on_random_seed(self, callback: Callable[[int], object]) -> None: ...
    @abstractmethod
    def uuid4(self) -> uuid.UUID: ...
    @abstractmethod
    def uuid7(self) -> uuid.UUID: ...
    @abstractmethod
    def patch(self, patch_id: str, deprecated: bool) -> bool: ...
    @abstractmethod
    async def sleep(self, seconds: float, summary: str | None) -> None: ...
    @abstractmethod
    async def wait_condition(
        self, predicate: Callable[[], bool], timeout: float | None, timeout_summary: str | None
    ) -> None: ...
    @abstractmethod
    def start_activity(self, asked: StartActivityInput) -> ActivityHandle[Any]:
        """Through the outbound interceptors."""

    @abstractmethod
    def start_local_activity(self, asked: StartLocalActivityInput) -> ActivityHandle[Any]: ...
    @abstractmethod
    async def start_child_workflow(self, asked: StartChildWorkflowInput) -> ChildWorkflowHandle[Any, Any]: ...
    def call_activity(
        self, activity: Any, options: Mapping[str, Any], args: Any, kwargs: Any
    ) -> Awaitable[Any]:
        """A durable call: ``await charge(card, total=5)``. ``options`` override those of the definition."""
        from tenuto.workflow.calls import call_activity

        return call_activity(self, activity, options, args, kwargs)

    def call_workflow(
        self, workflow: Any, options: Mapping[str, Any], args: Any, kwargs: Any
    ) -> Awaitable[Any]:
        """A child workflow as a call, for function workflows."""
        from tenuto.workflow.calls import call_workflow

        return call_workflow(self, workflow, options, args, kwargs)

    @abstractmethod
    async def signal_external_workflow(self, asked: SignalExternalWorkflowInput) -> None: ...
    @abstractmethod
    async def cancel_external_workflow(self, workflow_id: str, run_id: str | None, reason: str) -> None: ...
    @abstractmethod
    async def start_nexus_operation(self, asked: StartNexusOperationInput) -> NexusOperationHandle[Any]: ...
    @abstractmethod
    def continue_as_new(self, asked: ContinueAsNewInput) -> NoReturn: ...
    @abstractmethod
    def upsert_search_attributes(
        self, updates: Sequence[SearchAttributeUpdate[Any]] | Mapping[str, Sequence[Any]]
    ) -> None: ...
    @abstractmethod
    def upsert_memo(self, updates: Mapping[str, Any]) -> None: ...
    @abstractmethod
    def memo(self) -> Mapping[str, Any]: ...
    @abstractmethod
    def memo_value(self, key: str, default: Any, type_hint: type | None) -> Any:
        """``default`` may be `tenuto.common.UNSET`; then a missing key raises KeyError."""

    @abstractmethod
    def get_handler(self, kind: str, name: str | None) -> Callable[..., Any] | None:
        """``kind`` is "signal", "query" or "update"; a ``name`` of None is the dynamic handler."""

    @abstractmethod
    def set_handler(
        self,
        kind: str,
        name: str | None,
        handler: Callable[..., Any] | None,
        validator: Callable[..., Any] | None = None,
    ) -> None: ...
    @abstractmethod
    def all_handlers_finished(self) -> bool: ...
    @abstractmethod
    def has_last_completion_result(self) -> bool: ...
    @abstractmethod
    def last_completion_result(self, type_hint: type | None) -> Any: ...
    @abstractmethod
    def last_failure(self) -> BaseException | None: ...
    @abstractmethod
    def current_details(self) -> str: ...
    @abstractmethod
    def set_current_details(self, text: str) -> None: ...
    @abstractmethod
    def cancellation_reason(self) -> str | None: ...
    @abstractmethod
    def is_failure_exception(self, error: BaseException) -> bool: ...
    @abstractmethod
    def payload_converter(self) -> PayloadConverter: ...
    @abstractmethod
    def metric_meter(self) -> MetricMeter: ...
    @abstractmethod
    def extern_functions(self) -> Mapping[str, Callable[..., Any]]: ...
    @abstractmethod
    def is_replaying(self) -> bool: ...
    @abstractmethod
    def is_replaying_history_events(self) -> bool: ...
    @abstractmethod
    def is_read_only(self) -> bool: ...
    @abstractmethod
    def assert_not_read_only(self, doing: str) -> None:
        """Raises `ReadOnlyContextError` while a query or a validator runs."""

    @abstractmethod
    def unguarded(self) -> AbstractContextManager[None]:
        """While it is open the determinism guard looks away."""


def find() -> Runtime | None:
    """The run whose code is running now, if any. Costs some tens of nanoseconds."""
    loop = events._get_running_loop()
    return getattr(loop, "tenuto_runtime", None) if loop is not None else None


def current() -> Runtime:
    """The run whose code is running now. Raises `NotInWorkflowError`."""
    runtime = find()
    if runtime is None:
        raise NotInWorkflowError("Not in workflow event loop")
    return runtime


def loop_of(runtime: Runtime) -> asyncio.AbstractEventLoop:
    """The loop that ``runtime`` drives: valid only while it is running."""
    loop = events._get_running_loop()
    assert loop is not None and getattr(loop, "tenuto_runtime", None) is runtime
    return loop
