"""Names of the official sandbox. Nothing is imported twice here: workflow code is watched by a determinism guard instead.

`SandboxedWorkflowRunner`, the default, means that the guard watches. Restrictions and passthrough modules are accepted,
can be read and combined, and do no harm; passing a module through is never needed.
"""

from tenuto.worker.workflow_sandbox.restrictions import (
    RestrictedWorkflowAccessError,
    RestrictionContext,
    SandboxMatcher,
    SandboxRestrictions,
    UnintentionalPassthroughError,
)
from tenuto.worker.workflow_sandbox.runner import SandboxedWorkflowRunner

__all__ = [
    "RestrictedWorkflowAccessError",
    "RestrictionContext",
    "SandboxMatcher",
    "SandboxRestrictions",
    "SandboxedWorkflowRunner",
    "UnintentionalPassthroughError",
]
