"""What the annotations of an operation's start tell of its input and output. This file must never call what it reads."""

from __future__ import annotations

import inspect
import typing
import warnings
from collections.abc import Callable
from typing import Any

import nexusrpc._util
from nexusrpc.handler import OperationHandler

from tenuto.nexus._operation_context import TemporalStartOperationContext
from tenuto.nexus._temporal_client import (
    TemporalNexusClient,
    TemporalOperationResult,
    WorkflowRunOperationContext,
)
from tenuto.nexus._token import WorkflowHandle

get_callable_name = nexusrpc._util.get_callable_name
is_async_callable = nexusrpc._util.is_async_callable


def get_operation_factory(
    obj: Any,
) -> tuple[Callable[[Any], OperationHandler[Any, Any]] | None, nexusrpc.Operation[Any, Any] | None]:
    """What makes the handler of a decorated method, and the operation that it handles."""
    factory = nexusrpc._util.get_operation_factory(obj)
    return factory, nexusrpc.get_operation(factory) if factory is not None else None


def set_operation_factory(obj: Any, operation_factory: Callable[[Any], OperationHandler[Any, Any]]) -> None:
    """Make a method one that handles an operation."""
    nexusrpc._util.set_operation_factory(obj, operation_factory)


def get_workflow_run_start_method_input_and_output_type_annotations(
    start: Callable[..., Any],
) -> tuple[type | None, type | None]:
    """Types of input and output; None, and a warning: the annotations do not tell."""
    return _types(start, (WorkflowRunOperationContext,), WorkflowHandle)


def get_temporal_operation_start_method_input_and_output_type_annotations(
    start: Callable[..., Any],
) -> tuple[type | None, type | None]:
    """Types of input and output; None, and a warning: the annotations do not tell."""
    return _types(start, (TemporalStartOperationContext, TemporalNexusClient), TemporalOperationResult)


def _types(
    start: Callable[..., Any], given: tuple[type, ...], returned: type
) -> tuple[type | None, type | None]:
    try:
        hints = typing.get_type_hints(start)
    except (NameError, TypeError, AttributeError, SyntaxError) as error:
        _warn(f"The annotations of {start} cannot be read: {error}")
        return None, None
    output: type | None = None
    told = hints.pop("return", None)
    if told is not None:
        if typing.get_origin(told) is returned and len(typing.get_args(told)) == 1:
            (output,) = typing.get_args(told)
        else:
            _warn(f"Expected return type of {start} to be {returned.__name__}[...], but it is {told}")
    names = list(inspect.signature(start).parameters)[-len(given) - 1 :]
    if len(hints) != len(given) + 1 or any(name not in hints for name in names):
        _warn(
            f"Expected start method {start} to have exactly {len(given) + 1} type-annotated parameters, "
            f"but it has {len(hints)}"
        )
        return None, output
    for position, (name, made) in enumerate(zip(names, given, strict=False), 1):
        wanted = typing.get_origin(hints[name]) or hints[name]
        if not (isinstance(wanted, type) and issubclass(made, wanted)):
            _warn(f"Expected parameter {position} of {start} to be {made.__name__}, but it is {hints[name]}")
            return None, output
    return hints[names[-1]], output


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=5)
