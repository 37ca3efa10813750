"""The part of a client that starts activities without a workflow, and finds them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, Unpack, overload

from tenuto import ambient
from tenuto.client import naming
from tenuto.client.activity import ActivityHandle
from tenuto.client.activity_views import ActivityExecutionAsyncIterator, ActivityExecutionCount
from tenuto.client.callables import (
    CallableAsyncNoParam,
    CallableAsyncSingleParam,
    CallableSyncNoParam,
    CallableSyncSingleParam,
    FirstType,
    ParamType,
    ReturnType,
    StartActivityOptions,
    Values,
)
from tenuto.client.core import ClientCore
from tenuto.client.inputs import NO_METADATA, RPCMetadata
from tenuto.client.inputs_more import CountActivitiesInput, ListActivitiesInput, StartActivityInput
from tenuto.common import (
    UNSET,
    ActivityIDConflictPolicy,
    ActivityIDReusePolicy,
    Priority,
    as_timedelta,
    merged_args,
)

_SAID = (
    "task_queue",
    "schedule_to_close_timeout",
    "schedule_to_start_timeout",
    "start_to_close_timeout",
    "heartbeat_timeout",
    "retry_policy",
    "summary",
    "priority",
)
"""What a definition's options say for a start too."""


class ActivityStarts(ClientCore):
    """Starts standalone activities, and makes handles to them."""

    @overload
    async def start_activity(
        self,
        activity: CallableAsyncNoParam[ReturnType],
        **options: Unpack[StartActivityOptions],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    async def start_activity(
        self,
        activity: CallableAsyncSingleParam[ParamType, ReturnType],
        arg: ParamType,
        **options: Unpack[StartActivityOptions],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    async def start_activity(
        self,
        activity: CallableSyncNoParam[ReturnType],
        **options: Unpack[StartActivityOptions],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    async def start_activity(
        self,
        activity: CallableSyncSingleParam[ParamType, ReturnType],
        arg: ParamType,
        **options: Unpack[StartActivityOptions],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    async def start_activity(
        self,
        activity: Callable[[FirstType, Unpack[Values]], Awaitable[ReturnType]],
        arg: FirstType,
        *more: *Values,
        **options: Unpack[StartActivityOptions],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    async def start_activity(
        self,
        activity: Callable[[FirstType, Unpack[Values]], ReturnType],
        arg: FirstType,
        *more: *Values,
        **options: Unpack[StartActivityOptions],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    async def start_activity(
        self,
        activity: Callable[..., Awaitable[ReturnType]],
        *,
        args: Sequence[Any],
        **options: Unpack[StartActivityOptions],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    async def start_activity(
        self,
        activity: Callable[..., ReturnType],
        *,
        args: Sequence[Any],
        **options: Unpack[StartActivityOptions],
    ) -> ActivityHandle[ReturnType]: ...
    @overload
    async def start_activity(
        self,
        activity: str,
        arg: Any = ...,
        *more: Any,
        args: Sequence[Any] = ...,
        **options: Unpack[StartActivityOptions],
    ) -> ActivityHandle[Any]: ...
    async def start_activity(  # type: ignore[misc]
        self,
        activity: str | Callable[..., Any],
        arg: Any = UNSET,
        *more: Any,
        args: Sequence[Any] = (),
        **options: Unpack[StartActivityOptions],
    ) -> ActivityHandle[Any]:
        """Start an activity without a workflow, and return a handle once its start is durable.

        Arguments one by one, or as ``args``. ``start_to_close_timeout`` or ``schedule_to_close_timeout`` is needed, unless
        the activity's definition says one. ``id`` None: the type and a random UUID. Raises `ActivityAlreadyStartedError`,
        `RPCError`.
        """
        return await self._start_activity(activity, arg, more, args, options)

    @overload
    async def execute_activity(
        self,
        activity: CallableAsyncNoParam[ReturnType],
        **options: Unpack[StartActivityOptions],
    ) -> ReturnType: ...
    @overload
    async def execute_activity(
        self,
        activity: CallableAsyncSingleParam[ParamType, ReturnType],
        arg: ParamType,
        **options: Unpack[StartActivityOptions],
    ) -> ReturnType: ...
    @overload
    async def execute_activity(
        self,
        activity: CallableSyncNoParam[ReturnType],
        **options: Unpack[StartActivityOptions],
    ) -> ReturnType: ...
    @overload
    async def execute_activity(
        self,
        activity: CallableSyncSingleParam[ParamType, ReturnType],
        arg: ParamType,
        **options: Unpack[StartActivityOptions],
    ) -> ReturnType: ...
    @overload
    async def execute_activity(
        self,
        activity: Callable[[FirstType, Unpack[Values]], Awaitable[ReturnType]],
        arg: FirstType,
        *more: *Values,
        **options: Unpack[StartActivityOptions],
    ) -> ReturnType: ...
    @overload
    async def execute_activity(
        self,
        activity: Callable[[FirstType, Unpack[Values]], ReturnType],
        arg: FirstType,
        *more: *Values,
        **options: Unpack[StartActivityOptions],
    ) -> ReturnType: ...
    @overload
    async def execute_activity(
        self,
        activity: Callable[..., Awaitable[ReturnType]],
        *,
        args: Sequence[Any],
        **options: Unpack[StartActivityOptions],
    ) -> ReturnType: ...
    @overload
    async def execute_activity(
        self,
        activity: Callable[..., ReturnType],
        *,
        args: Sequence[Any],
        **options: Unpack[StartActivityOptions],
    ) -> ReturnType: ...
    @overload
    async def execute_activity(
        self,
        activity: str,
        arg: Any = ...,
        *more: Any,
        args: Sequence[Any] = ...,
        **options: Unpack[StartActivityOptions],
    ) -> Any: ...
    async def execute_activity(  # type: ignore[misc]
        self,
        activity: str | Callable[..., Any],
        arg: Any = UNSET,
        *more: Any,
        args: Sequence[Any] = (),
        **options: Unpack[StartActivityOptions],
    ) -> Any:
        """Start an activity without a workflow, wait until it closes, and return what it returned.

        Options are those of `start_activity`. Raises `ActivityFailureError` too.
        """
        return await self._execute_activity(activity, arg, more, args, options)

    async def start_activity_class(
        self,
        activity: type[Callable[..., Any]],
        arg: Any = UNSET,
        *more: Any,
        args: Sequence[Any] = (),
        **options: Unpack[StartActivityOptions],
    ) -> ActivityHandle[Any]:
        """Like `start_activity`, for a callable class."""
        return await self._start_activity(activity, arg, more, args, options)

    async def execute_activity_class(
        self,
        activity: type[Callable[..., Any]],
        arg: Any = UNSET,
        *more: Any,
        args: Sequence[Any] = (),
        **options: Unpack[StartActivityOptions],
    ) -> Any:
        """Like `execute_activity`, for a callable class."""
        return await self._execute_activity(activity, arg, more, args, options)

    async def start_activity_method(
        self,
        activity: Callable[..., Any],
        arg: Any = UNSET,
        *more: Any,
        args: Sequence[Any] = (),
        **options: Unpack[StartActivityOptions],
    ) -> ActivityHandle[Any]:
        """Like `start_activity`, for a method named by its class."""
        return await self._start_activity(activity, arg, more, args, options)

    async def execute_activity_method(
        self,
        activity: Callable[..., Any],
        arg: Any = UNSET,
        *more: Any,
        args: Sequence[Any] = (),
        **options: Unpack[StartActivityOptions],
    ) -> Any:
        """Like `execute_activity`, for a method named by its class."""
        return await self._execute_activity(activity, arg, more, args, options)

    async def _execute_activity(
        self, activity: Any, arg: Any, more: Sequence[Any], args: Sequence[Any], options: StartActivityOptions
    ) -> Any:
        handle = await self._start_activity(activity, arg, more, args, options)
        return await handle.result()

    async def _start_activity(
        self, activity: Any, arg: Any, more: Sequence[Any], args: Sequence[Any], options: StartActivityOptions
    ) -> ActivityHandle[Any]:
        named = naming.activity_named(activity)
        terms: dict[str, Any] = {}
        if named.options is not None:
            terms = {name: getattr(named.options, name) for name in _SAID}
        terms.update(options)
        return await self._impl.start_activity(
            _start_input(
                named.name,
                merged_args(arg, more, args),
                self._task_queue(terms.pop("task_queue", None)),
                terms.pop("result_type", None) or named.ret_type,
                **terms,
            )
        )

    def get_activity_handle(
        self, activity_id: str, *, run_id: str | None = None, result_type: type | None = None
    ) -> ActivityHandle[Any]:
        """A handle to a standalone activity by its id. Asks the service nothing."""
        return ActivityHandle(self, activity_id, run_id=run_id, result_type=result_type)

    def list_activities(
        self,
        query: str,
        *,
        limit: int | None = None,
        page_size: int = 1000,
        next_page_token: bytes | None = None,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> ActivityExecutionAsyncIterator:
        """The standalone activities that match ``query`` (empty: all), fetched while iterated with ``async for``."""
        return self._impl.list_activities(
            ListActivitiesInput(
                query=query,
                page_size=page_size,
                next_page_token=next_page_token,
                rpc_metadata=rpc_metadata,
                rpc_timeout=rpc_timeout,
                limit=limit,
            )
        )

    async def count_activities(
        self,
        query: str | None = None,
        *,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> ActivityExecutionCount:
        """How many standalone activities match ``query`` (None: all)."""
        return await self._impl.count_activities(
            CountActivitiesInput(query=query, rpc_metadata=rpc_metadata, rpc_timeout=rpc_timeout)
        )


def _start_input(
    activity_type: str,
    args: Sequence[Any],
    task_queue: str,
    ret_type: type | None,
    /,
    *,
    id: str | None = None,
    schedule_to_close_timeout: Any = None,
    schedule_to_start_timeout: Any = None,
    start_to_close_timeout: Any = None,
    heartbeat_timeout: Any = None,
    id_reuse_policy: ActivityIDReusePolicy = ActivityIDReusePolicy.ALLOW_DUPLICATE,
    id_conflict_policy: ActivityIDConflictPolicy = ActivityIDConflictPolicy.FAIL,
    retry_policy: Any = None,
    search_attributes: Any = None,
    summary: str | None = None,
    priority: Priority | None = None,
    start_delay: Any = None,
    rpc_metadata: RPCMetadata = NO_METADATA,
    rpc_timeout: timedelta | None = None,
) -> StartActivityInput:
    return StartActivityInput(
        activity_type=activity_type,
        args=args,
        id=id or f"{activity_type}-{ambient.new_id()}",
        task_queue=task_queue,
        result_type=ret_type,
        schedule_to_close_timeout=as_timedelta(schedule_to_close_timeout),
        start_to_close_timeout=as_timedelta(start_to_close_timeout),
        schedule_to_start_timeout=as_timedelta(schedule_to_start_timeout),
        heartbeat_timeout=as_timedelta(heartbeat_timeout),
        id_reuse_policy=id_reuse_policy,
        id_conflict_policy=id_conflict_policy,
        retry_policy=retry_policy,
        priority=priority or Priority.default,
        search_attributes=search_attributes,
        summary=summary,
        start_delay=as_timedelta(start_delay),
        headers={},
        rpc_metadata=rpc_metadata,
        rpc_timeout=rpc_timeout,
    )
