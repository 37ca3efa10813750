"""How values, options and headers of a call become parts of a protocol message, and answers become values again.

This file must never send anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tenuto.common import HeaderCodecBehavior, Priority, RetryPolicy, VersioningOverride
from tenuto.converter import (
    ActivitySerializationContext,
    StorageDriverWorkflowInfo,
    WorkflowSerializationContext,
    encode_search_attributes,
)
from tenuto.converter.failure import show_remote_tracebacks
from tenuto.wire import common, duration_pb2, failure, sdk_metadata, timestamp_pb2, workflow

if TYPE_CHECKING:
    from tenuto.client.core import ClientCore
    from tenuto.client.inputs import AnySearchAttributes, HeaderMap
    from tenuto.converter import DataConverter


def duration_proto(duration: timedelta | None) -> duration_pb2.Duration | None:
    """None stays None."""
    if duration is None:
        return None
    made = duration_pb2.Duration()
    made.FromTimedelta(duration)
    return made


def timestamp_proto(instant: datetime | None) -> timestamp_pb2.Timestamp | None:
    """A datetime without a zone is taken for UTC."""
    if instant is None:
        return None
    made = timestamp_pb2.Timestamp()
    made.FromDatetime(instant if instant.tzinfo is None else instant.astimezone(UTC))
    return made


def instant(message: Any, name: str) -> datetime | None:
    """The field ``name`` as an aware UTC datetime, None when it is not set."""
    if not message.HasField(name):
        return None
    made: datetime = getattr(message, name).ToDatetime().replace(tzinfo=UTC)
    return made


def length(message: Any, name: str) -> timedelta | None:
    """The field ``name`` as a timedelta, None when it is not set."""
    if not message.HasField(name):
        return None
    made: timedelta = getattr(message, name).ToTimedelta()
    return made


def retry_policy_proto(policy: RetryPolicy | None) -> common.RetryPolicy | None:
    """Raises ValueError for a policy that makes no sense."""
    return policy.to_proto() if policy is not None else None


def priority_proto(priority: Priority | None) -> common.Priority | None:
    """None when nothing is set in it."""
    made = priority.to_proto() if priority is not None else None
    return made if made is not None and made.ByteSize() else None


def versioning_override_proto(override: VersioningOverride | None) -> workflow.VersioningOverride | None:
    """None stays None."""
    return override.to_proto() if override is not None else None


def search_attributes_proto(attributes: AnySearchAttributes) -> common.SearchAttributes | None:
    """None when there are none."""
    if not attributes:
        return None
    made = common.SearchAttributes()
    encode_search_attributes(attributes, made)
    return made


async def payloads(converter: DataConverter, values: Sequence[Any]) -> common.Payloads | None:
    """``values`` encoded; None when there are none."""
    if not values:
        return None
    return common.Payloads(payloads=await converter.encode(values))


async def payload(converter: DataConverter, value: Any) -> common.Payload:
    """One value encoded."""
    return (await converter.encode([value]))[0]


async def memo_proto(converter: DataConverter, memo: Mapping[str, Any] | None) -> common.Memo | None:
    """Every value encoded; None stays None."""
    if memo is None:
        return None
    made = common.Memo()
    for key, value in memo.items():
        made.fields[key].CopyFrom(await payload(converter, value))
    return made


async def user_metadata(
    converter: DataConverter, summary: str | common.Payload | None, details: str | common.Payload | None
) -> sdk_metadata.UserMetadata | None:
    """What the list and the page of a workflow show beside its id; both encoded as any other value."""
    if summary is None and details is None:
        return None
    made = sdk_metadata.UserMetadata()
    for text, field in ((summary, made.summary), (details, made.details)):
        if isinstance(text, common.Payload):
            field.CopyFrom(text)
        elif text is not None:
            field.CopyFrom(await payload(converter, text))
    return made


async def headers_proto(client: ClientCore, headers: HeaderMap) -> common.Header | None:
    """The codec sees headers only where the client says so."""
    if not headers:
        return None
    made = common.Header()
    codec = client.data_converter.payload_codec
    coded = client._header_codec_behavior is HeaderCodecBehavior.CODEC
    for name, raw in headers.items():
        made.fields[name].CopyFrom((await codec.encode([raw]))[0] if codec is not None and coded else raw)
    return made


def for_workflow(client: ClientCore, workflow_id: str, workflow_type: str | None = None) -> DataConverter:
    """The client's converter, knowing which workflow it serves."""
    context = WorkflowSerializationContext(namespace=client.namespace, workflow_id=workflow_id)
    if workflow_type is not None and client.data_converter.external_storage is not None:
        context = context.stored_under(
            StorageDriverWorkflowInfo(namespace=client.namespace, id=workflow_id, type=workflow_type)
        )
    return client.data_converter.with_context(context)


async def error_of(converter: DataConverter, told: failure.Failure) -> BaseException:
    """The error that ``told`` tells of; ``told`` itself stays as it came, to be read again."""
    copied = failure.Failure()
    copied.CopyFrom(told)
    return show_remote_tracebacks(await converter.decode_failure(copied))


async def first_value(
    converter: DataConverter, encoded: Sequence[common.Payload], hint: type | None
) -> Any | None:
    """The value of an answer that carries one or none."""
    if not encoded:
        return None
    values = await converter.decode(encoded, [hint] if hint is not None else None)
    return values[0] if values else None


def for_activity(
    client: ClientCore, activity_id: str, activity_type: str | None = None, task_queue: str | None = None
) -> DataConverter:
    """The client's converter, knowing which standalone activity it serves."""
    context = ActivitySerializationContext(
        namespace=client.namespace,
        activity_id=activity_id,
        activity_type=activity_type,
        activity_task_queue=task_queue,
        workflow_id=None,
        workflow_type=None,
        is_local=False,
    )
    return client.data_converter.with_context(context)
