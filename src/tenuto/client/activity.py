"""A handle to one standalone activity: an activity without a workflow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, cast

from tenuto.client import encoding
from tenuto.client.activity_views import (
    ActivityExecutionDescription,
    ActivityExecutionOptions,
    ActivityOptionsUpdate,
)
from tenuto.client.callables import ReturnType
from tenuto.client.errors import ActivityFailureError
from tenuto.client.inputs import NO_METADATA, CallTerms, RPCMetadata
from tenuto.client.inputs_more import (
    CancelActivityInput,
    DescribeActivityInput,
    PauseActivityInput,
    TerminateActivityInput,
    UnpauseActivityInput,
    UpdateActivityOptionsInput,
)
from tenuto.common import Duration, as_timedelta
from tenuto.wire import workflowservice as ws

if TYPE_CHECKING:
    from tenuto.client.core import ClientCore


class ActivityHandle(Generic[ReturnType]):
    """One standalone activity, by id. Made by `Client.start_activity` and `Client.get_activity_handle`.

    Every method raises `tenuto.transport.errors.RPCError`, with status NOT_FOUND when there is no such activity.
    """

    def __init__(
        self, client: ClientCore, id: str, *, run_id: str | None = None, result_type: type | None = None
    ) -> None:
        self._client = client
        self._id = id
        self._run_id = run_id
        self._result_type = result_type

    def __repr__(self) -> str:
        return f"<ActivityHandle {self._id!r} run {self._run_id or 'current'}>"

    @property
    def id(self) -> str:
        """The activity's id."""
        return self._id

    @property
    def run_id(self) -> str | None:
        """The run meant; None: the current one."""
        return self._run_id

    async def result(
        self, *, rpc_metadata: RPCMetadata = NO_METADATA, rpc_timeout: timedelta | None = None
    ) -> ReturnType:
        """Wait until the activity closes, and return what it returned. Raises `ActivityFailureError`."""
        request = ws.PollActivityExecutionRequest(
            namespace=self._client.namespace, activity_id=self._id, run_id=self._run_id or ""
        )
        while True:
            answer = await self._client._call(
                "PollActivityExecution",
                request,
                ws.PollActivityExecutionResponse,
                CallTerms(rpc_metadata, rpc_timeout),
            )
            if answer.HasField("outcome"):
                break
        converter = encoding.for_activity(self._client, self._id)
        if answer.outcome.HasField("failure"):
            raise ActivityFailureError(cause=await encoding.error_of(converter, answer.outcome.failure))
        value = await encoding.first_value(converter, answer.outcome.result.payloads, self._result_type)
        return cast("ReturnType", value)

    async def cancel(
        self,
        *,
        reason: str | None = None,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> None:
        """Ask the activity to stop."""
        await self._client._impl.cancel_activity(
            CancelActivityInput(self._id, self._run_id, reason, rpc_metadata, rpc_timeout)
        )

    async def terminate(
        self,
        *,
        reason: str | None = None,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> None:
        """End the activity at once; a running attempt learns it from its next heartbeat."""
        await self._client._impl.terminate_activity(
            TerminateActivityInput(self._id, self._run_id, reason, rpc_metadata, rpc_timeout)
        )

    async def pause(
        self,
        *,
        reason: str | None = None,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> None:
        """Start no further attempt until `unpause`."""
        await self._client._impl.pause_activity(
            PauseActivityInput(self._id, self._run_id, reason, rpc_metadata, rpc_timeout)
        )

    async def unpause(
        self,
        *,
        reason: str | None = None,
        jitter: Duration | None = None,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> None:
        """Go on after `pause`, within a random delay up to ``jitter``."""
        await self._client._impl.unpause_activity(
            UnpauseActivityInput(
                self._id, self._run_id, reason, as_timedelta(jitter), rpc_metadata, rpc_timeout
            )
        )

    async def update_options(
        self,
        updates: Sequence[ActivityOptionsUpdate[Any]],
        *,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> ActivityExecutionOptions:
        """Change options; the others stay. Returns all of them. Raises ValueError when nothing is given."""
        if not updates:
            raise ValueError("At least one activity option update must be provided")
        return await self._client._impl.update_activity_options(
            UpdateActivityOptionsInput(self._id, self._run_id, updates, False, rpc_metadata, rpc_timeout)
        )

    async def restore_original_options(
        self, *, rpc_metadata: RPCMetadata = NO_METADATA, rpc_timeout: timedelta | None = None
    ) -> ActivityExecutionOptions:
        """Take back every change of options. Returns them."""
        return await self._client._impl.update_activity_options(
            UpdateActivityOptionsInput(self._id, self._run_id, [], True, rpc_metadata, rpc_timeout)
        )

    async def describe(
        self,
        *,
        include_input: bool = False,
        include_outcome: bool = False,
        include_heartbeat_details: bool = False,
        include_last_failure: bool = False,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> ActivityExecutionDescription:
        """How the activity stands; ``include_*`` ask for what may be large."""
        return await self._client._impl.describe_activity(
            DescribeActivityInput(
                self._id,
                self._run_id,
                include_input,
                include_outcome,
                include_heartbeat_details,
                include_last_failure,
                rpc_metadata,
                rpc_timeout,
            )
        )
