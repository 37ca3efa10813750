"""What happens to errors on their way, beyond what both kits do alike."""

import asyncio
import traceback
from typing import Any

import nexusrpc
import pytest

from tenuto.common import RawValue
from tenuto.converter import (
    DataConverter,
    DefaultFailureConverter,
    DefaultFailureConverterWithEncodedAttributes,
    FailureConverter,
    PayloadConverter,
)
from tenuto.converter.failure import show_remote_tracebacks
from tenuto.exceptions import ActivityError, ApplicationError, CancelledError, is_cancelled_exception
from tenuto.wire import common, failure

converter = PayloadConverter.default


def told(error: BaseException, by: FailureConverter = FailureConverter.default) -> failure.Failure:
    made = failure.Failure()
    by.to_failure(error, converter, made)
    return made


def read(message: failure.Failure, by: FailureConverter = FailureConverter.default) -> Any:
    return by.from_failure(message, converter)


def caught(error: Exception, cause: Exception | None = None) -> Exception:
    try:
        if cause is None:
            raise error
        raise error from cause
    except Exception as raised:  # noqa: BLE001
        return raised


def test_the_remote_traceback_is_seen_where_it_is_asked_for() -> None:
    error = caught(read(told(caught(ValueError("far away"), caught(KeyError("root"))))))
    assert not hasattr(error, "__notes__")  # collectors of errors would take it for a part of the message
    show_remote_tracebacks(error)
    text = "".join(traceback.format_exception(error))
    assert text.count("Remote traceback (most recent call last):") == 2
    assert text.count("in caught") >= 3
    assert "ApplicationError: ValueError: far away" in text


def test_an_error_that_passes_through_is_told_on_as_it_came() -> None:
    first = told(caught(ApplicationError("m", 1, type="T")))
    first.source = "GoSDK"
    assert told(caught(read(first), None)) == first
    outer = told(caught(RuntimeError("outer"), read(first)))
    assert outer.cause == first


def test_encoded_attributes_never_leak_when_an_error_passes_through() -> None:
    hiding = DefaultFailureConverterWithEncodedAttributes()
    sent = told(caught(ValueError("secret"), caught(KeyError("root"))), hiding)
    error = read(sent, hiding)
    assert error.message == "secret"
    assert error.cause.message == "'root'"
    again = told(error, hiding)
    assert again.message == again.cause.message == "Encoded failure"
    assert not again.stack_trace
    assert read(again, hiding).message == "secret"


def test_attributes_that_cannot_be_read_leave_the_rest_readable() -> None:
    sent = told(ApplicationError("m", type="T"), DefaultFailureConverterWithEncodedAttributes())
    sent.encoded_attributes.metadata["encoding"] = b"unknown"
    error = read(sent)
    assert (error.message, error.type) == ("Encoded failure", "T")


def test_a_detail_that_cannot_be_read_stays_a_payload() -> None:
    sent = told(ApplicationError("m", 1, 2))
    odd = sent.application_failure_info.details.payloads[1]
    odd.metadata["encoding"] = b"unknown"
    assert read(sent).details == (1, RawValue(odd))


def test_details_that_cannot_be_encoded_are_an_error() -> None:
    with pytest.raises(TypeError):
        told(ApplicationError("m", object()))


def test_notes_and_parts_of_a_group_are_told() -> None:
    noted = caught(ValueError("x"))
    noted.add_note("try again on Monday")
    assert told(noted).stack_trace.endswith("try again on Monday")
    group = told(caught(ExceptionGroup("several", [caught(KeyError("one")), ValueError("two")])))
    assert "KeyError: 'one'" in group.stack_trace
    assert "ValueError: two" in group.stack_trace


def test_a_very_deep_stack_is_told_by_its_ends() -> None:
    def down(depth: int) -> None:
        if depth == 0:
            raise ValueError("bottom")
        further(depth)

    def further(depth: int) -> None:
        down(depth - 1)

    try:
        down(300)
    except ValueError as error:
        stack = told(error).stack_trace
    assert "frames left out" in stack
    assert 'raise ValueError("bottom")' in stack
    assert len(stack) < 20_000


def test_numbers_of_newer_services_are_read_as_unknown() -> None:
    message = failure.Failure(message="m")
    message.activity_failure_info.retry_state = 99  # type: ignore[assignment]
    assert read(message).retry_state is None
    message.timeout_failure_info.timeout_type = 99  # type: ignore[assignment]
    assert read(message).type is None
    message.application_failure_info.category = 99  # type: ignore[assignment]
    assert read(message).category == 0


def test_cancellation_is_recognised_through_an_activity() -> None:
    message = failure.Failure(message="activity", cause=failure.Failure(message="Cancelled"))
    message.activity_failure_info.activity_id = "1"
    message.cause.canceled_failure_info.SetInParent()
    error = read(message)
    assert isinstance(error, ActivityError)
    assert isinstance(error.cause, CancelledError)
    assert is_cancelled_exception(error)
    assert not is_cancelled_exception(ApplicationError("x"))


@pytest.mark.parametrize("retryable", [None, True, False])
def test_errors_of_nexus_handlers_come_back(retryable: bool | None) -> None:
    error = nexusrpc.HandlerError(
        "he", type=nexusrpc.HandlerErrorType.NOT_FOUND, retryable_override=retryable
    )
    message = told(caught(error))
    assert message.nexus_handler_failure_info.type == "NOT_FOUND"
    back = read(message)
    assert isinstance(back, nexusrpc.HandlerError)
    assert (back.message, back.type, back.retryable_override) == (
        "he",
        nexusrpc.HandlerErrorType.NOT_FOUND,
        retryable,
    )
    assert told(back).nexus_handler_failure_info == message.nexus_handler_failure_info


def test_an_unknown_error_of_a_nexus_handler_is_an_internal_one_and_keeps_its_name_when_sent_on() -> None:
    message = failure.Failure(message="he")
    message.nexus_handler_failure_info.type = "NEW_KIND"
    back = read(message)
    assert isinstance(back, nexusrpc.HandlerError)
    assert back.type is nexusrpc.HandlerErrorType.INTERNAL
    assert told(back).nexus_handler_failure_info.type == "NEW_KIND"


def test_the_data_converter_uses_its_failure_converter() -> None:
    class Loud(DefaultFailureConverter):
        def to_failure(
            self, exception: BaseException, payload_converter: PayloadConverter, failure: failure.Failure
        ) -> None:
            super().to_failure(exception, payload_converter, failure)
            failure.message = failure.message.upper()

    loud = DataConverter(failure_converter_class=Loud)
    made = failure.Failure()
    asyncio.run(loud.encode_failure(ValueError("quiet"), made))
    assert made.message == "QUIET"
    assert str(asyncio.run(loud.decode_failure(made))) == "ValueError: QUIET"


def test_payloads_of_raw_details_are_not_copied_away() -> None:
    payload = common.Payload(metadata={"encoding": b"json/plain"}, data=b"1")
    assert read(told(ApplicationError("m", RawValue(payload)))).details == (1,)


def _raised(error: Exception, *, hide: bool = False) -> Exception:
    try:
        try:
            raise KeyError("first")
        except KeyError:
            if hide:
                raise error from None
            raise error  # noqa: B904 - the very thing that is tested
    except (ApplicationError, ValueError) as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "hide", "told"),
    [
        (ApplicationError("then"), False, True),
        (ApplicationError("then"), True, False),
        (ValueError("then"), False, False),
    ],
)
def test_what_was_being_handled_when_an_error_was_raised_is_its_cause(
    error: Exception, hide: bool, told: bool
) -> None:
    made = failure.Failure()
    DefaultFailureConverter().to_failure(_raised(error, hide=hide), PayloadConverter.default, made)
    assert made.HasField("cause") is told
