"""Tenuto: durable execution for Python, and a service every Temporal SDK can use.

The names here are loaded when they are first used: ``import tenuto`` itself loads next to nothing.
"""

import os as _os
from importlib import import_module as _import_module
from typing import TYPE_CHECKING
from typing import Any as _Any

# Without calls in flight grpc would stop for a fork, but polls always are in flight: then it gets half stopped, and forked
# processes, those of an executor for activities say, die of it now and then. It asks when it is loaded, by whatever room
# or program comes first.
_os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")

if TYPE_CHECKING:
    from tenuto._doors import activity, workflow
    from tenuto.activity import Activity
    from tenuto.app import App, connect, open
    from tenuto.client import (
        Client,
        WorkflowFailureError,
        WorkflowHandle,
        WorkflowUpdateFailedError,
    )
    from tenuto.common import (
        Priority,
        RetryPolicy,
        SearchAttributeKey,
        TypedSearchAttributes,
        WorkflowIDConflictPolicy,
        WorkflowIDReusePolicy,
    )
    from tenuto.converter import DataConverter
    from tenuto.exceptions import (
        ActivityError,
        ApplicationError,
        CancelledError,
        ChildWorkflowError,
        FailureError,
        TemporalError,
    )
    from tenuto.sync import SyncClient
    from tenuto.worker import Replayer, Worker
    from tenuto.workflow import FunctionWorkflow

    step = activity

__version__ = "0.1.0"

_HOMES = {
    "tenuto.activity": ("Activity", "step"),
    "tenuto.app": ("App", "connect", "open"),
    "tenuto.client": ("Client", "WorkflowFailureError", "WorkflowHandle", "WorkflowUpdateFailedError"),
    "tenuto.common": (
        "Priority",
        "RetryPolicy",
        "SearchAttributeKey",
        "TypedSearchAttributes",
        "WorkflowIDConflictPolicy",
        "WorkflowIDReusePolicy",
    ),
    "tenuto.converter": ("DataConverter",),
    "tenuto.exceptions": (
        "ActivityError",
        "ApplicationError",
        "CancelledError",
        "ChildWorkflowError",
        "FailureError",
        "TemporalError",
    ),
    "tenuto.sync": ("SyncClient",),
    "tenuto.worker": ("Replayer", "Worker"),
    "tenuto.workflow": ("FunctionWorkflow",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}
_PACKAGES = frozenset(
    {
        "activity",
        "client",
        "common",
        "converter",
        "exceptions",
        "nexus",
        "sync",
        "testing",
        "worker",
        "workflow",
    }
)

__all__ = [
    "Activity",
    "ActivityError",
    "App",
    "ApplicationError",
    "CancelledError",
    "ChildWorkflowError",
    "Client",
    "DataConverter",
    "FailureError",
    "FunctionWorkflow",
    "Priority",
    "Replayer",
    "RetryPolicy",
    "SearchAttributeKey",
    "SyncClient",
    "TemporalError",
    "TypedSearchAttributes",
    "Worker",
    "WorkflowFailureError",
    "WorkflowHandle",
    "WorkflowIDConflictPolicy",
    "WorkflowIDReusePolicy",
    "WorkflowUpdateFailedError",
    "activity",
    "connect",
    "open",
    "step",
    "workflow",
]


if not TYPE_CHECKING:  # or else every name would be known

    def __getattr__(name: str) -> _Any:
        if name in _PACKAGES:
            return _import_module(f"tenuto.{name}")
        home = _HOME.get(name)
        if home is None:
            raise AttributeError(f"module 'tenuto' has no attribute {name!r}")
        found = getattr(_import_module(home), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_PACKAGES})
