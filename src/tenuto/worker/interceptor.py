"""What passes by a worker's interceptors. Their inputs, and the links of the chains, from the rooms where they are used.

This file must never decide anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenuto.workflow.interception import (
    ContinueAsNewInput,
    ExecuteWorkflowInput,
    HandleQueryInput,
    HandleSignalInput,
    HandleUpdateInput,
    SignalChildWorkflowInput,
    SignalExternalWorkflowInput,
    StartActivityInput,
    StartChildWorkflowInput,
    StartLocalActivityInput,
    StartNexusOperationInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

if TYPE_CHECKING:
    from tenuto.worker.activity_interceptor import ActivityInboundInterceptor


class Interceptor:
    """Give one to `Worker`; the first one given is the outermost. Each method may leave its part as it is."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """What is called instead of ``next`` to run an activity. Called once for each attempt."""
        return next

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor] | None:
        """The class whose instances stand before each run, made with the next link; None for none."""
        return None

    def intercept_nexus_operation(
        self, next: NexusOperationInboundInterceptor
    ) -> NexusOperationInboundInterceptor:
        """What is called instead of ``next`` to run a Nexus operation."""
        return next


@dataclass
class ExecuteNexusOperationStartInput:
    """Input of `NexusOperationInboundInterceptor.execute_nexus_operation_start`."""

    ctx: Any
    """The operation's context, of the package ``nexusrpc``."""
    input: Any


@dataclass
class ExecuteNexusOperationCancelInput:
    """Input of `NexusOperationInboundInterceptor.execute_nexus_operation_cancel`."""

    ctx: Any
    token: str


class NexusOperationInboundInterceptor:
    """Around each call of a Nexus operation's handler."""

    def __init__(self, next: NexusOperationInboundInterceptor) -> None:
        self.next = next

    async def execute_nexus_operation_start(self, input: ExecuteNexusOperationStartInput) -> Any:
        return await self.next.execute_nexus_operation_start(input)

    async def execute_nexus_operation_cancel(self, input: ExecuteNexusOperationCancelInput) -> None:
        await self.next.execute_nexus_operation_cancel(input)


def workflow_interceptors(
    interceptors: Sequence[Interceptor],
) -> tuple[list[type[WorkflowInboundInterceptor]], dict[str, Any]]:
    """The classes that stand before each run, outermost first, and the functions they want from outside the run."""
    extern: dict[str, Any] = {}
    asked = WorkflowInterceptorClassInput(unsafe_extern_functions=extern)
    classes = [cls for one in interceptors if (cls := one.workflow_interceptor_class(asked)) is not None]
    return classes, extern


__all__ = [
    "ContinueAsNewInput",
    "ExecuteNexusOperationCancelInput",
    "ExecuteNexusOperationStartInput",
    "ExecuteWorkflowInput",
    "HandleQueryInput",
    "HandleSignalInput",
    "HandleUpdateInput",
    "Interceptor",
    "NexusOperationInboundInterceptor",
    "SignalChildWorkflowInput",
    "SignalExternalWorkflowInput",
    "StartActivityInput",
    "StartChildWorkflowInput",
    "StartLocalActivityInput",
    "StartNexusOperationInput",
    "WorkflowInboundInterceptor",
    "WorkflowInterceptorClassInput",
    "WorkflowOutboundInterceptor",
    "workflow_interceptors",
]
