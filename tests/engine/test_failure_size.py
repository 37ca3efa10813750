"""Failures cut to size."""

from tenuto.engine import failure_size
from tenuto.limits import LIMITS
from tenuto.wire import common, failure


def application(message: str, **fields: object) -> failure.Failure:
    result = failure.Failure(message=message, source="src", **fields)  # type: ignore[arg-type]
    result.application_failure_info.type = "Ty"
    return result


def test_a_small_failure_is_kept_as_it_is() -> None:
    small = application("m" * 4070)
    assert failure.Failure.FromString(failure_size.retained(small)) == small
    assert failure_size.retained(None) == b""
    assert failure_size.accepted(small) is None


def test_a_large_failure_is_kept_inside_one_that_says_so() -> None:
    large = application("m" * 5000, stack_trace="s" * 5000)
    kept = failure.Failure.FromString(failure_size.retained(large))
    assert kept.message == "Failure exceeds size limit."
    assert kept.HasField("server_failure_info") and not kept.server_failure_info.non_retryable
    assert kept.cause.message == "m" * 4075
    assert kept.cause.stack_trace == ""
    assert kept.cause.application_failure_info.type == "Ty"


def test_causes_are_kept_as_far_as_they_fit() -> None:
    large = application("m" * 100, stack_trace="s" * 100)
    large.cause.CopyFrom(application("i" * 5000))
    kept = failure_size.truncate(large, 4096)
    assert kept.ByteSize() <= 4096
    assert (kept.message, kept.stack_trace) == (large.message, large.stack_trace)
    assert 3500 < len(kept.cause.message) < 4000


def test_details_are_dropped_but_the_verdict_is_not() -> None:
    large = application("m")
    large.application_failure_info.non_retryable = True
    large.application_failure_info.details.CopyFrom(
        common.Payloads(payloads=[common.Payload(data=b"x" * 5000)])
    )
    kept = failure_size.truncate(large, 4096)
    assert kept.application_failure_info.non_retryable
    assert not kept.application_failure_info.HasField("details")


def test_text_is_cut_between_characters() -> None:
    kept = failure_size.truncate(application("é" * 3000), 4096)
    assert kept.message == "é" * 2037


def test_a_reported_failure_above_the_blob_limit_is_replaced() -> None:
    replaced = failure_size.accepted(application("m" * LIMITS.blob_bytes))
    assert replaced is not None
    assert replaced.message == "Failure exceeds size limit."
    assert replaced.server_failure_info.non_retryable
    assert replaced.cause.ByteSize() <= LIMITS.blob_bytes // 4
