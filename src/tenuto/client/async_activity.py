"""A handle to an activity that is finished from elsewhere, by its task token or by its ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tenuto.client.inputs import (
    NO_METADATA,
    CompleteAsyncActivityInput,
    FailAsyncActivityInput,
    HeartbeatAsyncActivityInput,
    ReportCancellationAsyncActivityInput,
    RPCMetadata,
)
from tenuto.common import UNSET
from tenuto.converter import DataConverter, SerializationContext, WithSerializationContext

if TYPE_CHECKING:
    from typing import Self

    from tenuto.client.core import ClientCore


@dataclass(frozen=True)
class AsyncActivityIDReference:
    """An activity by its ids; ``workflow_id`` None: a standalone activity."""

    workflow_id: str | None
    run_id: str | None
    activity_id: str


class AsyncActivityHandle(WithSerializationContext):
    """One activity whose function said `tenuto.activity.raise_complete_async`. Made by
    `Client.get_async_activity_handle`.

    Every method raises `RPCError`, with status NOT_FOUND when the activity is over or was never started.
    """

    def __init__(
        self,
        client: ClientCore,
        id_or_token: AsyncActivityIDReference | bytes,
        data_converter_override: DataConverter | None = None,
    ) -> None:
        self._client = client
        self._id_or_token = id_or_token
        self._data_converter_override = data_converter_override

    async def heartbeat(
        self, *details: Any, rpc_metadata: RPCMetadata = NO_METADATA, rpc_timeout: timedelta | None = None
    ) -> None:
        """Say that the activity lives, with ``details`` for the next attempt. Raises `AsyncActivityCancelledError`."""
        await self._client._impl.heartbeat_async_activity(
            HeartbeatAsyncActivityInput(
                id_or_token=self._id_or_token,
                details=details,
                rpc_metadata=rpc_metadata,
                rpc_timeout=rpc_timeout,
                data_converter_override=self._data_converter_override,
            )
        )

    async def complete(
        self,
        result: Any = UNSET,
        *,
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> None:
        """The activity is done; its caller gets ``result``."""
        await self._client._impl.complete_async_activity(
            CompleteAsyncActivityInput(
                id_or_token=self._id_or_token,
                result=result,
                rpc_metadata=rpc_metadata,
                rpc_timeout=rpc_timeout,
                data_converter_override=self._data_converter_override,
            )
        )

    async def fail(
        self,
        error: Exception,
        *,
        last_heartbeat_details: Sequence[Any] = (),
        rpc_metadata: RPCMetadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> None:
        """This attempt failed; whether there is another is the retry policy's."""
        await self._client._impl.fail_async_activity(
            FailAsyncActivityInput(
                id_or_token=self._id_or_token,
                error=error,
                last_heartbeat_details=last_heartbeat_details,
                rpc_metadata=rpc_metadata,
                rpc_timeout=rpc_timeout,
                data_converter_override=self._data_converter_override,
            )
        )

    async def report_cancellation(
        self, *details: Any, rpc_metadata: RPCMetadata = NO_METADATA, rpc_timeout: timedelta | None = None
    ) -> None:
        """The activity stopped because it was asked to."""
        await self._client._impl.report_cancellation_async_activity(
            ReportCancellationAsyncActivityInput(
                id_or_token=self._id_or_token,
                details=details,
                rpc_metadata=rpc_metadata,
                rpc_timeout=rpc_timeout,
                data_converter_override=self._data_converter_override,
            )
        )

    def with_context(self, context: SerializationContext) -> Self:
        """The same handle, its values converted in this context. Raises TypeError for a subclass that is made in another way
        and does not say here how."""
        base = self._data_converter_override or self._client.data_converter
        converter = base.with_context(context)
        if converter is base:
            return self
        kind = type(self)
        if kind.__init__ is not AsyncActivityHandle.__init__:
            raise TypeError(
                f"{kind.__name__} has a constructor of its own:"
                " you must override with_context to return an instance of your class"
            )
        return kind(self._client, self._id_or_token, converter)
