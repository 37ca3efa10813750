"""A logger that says which activity speaks. It must never fail outside of one."""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from tenuto.activity.context import current

if TYPE_CHECKING:
    _Adapter = logging.LoggerAdapter[logging.Logger]
else:
    _Adapter = logging.LoggerAdapter


class LoggerAdapter(_Adapter):
    """Adds the running activity to each message. Its three fields may be set, also while it is in use."""

    activity_info_on_message: bool
    """Whether a few facts are appended to the message. Default True."""
    activity_info_on_extra: bool
    """Whether they are in ``extra["temporal_activity"]``. Default True."""
    full_activity_info_on_extra: bool
    """Whether the whole `Info` is in ``extra["activity_info"]``. Default False."""

    def __init__(self, logger: logging.Logger, extra: Mapping[str, Any] | None) -> None:
        super().__init__(logger, extra or {})
        self.activity_info_on_message = True
        self.activity_info_on_extra = True
        self.full_activity_info_on_extra = False

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """The message and its keywords with the activity's facts, when an activity runs."""
        if self.activity_info_on_message or self.activity_info_on_extra or self.full_activity_info_on_extra:
            context = current.get(None)
            extra: dict[str, Any] = {}
            if context is not None:
                info = context.info()
                facts = info._logger_details()
                if self.activity_info_on_message:
                    msg = f"{msg} ({facts})"
                if self.activity_info_on_extra:
                    extra["temporal_activity"] = facts
                if self.full_activity_info_on_extra:
                    extra["activity_info"] = info
            kwargs["extra"] = {**extra, **(kwargs.get("extra") or {})}
        return msg, kwargs

    @property
    def base_logger(self) -> logging.Logger:
        """The logger behind it: set levels and handlers there."""
        return self.logger


logger = LoggerAdapter(logging.getLogger("tenuto.activity"), None)
"""The logger for code of activities."""
