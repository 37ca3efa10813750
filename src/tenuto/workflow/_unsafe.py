"""Doors past the determinism guard, and the sandbox's words for programs that use them.

Workflow modules are never imported again here, so what concerns imports only keeps its word in what it tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar

from tenuto.workflow._runtime import current, find
from tenuto.workflow.enums import SandboxImportNotificationPolicy

_unrestricted: ContextVar[bool] = ContextVar("tenuto_unrestricted", default=False)
_passed_through: ContextVar[bool] = ContextVar("tenuto_passed_through", default=False)
_policy: ContextVar[SandboxImportNotificationPolicy | None] = ContextVar("tenuto_imports", default=None)


@contextmanager
def _unguarded(flag: ContextVar[bool]) -> Iterator[None]:
    token = flag.set(True)
    try:
        with ExitStack() as doors:
            runtime = find()
            if runtime is not None:
                doors.enter_context(runtime.unguarded())
            yield
    finally:
        flag.reset(token)


class unsafe:
    """What workflow code should do only if it knows why. Not to be instantiated."""

    def __init__(self) -> None:
        raise NotImplementedError

    @staticmethod
    def in_sandbox() -> bool:
        """Whether the determinism guard watches here: in workflow code, outside of `sandbox_unrestricted`."""
        return find() is not None and not _unrestricted.get()

    @staticmethod
    def is_replaying() -> bool:
        """Whether this code ran before, and runs again to restore state. Raises outside of workflows."""
        return current().is_replaying()

    @staticmethod
    def is_replaying_history_events() -> bool:
        """Like `is_replaying`, but False in queries and validators, which are never repeated."""
        return current().is_replaying_history_events()

    @staticmethod
    def is_read_only() -> bool:
        """Whether this is a query handler or an update validator."""
        return current().is_read_only()

    @staticmethod
    def is_sandbox_unrestricted() -> bool:
        """Whether a `sandbox_unrestricted` block is open."""
        return _unrestricted.get()

    @staticmethod
    @contextmanager
    def sandbox_unrestricted() -> Iterator[None]:
        """The determinism guard looks away while this block is open."""
        with _unguarded(_unrestricted):
            yield

    @staticmethod
    def is_imports_passed_through() -> bool:
        """Whether an `imports_passed_through` block is open."""
        return _passed_through.get()

    @staticmethod
    @contextmanager
    def imports_passed_through() -> Iterator[None]:
        """Not needed: every import is shared. Kept so that programs that say it run unchanged."""
        with _unguarded(_passed_through):
            yield

    @staticmethod
    def current_import_notification_policy_override() -> SandboxImportNotificationPolicy | None:
        """The policy of the open `sandbox_import_notification_policy` block, if any."""
        return _policy.get()

    @staticmethod
    @contextmanager
    def sandbox_import_notification_policy(policy: SandboxImportNotificationPolicy) -> Iterator[None]:
        """Not needed: nothing is imported again, so there is nothing to notify of."""
        token = _policy.set(policy)
        try:
            yield
        finally:
            _policy.reset(token)
