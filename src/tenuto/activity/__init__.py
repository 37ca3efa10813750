"""Activities: functions that do what a workflow may not, and that are tried again when they fail.

``@activity.defn`` marks a function and leaves it as it is. ``@activity`` (this module is callable) makes an `Activity`:
awaited in a workflow it is a durable call. This room must never import protocol messages when it is loaded.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from tenuto.activity.call import Activity, decorate, step
from tenuto.activity.context import (
    ActivityCancellationDetails,
    CompleteAsyncError,
    Context,
    Info,
    cancellation_details,
    check_cancelled,
    client,
    heartbeat,
    in_activity,
    info,
    is_cancelled,
    is_worker_shutdown,
    metric_meter,
    payload_converter,
    raise_complete_async,
    shield_thread_cancel_exception,
    wait_for_cancelled,
    wait_for_cancelled_sync,
    wait_for_worker_shutdown,
    wait_for_worker_shutdown_sync,
)
from tenuto.activity.definition import Definition, defn
from tenuto.activity.log import LoggerAdapter, logger
from tenuto.activity.options import ActivityOptions

_Definition = Definition
_Context = Context
_CompleteAsyncError = CompleteAsyncError

__all__ = [
    "Activity",
    "ActivityCancellationDetails",
    "ActivityOptions",
    "CompleteAsyncError",
    "Context",
    "Definition",
    "Info",
    "LoggerAdapter",
    "cancellation_details",
    "check_cancelled",
    "client",
    "defn",
    "heartbeat",
    "in_activity",
    "info",
    "is_cancelled",
    "is_worker_shutdown",
    "logger",
    "metric_meter",
    "payload_converter",
    "raise_complete_async",
    "shield_thread_cancel_exception",
    "step",
    "wait_for_cancelled",
    "wait_for_cancelled_sync",
    "wait_for_worker_shutdown",
    "wait_for_worker_shutdown_sync",
]


class _Door(ModuleType):
    """This module, called as a decorator."""

    def __call__(self, fn: Any = None, /, **given: Any) -> Any:
        return decorate(fn, **given)


sys.modules[__name__].__class__ = _Door
