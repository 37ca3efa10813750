"""What a run tells the world about itself: search attributes, memo, and how it goes on as a new run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from tenuto.common import (
    Priority,
    RetryPolicy,
    SearchAttributeIndexedValueType,
    SearchAttributeKey,
    SearchAttributePair,
    SearchAttributeUpdate,
    TypedSearchAttributes,
)
from tenuto.converter import (
    decode_search_attributes,
    decode_typed_search_attributes,
    encode_search_attributes,
    encode_typed_search_attribute_value,
)
from tenuto.run.core import mark, same_build, set_duration, set_headers
from tenuto.wire import common, enums_command, enums_event
from tenuto.workflow.event_groups import captured
from tenuto.workflow.facts import Info, ParentInfo, RootInfo

if TYPE_CHECKING:
    from tenuto.run.core import Core
    from tenuto.wire import command, duration_pb2, history, timestamp_pb2
    from tenuto.workflow.interception import ContinueAsNewInput


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _when(stamp: timestamp_pb2.Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)


def _lasting(field: duration_pb2.Duration) -> Any:
    span = field.ToTimedelta()
    return span or None


def _in_order(fields: Mapping[str, common.Payload]) -> dict[str, common.Payload]:
    """By name: a map of the protocol has another order in each process, and a replay must see the same."""
    return dict(sorted(fields.items())) if fields else {}


def info_of(core: Core, event: history.HistoryEvent, first_task_at: int) -> Info:
    """The facts of the run whose first event this is. ``first_task_at`` in ns."""
    told = event.workflow_execution_started_event_attributes
    options = core.options
    parent = None
    if told.HasField("parent_workflow_execution"):
        parent = ParentInfo(
            namespace=told.parent_workflow_namespace,
            run_id=told.parent_workflow_execution.run_id,
            workflow_id=told.parent_workflow_execution.workflow_id,
        )
    root = None
    if told.HasField("root_workflow_execution"):
        above = told.root_workflow_execution
        root = RootInfo(run_id=above.run_id, workflow_id=above.workflow_id)
    priority = Priority.default
    if told.HasField("priority"):
        sent = told.priority
        priority = Priority(
            priority_key=sent.priority_key or None,
            fairness_key=sent.fairness_key or None,
            fairness_weight=sent.fairness_weight or None,
        )
    return Info(
        attempt=told.attempt,
        continued_run_id=told.continued_execution_run_id or None,
        cron_schedule=told.cron_schedule or None,
        execution_timeout=_lasting(told.workflow_execution_timeout),
        first_execution_run_id=told.first_execution_run_id,
        headers=_in_order(told.header.fields),
        namespace=options.namespace,
        original_execution_run_id=told.original_execution_run_id,
        parent=parent,
        root=root,
        priority=priority,
        raw_memo=_in_order(told.memo.fields),
        retry_policy=RetryPolicy.from_proto(told.retry_policy) if told.HasField("retry_policy") else None,
        run_id=options.run_id,
        run_timeout=_lasting(told.workflow_run_timeout),
        search_attributes=decode_search_attributes(told.search_attributes),
        start_time=_EPOCH + timedelta(microseconds=first_task_at // 1000),
        task_queue=options.task_queue,
        task_timeout=told.workflow_task_timeout.ToTimedelta(),
        typed_search_attributes=decode_typed_search_attributes(told.search_attributes),
        workflow_id=told.workflow_id or options.workflow_id,
        workflow_start_time=_when(event.event_time),
        workflow_type=told.workflow_type.name,
    )


class _Plain:
    """A command whose event needs no more than to be there."""

    __slots__ = ("words",)

    def __init__(self, words: str) -> None:
        self.words = words

    def describe(self) -> str:
        return self.words

    def recorded(self, event: history.HistoryEvent) -> None:
        pass


def fill_search_attributes(sent: common.SearchAttributes, attributes: Any) -> None:
    """Write attributes, typed or by name."""
    encode_search_attributes(attributes, sent)


def upsert(core: Core, updates: Sequence[SearchAttributeUpdate[Any]] | Mapping[str, Sequence[Any]]) -> None:
    """Change search attributes; an update without a value removes its key. Seen at once in ``workflow.info()``."""
    core.check("upsert search attributes")
    payloads: dict[str, common.Payload] = {}
    untyped = dict(core.info.search_attributes)
    typed = {pair.key.name: pair for pair in core.info.typed_search_attributes}
    if isinstance(updates, Mapping):
        sent = common.SearchAttributes()
        encode_search_attributes(cast("Any", updates), sent)
        payloads = dict(sent.indexed_fields)
        for name, values in updates.items():
            untyped[name] = values
            if not values:
                typed.pop(name, None)
                continue
            known = typed.get(name)
            key = known.key if known is not None else SearchAttributeKey.guess(name, values)
            if key is not None:
                whole = key.indexed_value_type == SearchAttributeIndexedValueType.KEYWORD_LIST
                typed[name] = SearchAttributePair(key, list(values) if whole else values[0])
    else:
        for change in updates:
            name = change.key.name
            payloads[name] = encode_typed_search_attribute_value(change.key, change.value)
            if change.value is None:
                untyped[name] = []
                typed.pop(name, None)
            else:
                value = change.value
                untyped[name] = list(value) if isinstance(value, list | tuple) else [value]
                typed[name] = SearchAttributePair(change.key, value)
    _replace(core, search_attributes=untyped, typed=TypedSearchAttributes(list(typed.values())))

    def fill(made: command.Command) -> None:
        fields = made.upsert_workflow_search_attributes_command_attributes.search_attributes.indexed_fields
        for name, payload in payloads.items():
            fields[name].CopyFrom(payload)

    core.ask(
        enums_event.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
        _Plain(f"a change of the search attributes {', '.join(sorted(payloads))}"),
        enums_command.COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
        fill,
        captured(),
    )


def _replace(core: Core, search_attributes: Mapping[str, Any], typed: TypedSearchAttributes) -> None:
    # The facts are frozen for users; the run that owns them keeps them current.
    object.__setattr__(core.info, "search_attributes", search_attributes)
    object.__setattr__(core.info, "typed_search_attributes", typed)


def upsert_memo(core: Core, updates: Mapping[str, Any]) -> None:
    """Change the memo; None removes a key."""
    core.check("upsert memo")
    payloads = {name: core.encode_one(value) for name, value in updates.items()}
    memo = dict(core.info.raw_memo)
    for name, value in updates.items():
        if value is None:
            memo.pop(name, None)
        else:
            memo[name] = payloads[name]
    object.__setattr__(core.info, "raw_memo", memo)

    def fill(made: command.Command) -> None:
        fields = made.modify_workflow_properties_command_attributes.upserted_memo.fields
        for name, payload in payloads.items():
            fields[name].CopyFrom(payload)

    core.ask(
        enums_event.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED,
        _Plain(f"a change of the memo {', '.join(sorted(payloads))}"),
        enums_command.COMMAND_TYPE_MODIFY_WORKFLOW_PROPERTIES,
        fill,
        captured(),
    )


def continue_as_new(core: Core, wanted: ContinueAsNewInput) -> Callable[[command.Command], None]:
    """What fills the command that ends this run and begins the next. What is left open is as in this run."""
    payloads = core.encode(wanted.args)

    def fill(made: command.Command) -> None:
        attributes = made.continue_as_new_workflow_execution_command_attributes
        started = core.started
        attributes.workflow_type.name = wanted.workflow or core.info.workflow_type
        attributes.task_queue.name = wanted.task_queue or core.options.task_queue
        attributes.input.payloads.extend(payloads)
        if wanted.run_timeout is not None:
            set_duration(attributes.workflow_run_timeout, wanted.run_timeout)
        else:
            attributes.workflow_run_timeout.CopyFrom(started.workflow_run_timeout)
        if wanted.task_timeout is not None:
            set_duration(attributes.workflow_task_timeout, wanted.task_timeout)
        else:
            attributes.workflow_task_timeout.CopyFrom(started.workflow_task_timeout)
        set_duration(attributes.backoff_start_interval, wanted.backoff_start_interval)
        if wanted.headers:
            set_headers(attributes.header, wanted.headers)
        if wanted.retry_policy is not None:
            wanted.retry_policy.apply_to_proto(attributes.retry_policy)
        elif started.HasField("retry_policy"):
            attributes.retry_policy.CopyFrom(started.retry_policy)
        _carry_over(core, attributes, wanted)
        mark(made, wanted.event_groups or ())

    return fill


def _carry_over(core: Core, attributes: Any, wanted: ContinueAsNewInput) -> None:
    if wanted.memo is not None:
        for name, value in wanted.memo.items():
            attributes.memo.fields[name].CopyFrom(core.encode_one(value))
    else:
        for name, payload in core.info.raw_memo.items():
            attributes.memo.fields[name].CopyFrom(payload)
    if wanted.search_attributes is not None:
        fill_search_attributes(attributes.search_attributes, wanted.search_attributes)
    else:
        if core.info.typed_search_attributes:
            fill_search_attributes(attributes.search_attributes, core.info.typed_search_attributes)
        known = {pair.key.name for pair in core.info.typed_search_attributes}
        rest = {k: v for k, v in core.info.search_attributes.items() if k not in known}
        if rest:
            fill_search_attributes(attributes.search_attributes, rest)
    attributes.inherit_build_id = same_build(core, wanted.versioning_intent, wanted.task_queue or "")
    if wanted.initial_versioning_behavior is not None:
        attributes.initial_versioning_behavior = int(wanted.initial_versioning_behavior)
