"""The error that says arguments are not what they must be. This file must never check anything."""

from typing import Any

from tenuto.exceptions import ApplicationError

PAYLOAD_VALIDATION_ERROR = "PayloadValidationError"


def create_payload_validation_error(details: Any) -> ApplicationError:
    """An error of type ``PayloadValidationError`` that is not tried again. ``details`` say what is wrong, if not None."""
    told = () if details is None else (details,)
    return ApplicationError(
        "Payload validation failed", *told, type=PAYLOAD_VALIDATION_ERROR, non_retryable=True
    )
