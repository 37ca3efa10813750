"""The logger for workflow code: silent while a run is replayed, and every line says of which run it is."""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from tenuto.workflow._runtime import current_update, find

if TYPE_CHECKING:
    from tenuto.workflow.facts import Info

    _Adapter = logging.LoggerAdapter[logging.Logger]
else:
    _Adapter = logging.LoggerAdapter


def facts_of(info: Info) -> dict[str, Any]:
    """What records say of their run, as ``temporal_workflow``."""
    return {
        "attempt": info.attempt,
        "namespace": info.namespace,
        "run_id": info.run_id,
        "task_queue": info.task_queue,
        "workflow_id": info.workflow_id,
        "workflow_type": info.workflow_type,
    }


class LoggerAdapter(_Adapter):
    """A logger that adds what it knows of the run.

    Attributes:
        workflow_info_on_message: Whether messages end in a dictionary of the most important facts. Default True.
        workflow_info_on_extra: Whether records carry that dictionary as ``temporal_workflow``. Default True.
        full_workflow_info_on_extra: Whether records carry the whole `Info` as ``workflow_info``. Default False.
        log_during_replay: Whether code that runs again logs again. Default False.
        disable_sandbox: Accepted; handlers always run outside of the determinism guard. Default False.
    """

    def __init__(self, logger: logging.Logger, extra: Mapping[str, Any] | None) -> None:
        super().__init__(logger, dict(extra or {}))
        self.workflow_info_on_message = True
        self.workflow_info_on_extra = True
        self.full_workflow_info_on_extra = False
        self.log_during_replay = False
        self.disable_sandbox = False

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Add facts of the run to the message and to ``extra``; what the caller gave wins."""
        extra = dict(self.extra or {})
        runtime = find()
        if runtime is not None and (
            self.workflow_info_on_message or self.workflow_info_on_extra or self.full_workflow_info_on_extra
        ):
            info = runtime.info()
            facts = facts_of(info)
            update = current_update.get()
            if update is not None:
                facts["update_id"] = update.id
                facts["update_name"] = update.name
            if self.workflow_info_on_message:
                msg = f"{msg} ({facts})"
            if self.workflow_info_on_extra:
                extra["temporal_workflow"] = facts
            if self.full_workflow_info_on_extra:
                extra["workflow_info"] = info
        kwargs["extra"] = {**extra, **(kwargs.get("extra") or {})}
        return msg, kwargs

    def log(self, level: int, msg: object, *args: object, stacklevel: int = 1, **kwargs: Any) -> None:
        """Log unless this code is being replayed."""
        if not self.isEnabledFor(level):
            return
        runtime = find()
        if runtime is None:
            super().log(level, msg, *args, stacklevel=stacklevel + 1, **kwargs)
            return
        with runtime.unguarded():
            super().log(level, msg, *args, stacklevel=stacklevel + 1, **kwargs)

    def isEnabledFor(self, level: int) -> bool:
        """False for code that is being replayed, unless ``log_during_replay``."""
        if not self.log_during_replay:
            runtime = find()
            if runtime is not None and runtime.is_replaying_history_events():
                return False
        return super().isEnabledFor(level)

    @property
    def base_logger(self) -> logging.Logger:
        """The logger underneath, which knows nothing of workflows."""
        return self.logger

    def unsafe_disable_sandbox(self, value: bool = True) -> None:
        """Set ``disable_sandbox``."""
        self.disable_sandbox = value


logger = LoggerAdapter(logging.getLogger("tenuto.workflow"), None)
"""The logger for workflow code."""
