"""Nexus operations that workflows, activities or updates back, and what their handlers may ask.

Services, handlers and operations themselves are those of the package ``nexusrpc`` (extra ``nexus``). This room must never
run an operation: that is the worker's business.
"""

try:
    import nexusrpc as _nexusrpc
except ImportError as _missing:  # pragma: no cover - depends on what is installed
    raise ImportError("tenuto.nexus needs: pip install tenuto[nexus]") from _missing

from tenuto.nexus._decorators import (
    TemporalOperationStartHandlerFunc,
    temporal_operation,
    workflow_run_operation,
)
from tenuto.nexus._operation_context import (
    Info,
    LoggerAdapter,
    NexusCallback,
    TemporalCancelOperationContext,
    TemporalStartOperationContext,
    client,
    in_operation,
    info,
    is_worker_shutdown,
    logger,
    metric_meter,
    wait_for_worker_shutdown,
    wait_for_worker_shutdown_sync,
)
from tenuto.nexus._operation_handlers import (
    CancelActivityOptions,
    CancelUpdateWorkflowOptions,
    CancelWorkflowRunOptions,
    TemporalOperationHandler,
    WorkflowRunOperationHandler,
)
from tenuto.nexus._temporal_client import (
    TemporalNexusClient,
    TemporalOperationResult,
    WorkflowRunOperationContext,
)
from tenuto.nexus._token import OperationToken, OperationTokenType, WorkflowHandle

__all__ = [
    "CancelActivityOptions",
    "CancelUpdateWorkflowOptions",
    "CancelWorkflowRunOptions",
    "Info",
    "LoggerAdapter",
    "NexusCallback",
    "OperationToken",
    "OperationTokenType",
    "TemporalCancelOperationContext",
    "TemporalNexusClient",
    "TemporalOperationHandler",
    "TemporalOperationResult",
    "TemporalOperationStartHandlerFunc",
    "TemporalStartOperationContext",
    "WorkflowHandle",
    "WorkflowRunOperationContext",
    "WorkflowRunOperationHandler",
    "client",
    "in_operation",
    "info",
    "is_worker_shutdown",
    "logger",
    "metric_meter",
    "temporal_operation",
    "wait_for_worker_shutdown",
    "wait_for_worker_shutdown_sync",
    "workflow_run_operation",
]

del _nexusrpc
