"""What is too large for the service, or comes near to it: who says so, and what becomes of it."""

import asyncio
import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from tenuto import activity, workflow
from tenuto.client import Client, PayloadLimitsConfig, WorkflowFailureError
from tenuto.common import RetryPolicy
from tenuto.exceptions import ActivityError, ApplicationError
from tenuto.transport.sizes import Limits, Measured, beyond, measure
from tenuto.wire import command, common, enums_failed, failure, workflowservice
from tenuto.worker import Worker

from .house import new_id

SOON = timedelta(seconds=10)
FULL = 2 * 1024 * 1024
TOO_MUCH = FULL + 1024


@activity.defn
async def make(size: int) -> str:
    return "r" * size


@activity.defn
async def beat(size: int) -> str:
    activity.heartbeat("h" * size)
    await asyncio.sleep(10)
    return "not told"


@activity.defn
async def take(text: str) -> int:
    return len(text)


@workflow.defn
class Large:
    @workflow.run
    async def run(self, how: str, size: int, pad: str = "") -> str:
        once = RetryPolicy(maximum_attempts=1)
        if how in ("make", "beat"):
            await workflow.execute_activity(
                how, size, start_to_close_timeout=SOON, heartbeat_timeout=SOON, retry_policy=once
            )
        if how == "take":
            await workflow.execute_activity(take, "i" * size, start_to_close_timeout=SOON)
        if how == "memo":
            await workflow.execute_child_workflow(Large.run, args=["", 0], memo={"m": "x" * size})
        if how == "fail":
            raise ApplicationError("x", "d" * size)
        return "o" * size if how == "out" else "ok"

    @workflow.query
    def told(self, size: int) -> str:
        return "q" * size


@contextmanager
def lines() -> Iterator[list[logging.LogRecord]]:
    """What is logged meanwhile."""
    found: list[logging.LogRecord] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record)

    keeper, logger = Keeper(), logging.getLogger("tenuto.payload_limits")
    logger.addHandler(keeper)
    try:
        yield found
    finally:
        logger.removeHandler(keeper)


async def _open(limits: PayloadLimitsConfig | None = None) -> Client:
    return await Client.connect(
        f"memory://{uuid.uuid4().hex}", payload_limits=limits or PayloadLimitsConfig()
    )


def _worker(client: Client, **options: Any) -> Worker:
    return Worker(client, task_queue="q", workflows=[Large], activities=[make, beat, take], **options)


@pytest.mark.parametrize(
    ("how", "what", "path"),
    [
        ("out", "payloads", "complete_workflow_execution_command_attributes.result"),
        ("take", "payloads", "schedule_activity_task_command_attributes.input"),
        ("memo", "memo", "start_child_workflow_execution_command_attributes.memo"),
        ("fail", "payloads", "fail_workflow_execution_command_attributes.failure"),
    ],
)
def test_an_answer_with_too_large_a_value_fails_the_workflow_task(how: str, what: str, path: str) -> None:
    async def story() -> None:
        async with await _open() as client:
            with lines() as told:
                async with _worker(client):
                    handle = await client.start_workflow(
                        Large.run, args=[how, TOO_MUCH], id=new_id(), task_queue="q"
                    )
                    failed = None
                    while failed is None:
                        await asyncio.sleep(0.01)
                        for event in (await handle.fetch_history()).events:
                            if event.HasField("workflow_task_failed_event_attributes"):
                                failed = event.workflow_task_failed_event_attributes
                    await handle.terminate()
            text = f"[TMPRL1103] Attempted to upload {what} with size that exceeded the error limit."
            assert failed.cause == enums_failed.WORKFLOW_TASK_FAILED_CAUSE_PAYLOADS_TOO_LARGE
            assert failed.failure.message == text
            assert failed.failure.application_failure_info.type == "PayloadsTooLarge"
            errors = [line.getMessage() for line in told if line.levelno == logging.ERROR]
            assert errors and errors[0].startswith(f"{text} commands[0].{path} has 2")

    asyncio.run(story())


@pytest.mark.parametrize("how", ["make", "beat"])
def test_an_attempt_with_too_large_a_value_fails(how: str) -> None:
    async def story() -> BaseException | None:
        async with await _open() as client, _worker(client):
            with pytest.raises(WorkflowFailureError) as raised:
                await client.execute_workflow(Large.run, args=[how, TOO_MUCH], id=new_id(), task_queue="q")
            return raised.value.cause

    cause = asyncio.run(story())
    assert isinstance(cause, ActivityError)
    assert isinstance(cause.cause, ApplicationError)
    assert (cause.cause.type, cause.cause.non_retryable) == ("PayloadsTooLarge", False)
    assert cause.cause.message.startswith("[TMPRL1103] Attempted to upload payloads")


def test_a_worker_may_leave_it_to_the_service() -> None:
    async def story() -> None:
        async with await _open() as client, _worker(client, disable_payload_error_limit=True):
            with lines() as told, pytest.raises(WorkflowFailureError):
                await client.execute_workflow(Large.run, args=["take", TOO_MUCH], id=new_id(), task_queue="q")
            assert {line.levelno for line in told} == {logging.WARNING}

    asyncio.run(story())


def test_whoever_comes_near_to_a_limit_is_warned() -> None:
    async def story() -> None:
        async with await _open(PayloadLimitsConfig(payloads_warn_size=5000, memo_warn_size=1000)) as client:
            async with _worker(client):
                for options, texts in (
                    ({"args": ["out", 6000]}, ["payloads commands[0].complete_workflow_execution"]),
                    ({"args": ["", 0, "p" * 6000]}, ["payloads input of StartWorkflowExecution"]),
                    ({"args": ["", 0], "memo": {"m": "x" * 2000}}, ["memo memo of StartWorkflowExecution"]),
                    ({"args": ["", 0, "p" * 4000]}, []),
                    ({"args": ["", 0], "static_details": "p" * 6000}, []),
                ):
                    with lines() as told:
                        assert await client.execute_workflow(
                            Large.run, id=new_id(), task_queue="q", **options
                        )
                    seen = [line.getMessage() for line in told]
                    assert len(seen) == len(texts)
                    for text, line in zip(texts, seen, strict=True):
                        what, _, where = text.partition(" ")
                        assert line.startswith(
                            f"[TMPRL1103] Attempted to upload {what} with size that exceeded the warning limit. {where}"
                        )
                    assert all(line.levelno == logging.WARNING for line in told)

    asyncio.run(story())


def test_by_default_half_a_mebibyte_is_much_and_two_kibibytes_of_memo() -> None:
    async def story() -> list[str]:
        async with await _open() as client:
            with lines() as told:
                for size, memo in ((500 * 1024, 1900), (513 * 1024, 2100)):
                    await client.start_workflow(
                        "any", "x" * size, id=new_id(), task_queue="q", memo={"m": "x" * memo}
                    )
            return [line.getMessage().split()[4] for line in told]

    assert asyncio.run(story()) == ["payloads", "memo"]


def test_what_users_send_is_measured_field_by_field() -> None:
    value = common.Payloads(payloads=[common.Payload(data=b"x" * 100), common.Payload(data=b"y" * 100)])
    request = workflowservice.RespondWorkflowTaskCompletedRequest(identity="i" * 1000)
    made = command.Command()
    made.record_marker_command_attributes.details["a"].CopyFrom(value)
    made.record_marker_command_attributes.failure.CopyFrom(failure.Failure(message="m" * 50))
    made.user_metadata.details.data = b"d" * 1000
    made.record_marker_command_attributes.header.fields["h"].data = b"h" * 1000
    request.commands.append(made)
    request.query_results["q"].answer.CopyFrom(value)
    place = "commands[0].record_marker_command_attributes"
    assert sorted(measure(request), key=lambda each: each.path) == [
        Measured(f"{place}.details['a']", False, value.ByteSize()),
        Measured(f"{place}.failure", False, 52),
        Measured("query_results['q'].answer", False, value.ByteSize()),
    ]
    assert beyond(request, Limits(payloads=value.ByteSize())) is None
    found = beyond(request, Limits(payloads=100, memo=10))
    assert found is not None and found.size == value.ByteSize()
    assert beyond(request, Limits()) is None
