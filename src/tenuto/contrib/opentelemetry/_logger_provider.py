"""Log records of OpenTelemetry, made by workflow code and told once. This file must never know spans."""

from __future__ import annotations

from typing import Any

from opentelemetry._logs import Logger, LoggerProvider, LogRecord

import tenuto.workflow as workflow


def replaying() -> bool:
    """Whether what is told now was told before. Not so in queries and validators, which run once."""
    return workflow.in_workflow() and workflow.unsafe.is_replaying_history_events()


class _ReplaySafeLogger(Logger):
    def __init__(self, logger: Logger) -> None:
        self._logger = logger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._logger, name)

    def emit(self, record: LogRecord | None = None, **fields: Any) -> None:
        """As of the logger inside; what is not given is not passed on, for older ones do not know all of it."""
        if replaying():
            return
        if record is None:
            self._logger.emit(**fields)
        else:
            self._logger.emit(record, **fields)

    def enabled(self, *args: Any, **kwargs: Any) -> bool:
        """As of the logger inside; one that cannot tell takes everything."""
        asked: Any = getattr(self._logger, "enabled", None)
        return asked is None or bool(asked(*args, **kwargs))


class ReplaySafeLoggerProvider(LoggerProvider):
    """Make it the global one, around yours: records of workflow code are dropped while it is replayed."""

    def __init__(self, logger_provider: LoggerProvider) -> None:
        self._logger_provider = logger_provider

    def __getattr__(self, name: str) -> Any:
        return getattr(self._logger_provider, name)

    def get_logger(
        self,
        name: str,
        version: str | None = None,
        schema_url: str | None = None,
        attributes: Any = None,
    ) -> Logger:
        return _ReplaySafeLogger(self._logger_provider.get_logger(name, version, schema_url, attributes))
