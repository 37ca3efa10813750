"""Decorators for methods of service handlers that start operations. This file must never run one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

import nexusrpc
import nexusrpc._util
from nexusrpc.handler import OperationHandler

from tenuto.nexus import _util
from tenuto.nexus._operation_context import TemporalStartOperationContext
from tenuto.nexus._operation_handlers import MethodOperationHandler, WorkflowRunOperationHandler
from tenuto.nexus._temporal_client import (
    TemporalNexusClient,
    TemporalOperationResult,
    WorkflowRunOperationContext,
)
from tenuto.nexus._token import WorkflowHandle

ServiceT = TypeVar("ServiceT")
InputT = TypeVar("InputT")
OutputT = TypeVar("OutputT")
_Start = TypeVar("_Start", bound=Callable[..., Any])

TemporalOperationStartHandlerFunc = Callable[
    [ServiceT, TemporalStartOperationContext, TemporalNexusClient, InputT],
    Awaitable[TemporalOperationResult[OutputT]],
]
"""A method that `temporal_operation` decorates."""
_RunStart = Callable[[ServiceT, WorkflowRunOperationContext, InputT], Awaitable[WorkflowHandle[OutputT]]]


def _handles(
    start: _Start,
    name: str | None,
    types: tuple[type | None, type | None],
    handler: Callable[[Callable[..., Any]], OperationHandler[Any, Any]],
) -> _Start:
    known = _util.get_callable_name(start)

    def factory(self: Any) -> OperationHandler[Any, Any]:
        return handler(start.__get__(self))

    factory.__name__ = known
    operation: nexusrpc.Operation[Any, Any] = nexusrpc.Operation(
        name=name or known, input_type=types[0], output_type=types[1]
    )
    operation.method_name = known
    nexusrpc._util.set_operation(factory, operation)
    _util.set_operation_factory(start, factory)
    return start


@overload
def workflow_run_operation(
    start: _RunStart[ServiceT, InputT, OutputT],
) -> _RunStart[ServiceT, InputT, OutputT]: ...
@overload
def workflow_run_operation(
    *, name: str | None = None
) -> Callable[[_RunStart[ServiceT, InputT, OutputT]], _RunStart[ServiceT, InputT, OutputT]]: ...
def workflow_run_operation(start: Any = None, *, name: str | None = None) -> Any:
    """Decorate an async method of a service handler: it starts, with ``ctx.start_workflow``, what backs the operation.

    ``name`` None: the method's. The input's and the output's types are those of its annotations.
    """

    def decorate(start: Callable[..., Any]) -> Callable[..., Any]:
        types = _util.get_workflow_run_start_method_input_and_output_type_annotations(start)
        return _handles(start, name, types, WorkflowRunOperationHandler)

    return decorate if start is None else decorate(start)


@overload
def temporal_operation(
    start: TemporalOperationStartHandlerFunc[ServiceT, InputT, OutputT],
) -> TemporalOperationStartHandlerFunc[ServiceT, InputT, OutputT]: ...
@overload
def temporal_operation(
    *, name: str | None = None
) -> Callable[
    [TemporalOperationStartHandlerFunc[ServiceT, InputT, OutputT]],
    TemporalOperationStartHandlerFunc[ServiceT, InputT, OutputT],
]: ...
def temporal_operation(start: Any = None, *, name: str | None = None) -> Any:
    """Decorate an async method of a service handler: a workflow, an activity or an update may back the operation, or none.

    ``name`` None: the method's. The input's and the output's types are those of its annotations.
    """

    def decorate(start: Callable[..., Any]) -> Callable[..., Any]:
        types = _util.get_temporal_operation_start_method_input_and_output_type_annotations(start)
        return _handles(start, name, types, MethodOperationHandler)

    return decorate if start is None else decorate(start)
