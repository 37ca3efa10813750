"""Queries that every run answers: its stacks, and what it is and offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenuto.run.stacks import enhanced_stack_trace, stack_trace
from tenuto.run.types import QueryAnswer
from tenuto.wire import sdk_workflow_metadata

if TYPE_CHECKING:
    from tenuto.run.run import Run
    from tenuto.wire import query

STACK_TRACE = "__stack_trace"
ENHANCED_STACK_TRACE = "__enhanced_stack_trace"
METADATA = "__temporal_workflow_metadata"
BUILT_IN = (STACK_TRACE, ENHANCED_STACK_TRACE, METADATA)


def answer_builtin(run: Run, asked: query.WorkflowQuery) -> QueryAnswer | None:
    """The answer, if the query is one of ours."""
    name = asked.query_type
    if name == STACK_TRACE:
        return _answer(run, stack_trace(run.core.loop.pending()))
    if name == ENHANCED_STACK_TRACE:
        options = run.options
        made = enhanced_stack_trace(run.core.loop.pending(), options.sdk_name, options.sdk_version)
        return _answer(run, made)
    if name == METADATA:
        return _answer(run, _metadata(run))
    return None


def _answer(run: Run, value: Any) -> QueryAnswer:
    return QueryAnswer(result=run.core.encode_one(value))


def _metadata(run: Run) -> sdk_workflow_metadata.WorkflowMetadata:
    made = sdk_workflow_metadata.WorkflowMetadata(current_details=run.context.details)
    definition = made.definition
    definition.type = run.info.workflow_type
    for table, listed in (
        (run.handlers.queries, definition.query_definitions),
        (run.handlers.signals, definition.signal_definitions),
        (run.handlers.updates, definition.update_definitions),
    ):
        for name in sorted(table, key=lambda each: each or ""):
            listed.add(name=name or "", description=table[name].description or "")
    return made
