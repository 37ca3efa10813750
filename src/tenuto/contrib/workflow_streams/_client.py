"""The other side: publishers and subscribers with a client, in activities, programs and web servers.

This file must never be imported by workflow code that runs: it waits on a network.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Self, TypeVar, cast, overload

from tenuto import activity
from tenuto.client import (
    Client,
    RPCError,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    WorkflowUpdateStage,
)
from tenuto.common import Duration
from tenuto.common.durations import as_timedelta
from tenuto.contrib.workflow_streams._outbox import Outbox
from tenuto.contrib.workflow_streams._topics import TopicHandle, Topics
from tenuto.contrib.workflow_streams._wire import (
    DRAINING,
    OFFSET,
    POLL,
    PUBLISH,
    TRUNCATED,
    PollInput,
    PollResult,
    PublishInput,
    WorkflowStreamItem,
    unpacked,
)
from tenuto.converter import DataConverter, PayloadConverter
from tenuto.wire import common

T = TypeVar("T")

CLOSED = (
    WorkflowExecutionStatus.COMPLETED,
    WorkflowExecutionStatus.FAILED,
    WorkflowExecutionStatus.CANCELED,
    WorkflowExecutionStatus.TERMINATED,
    WorkflowExecutionStatus.TIMED_OUT,
)


class WorkflowStreamClient:
    """A publisher and subscriber of one workflow's stream. To publish, use it as an async context manager: it sends batches
    in the background, and what is left at the end::

        stream = WorkflowStreamClient.create(client, "w")
        events = stream.topic("events", type=Event)
        async with stream:
            events.publish(Event("begun"))

        async for item in events.subscribe():
            print(item.offset, item.data)
    """

    def __init__(
        self,
        handle: WorkflowHandle[Any, Any],
        *,
        client: Client | None = None,
        batch_interval: Duration = timedelta(seconds=2),
        max_batch_size: int | None = None,
        max_retry_duration: Duration = timedelta(minutes=10),
    ) -> None:
        """Rather use `create` or `from_within_activity`.

        Args:
            handle: The workflow.
            client: Whose payload converter is used. With None it is the default one, and subscriptions end when the
                workflow goes on as a new run.
            batch_interval: How long values wait for company.
            max_batch_size: How many values are sent at once without waiting. Default: any number waits.
            max_retry_duration: How long a batch is tried. Must be less than the stream's ``publisher_ttl``, else one that
                is repeated may be taken twice.
        """
        self._handle = handle
        self._client = client
        self._topics = Topics("client")
        self._outbox = Outbox(
            self._publish,
            self._converter,
            as_timedelta(batch_interval).total_seconds(),
            max_batch_size,
            as_timedelta(max_retry_duration).total_seconds(),
        )
        self._flusher: asyncio.Task[None] | None = None

    @classmethod
    def create(
        cls,
        client: Client,
        workflow_id: str,
        *,
        batch_interval: Duration = timedelta(seconds=2),
        max_batch_size: int | None = None,
        max_retry_duration: Duration = timedelta(minutes=10),
    ) -> WorkflowStreamClient:
        """For a workflow by its id, whatever its runs."""
        return cls(
            client.get_workflow_handle(workflow_id),
            client=client,
            batch_interval=batch_interval,
            max_batch_size=max_batch_size,
            max_retry_duration=max_retry_duration,
        )

    @classmethod
    def from_within_activity(
        cls,
        *,
        batch_interval: Duration = timedelta(seconds=2),
        max_batch_size: int | None = None,
        max_retry_duration: Duration = timedelta(minutes=10),
    ) -> WorkflowStreamClient:
        """For the workflow that asked for this activity. Raises RuntimeError in an activity that no workflow asked for."""
        workflow_id = activity.info().workflow_id
        if workflow_id is None:
            raise RuntimeError(
                "from_within_activity requires an activity scheduled by a workflow, and this one has no parent workflow: "
                "use WorkflowStreamClient.create(activity.client(), workflow_id)"
            )
        return cls.create(
            activity.client(),
            workflow_id,
            batch_interval=batch_interval,
            max_batch_size=max_batch_size,
            max_retry_duration=max_retry_duration,
        )

    async def __aenter__(self) -> Self:
        self._flusher = asyncio.create_task(self._outbox.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        flusher, self._flusher = self._flusher, None
        if flusher is not None:
            flusher.cancel()
            await asyncio.wait([flusher])
            if not flusher.cancelled():
                flusher.result()  # raises why nothing was sent any more
        await self._outbox.flush()

    @overload
    def topic(self, name: str) -> TopicHandle[Any]: ...
    @overload
    def topic(self, name: str, *, type: type[T]) -> TopicHandle[T]: ...
    def topic(self, name: str, *, type: Any = None) -> TopicHandle[Any]:
        """A handle to publish and read under ``name``. Raises RuntimeError when this client gave it another type before."""
        return TopicHandle(self, name, self._topics.bind(name, type))

    async def flush(self) -> None:
        """Wait until all that was published so far is in the workflow's history. Raises RPCError, and TimeoutError when a
        batch was tried for ``max_retry_duration``: that one is given up, later ones are not."""
        await self._outbox.flush()

    async def get_offset(self) -> int:
        """The offset that the next item will have."""
        found: int = await self._handle.query(OFFSET, result_type=int)
        return found

    @overload
    def subscribe(
        self,
        topics: str | list[str] | None = ...,
        from_offset: int = ...,
        *,
        result_type: type[T],
        poll_cooldown: Duration = ...,
    ) -> AsyncIterator[WorkflowStreamItem[T]]: ...
    @overload
    def subscribe(
        self,
        topics: str | list[str] | None = ...,
        from_offset: int = ...,
        *,
        result_type: None = None,
        poll_cooldown: Duration = ...,
    ) -> AsyncIterator[WorkflowStreamItem[Any]]: ...
    async def subscribe(
        self,
        topics: str | list[str] | None = None,
        from_offset: int = 0,
        *,
        result_type: Any = None,
        poll_cooldown: Duration = timedelta(milliseconds=100),
    ) -> AsyncIterator[WorkflowStreamItem[Any]]:
        """Items as they come, until the workflow has closed and all that it still had are read. It goes along when the
        workflow goes on as a new run, provided this client was made by `create`.

        What is left of a closed workflow is asked of it by queries, so it needs a worker that answers them.

        Args:
            topics: One name, several, or None for all.
            from_offset: Where to begin. Where that is truncated already, reading goes on with what is left.
            result_type: What items are decoded to; None: what the converter makes of them. ``RawValue`` gives payloads.
            poll_cooldown: How long to rest before asking again, once there is nothing more to read. Every answer is a few
                events in the workflow's history.
        """
        if result_type is common.Payload:
            raise RuntimeError(
                "Cannot subscribe with result_type=Payload: nothing is decoded to one. RawValue holds it"
            )
        names = [topics] if isinstance(topics, str) else list(topics or ())
        reader = _Reader(
            self._handle,
            self._client,
            PollInput(names, from_offset),
            as_timedelta(poll_cooldown).total_seconds(),
        )
        while not reader.done:
            for item in await reader.read():
                value = unpacked(self._converter(), item.data, result_type)
                yield WorkflowStreamItem(item.topic, value, item.offset)

    async def _publish(self, batch: PublishInput) -> None:
        await self._handle.signal(PUBLISH, batch)

    def _converter(self) -> PayloadConverter:
        converter = self._client.data_converter if self._client is not None else DataConverter.default
        return converter.payload_converter


class _Reader:
    """One subscription: where it stands, and which run it asks."""

    def __init__(
        self, handle: WorkflowHandle[Any, Any], client: Client | None, asked: PollInput, rest: float
    ) -> None:
        self._handle = handle
        self._client = client
        self._asked = asked
        self._pause = rest
        self._pause_before = False
        self._closed = False
        """The handle is that of a run that has closed."""
        self.done = False

    async def read(self) -> list[Any]:
        """The next items, perhaps none. Raises what asking for them raises."""
        if self._pause_before:
            self._pause_before = False
            await asyncio.sleep(self._pause)
        result = await (self._query() if self._closed else self._update())
        if result is None:
            return []
        self._asked = PollInput(self._asked.topics, result.next_offset)
        self.done = self._closed and not result.more_ready
        self._pause_before = self._pause > 0 and not result.more_ready
        return result.items

    async def _query(self) -> PollResult:
        found: PollResult = await self._handle.query(POLL, self._asked, result_type=PollResult)
        return found

    async def _update(self) -> PollResult | None:
        """None: there is something to be done otherwise, or later."""
        run_id = None
        try:
            asked: Any = await self._handle.start_update(
                POLL, self._asked, wait_for_stage=WorkflowUpdateStage.ACCEPTED, result_type=PollResult
            )
            run_id = asked.workflow_run_id
            found: PollResult = await asked.result()
        except asyncio.CancelledError:
            raise
        except WorkflowUpdateFailedError as error:
            kind = getattr(error.cause, "type", None)
            if kind == TRUNCATED:
                self._asked = PollInput(self._asked.topics, 0)
                return None
            if kind == DRAINING:
                self._pause_before = self._pause > 0
                return None
            await self._after(error, run_id)
        except (RPCError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
            await self._after(error, run_id)
        else:
            return found
        return None

    async def _after(self, error: Exception, run_id: str | None) -> None:
        """Choose the run to ask from now on. Raises ``error`` when the one that was asked is still open, or unknown."""
        client = cast("Client", self._handle._client)
        asked = (
            client.get_workflow_handle(self._handle.id, run_id=run_id) if run_id is not None else self._handle
        )
        seen = None
        with contextlib.suppress(RPCError):
            seen = await asked.describe()
        if seen is None:
            raise error
        if seen.status == WorkflowExecutionStatus.CONTINUED_AS_NEW and self._client is not None:
            self._handle = self._client.get_workflow_handle(self._handle.id)
        elif seen.status in CLOSED and seen.run_id:
            self._handle = client.get_workflow_handle(self._handle.id, run_id=seen.run_id)
            self._closed = True
        else:
            raise error
