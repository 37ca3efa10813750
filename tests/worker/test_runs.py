"""Workflow tasks against a real service in this process: what is kept, what is fetched, what is sent."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from tenuto import activity, workflow
from tenuto.converter import (
    ActivitySerializationContext,
    DataConverter,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
)
from tenuto.runtime import MetricBuffer, Runtime, TelemetryConfig
from tenuto.transport.errors import RPCError
from tenuto.wire import common, enums_event, enums_failed
from tests.worker.town import Eager, Town, in_town

SOON = timedelta(seconds=5)
COMPLETED = enums_event.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
FAILED = enums_event.EVENT_TYPE_WORKFLOW_TASK_FAILED
HISTORY = "GetWorkflowExecutionHistory"
ANSWER = "RespondWorkflowTaskCompleted"


@workflow.defn
class Adds:
    @workflow.run
    async def run(self, number: int) -> int:
        return number + 1


@workflow.defn
class Echoes:
    def __init__(self) -> None:
        self.last = -1

    @workflow.run
    async def run(self, count: int) -> int:
        for number in range(count):
            self.last = await workflow.execute_activity("echo", number, start_to_close_timeout=SOON)
        return self.last

    @workflow.query
    def at(self) -> int:
        return self.last


@workflow.defn
class EchoesAtOnce:
    @workflow.run
    async def run(self, count: int) -> list[int]:
        asked = [workflow.start_activity("echo", n, start_to_close_timeout=SOON) for n in range(count)]
        return list(await asyncio.gather(*asked))


@workflow.defn
class Waits:
    def __init__(self) -> None:
        self.got: list[str] = []
        self.open = True

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.wait_condition(lambda: not self.open)
        return self.got

    @workflow.signal
    def add(self, text: str) -> None:
        self.got.append(text)

    @workflow.signal
    def close(self) -> None:
        self.open = False

    @workflow.query
    def so_far(self) -> list[str]:
        return self.got

    @workflow.query
    def broken(self) -> str:
        raise ValueError("no answer")

    @workflow.update
    async def push(self, text: str) -> int:
        self.got.append(text)
        return len(self.got)

    @push.validator
    def check(self, text: str) -> None:
        if not text:
            raise ValueError("empty")


@workflow.defn(name="Waits")
class WaitsOtherwise:
    @workflow.run
    async def run(self) -> None:
        await asyncio.sleep(100)

    @workflow.signal(dynamic=True)
    def any(self, name: str, *args: Any) -> None:
        pass


@activity(local=True, durable=True, name="echo")
async def echo(number: int) -> int:
    return number


@workflow.defn
class Steps:
    @workflow.run
    async def run(self, count: int) -> int:
        total = 0
        for number in range(count):
            total += await echo(number)
        return total


@workflow.defn
class Local:
    @workflow.run
    async def run(self, name: str) -> str:
        first: str = await workflow.execute_local_activity("echo", "first ", start_to_close_timeout=SOON)
        second: str = await workflow.execute_local_activity(name, "second", start_to_close_timeout=SOON)
        return first + second

    @workflow.signal
    def nudge(self) -> None:
        pass


@workflow.defn
class Breaks:
    @workflow.run
    async def run(self) -> None:
        raise ValueError("not a failure of the workflow")


class Backwards(PayloadCodec):
    """Bytes in reverse: nobody reads them by mistake."""

    async def encode(self, payloads: Sequence[common.Payload]) -> list[common.Payload]:
        return [
            common.Payload(metadata={"encoding": b"backwards"}, data=payload.SerializeToString()[::-1])
            for payload in payloads
        ]

    async def decode(self, payloads: Sequence[common.Payload]) -> list[common.Payload]:
        return [
            common.Payload.FromString(payload.data[::-1])
            if payload.metadata["encoding"] == b"backwards"
            else payload
            for payload in payloads
        ]


class Refuses(Backwards):
    async def decode(self, payloads: Sequence[common.Payload]) -> list[common.Payload]:
        raise RuntimeError("no key")


BACKWARDS = DataConverter(payload_codec=Backwards())


@workflow.defn(sandboxed=False)
class Blocks:
    gate = threading.Event()

    @workflow.run
    async def run(self) -> None:
        self.gate.wait()


@workflow.defn
class Spins:
    @workflow.run
    async def run(self) -> None:
        while True:
            pass


@in_town(Adds)
async def test_a_workflow_ends_with_its_result(town: Town) -> None:
    assert await town.result(await town.start("Adds", 3)) == 4
    await town.runs.drain()
    assert town.runs.cached == 0


@in_town(Echoes)
async def test_a_run_in_memory_needs_no_history_again(town: Town) -> None:
    assert await town.result(await town.start("Echoes", 5)) == 4
    assert not town.requests(HISTORY)
    assert len(town.requests(ANSWER)) == 6


@in_town(Waits)
async def test_a_run_that_was_dropped_is_rebuilt(town: Town) -> None:
    workflow_id = await town.start("Waits")
    for text in "abc":
        await town.signal(workflow_id, "add", text)
        await town.until(lambda: bool(town.runs.cached))
        await town.runs.drain()
        town.runs.evict_all()
    await town.signal(workflow_id, "close")
    assert await town.result(workflow_id) == ["a", "b", "c"]
    assert town.requests(HISTORY)


@in_town(Waits, max_cached=1)
async def test_the_least_recently_used_run_makes_room(town: Town) -> None:
    first, second = await town.start("Waits"), await town.start("Waits")
    for text in "ab":
        for workflow_id in (first, second):
            await town.signal(workflow_id, "add", text)
    assert await town.query(first, "so_far") == ["a", "b"]
    assert await town.query(second, "so_far") == ["a", "b"]
    await town.runs.drain()
    assert town.runs.cached == 1
    for workflow_id in (first, second):
        await town.signal(workflow_id, "close")
        assert await town.result(workflow_id) == ["a", "b"]


@in_town(Echoes, Steps, max_cached=0)
async def test_without_a_cache_every_task_comes_with_everything(town: Town) -> None:
    assert await town.result(await town.start("Echoes", 3)) == 2
    assert await town.result(await town.start("Steps", 3)) == 3
    assert not any(request.HasField("sticky_attributes") for request in town.requests(ANSWER))
    await town.runs.drain()
    assert town.runs.cached == 0


@in_town(Steps)
async def test_a_durable_step_costs_one_call(town: Town) -> None:
    workflow_id = await town.start("Steps", 10)
    assert await town.result(workflow_id) == 45
    assert len(town.requests(ANSWER)) == 10
    assert (await town.kinds(workflow_id)).count(enums_event.EVENT_TYPE_MARKER_RECORDED) == 10
    assert town.echo_activities.began == ["echo"] * 10


@in_town(Local)
async def test_local_activities_share_a_workflow_task(town: Town) -> None:
    workflow_id = await town.start("Local", "echo")
    assert await town.result(workflow_id) == "first second"
    assert len(town.requests(ANSWER)) == 1


@in_town(Local, virtual=True)
async def test_a_workflow_task_is_kept_alive_for_slow_local_activities(town: Town) -> None:
    workflow_id = await town.start("Local", "slow", task_seconds=1)
    await town.until(lambda: "slow" in town.echo_activities.began)
    await town.signal(workflow_id, "nudge")
    assert await town.result(workflow_id) == "first second"
    forced = [request.force_create_new_workflow_task for request in town.requests(ANSWER)]
    assert forced[0]
    assert not forced[-1]
    assert town.echo_activities.began == ["echo", "slow"]


@in_town(Waits)
async def test_queries_are_answered_live_rebuilt_and_after_the_end(town: Town) -> None:
    workflow_id = await town.start("Waits")
    await town.signal(workflow_id, "add", "a")
    assert await town.query(workflow_id, "so_far") == ["a"]
    await town.runs.drain()
    town.runs.evict_all()
    assert await town.query(workflow_id, "so_far") == ["a"]
    with pytest.raises(RPCError, match="no answer"):
        await town.query(workflow_id, "broken")
    await town.signal(workflow_id, "close")
    await town.result(workflow_id)
    assert await town.query(workflow_id, "so_far") == ["a"]


@in_town(Waits, polled=False)
async def test_a_query_that_comes_with_a_task_is_answered_with_it(town: Town) -> None:
    workflow_id = await town.start("Waits")
    await town.runs.handle(await town.task())
    await town.signal(workflow_id, "add", "a")
    asked = asyncio.get_running_loop().create_task(town.query(workflow_id, "so_far"))
    for _ in range(100):
        await asyncio.sleep(0)
    await town.runs.handle(await town.task())
    assert await asked == ["a"]
    assert len(town.requests(ANSWER)[-1].query_results) == 1
    assert not town.requests("RespondQueryTaskCompleted")


@in_town(Waits)
async def test_updates_are_answered_and_refused_ones_leave_no_trace(town: Town) -> None:
    workflow_id = await town.start("Waits")
    assert await town.update(workflow_id, "push", "a") == 1
    before = await town.kinds(workflow_id)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="empty"):
            await town.update(workflow_id, "push", "")
    assert await town.kinds(workflow_id) == before
    assert await town.update(workflow_id, "push", "b") == 2
    await town.signal(workflow_id, "close")
    assert await town.result(workflow_id) == ["a", "b"]
    assert not town.requests(HISTORY), "tasks that were rolled back are no reason to start over"


@in_town(Adds)
async def test_a_type_that_nobody_knows_fails_the_task_and_names_the_known(town: Town) -> None:
    workflow_id = await town.start("Multiplies", 3)
    await town.until(lambda: bool(town.requests("RespondWorkflowTaskFailed")))
    await town.runs.drain()
    failed = next(event for event in await town.history(workflow_id) if event.event_type == FAILED)
    told = failed.workflow_task_failed_event_attributes
    assert told.cause == enums_failed.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE
    assert told.failure.message == (
        "Workflow class Multiplies is not registered on this worker, available workflows: Adds"
    )
    assert told.failure.application_failure_info.type == "NotFoundError"


@contextlib.contextmanager
def lines_of(name: str) -> Iterator[list[logging.LogRecord]]:
    lines: list[logging.LogRecord] = []
    catch = logging.Handler()
    vars(catch)["emit"] = lines.append
    logging.getLogger(name).addHandler(catch)
    try:
        yield lines
    finally:
        logging.getLogger(name).removeHandler(catch)


@in_town(Breaks, polled=False)
async def test_a_failing_task_is_reported_once_and_then_left_to_time_out(town: Town) -> None:
    workflow_id = await town.start("Breaks", task_seconds=1)
    first = await town.task()
    with lines_of("tenuto.worker") as lines:
        await town.runs.handle(first)
    (line,) = [line for line in lines if line.getMessage().startswith("Failed workflow task")]
    assert vars(line)["__temporal_error_identifier"] == "WorkflowTaskFailure"
    assert vars(line)["temporal_workflow"]["workflow_id"] == workflow_id
    second = await town.task()
    await town.runs.handle(second)
    assert (first.attempt, second.attempt) == (1, 2)
    assert len(town.requests("RespondWorkflowTaskFailed")) == 1
    assert town.runs.cached == 0


@in_town(Waits)
async def test_other_code_than_history_tells_of_is_found_out(town: Town) -> None:
    workflow_id = await town.start("Waits")
    assert await town.update(workflow_id, "push", "a") == 1
    await town.runs.drain()
    town.runs.evict_all()
    town.runs = town.worker(WaitsOtherwise)
    await town.signal(workflow_id, "add", "b")
    await town.until(lambda: bool(town.requests("RespondWorkflowTaskFailed")))
    (failed,) = town.requests("RespondWorkflowTaskFailed")
    assert failed.cause == enums_failed.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
    assert "[TMPRL1100]" in failed.failure.message


@in_town(Spins, deadlock_timeout=timedelta(seconds=0.2))
async def test_code_that_does_not_yield_fails_its_task(town: Town) -> None:
    await town.start("Spins")
    await town.until(lambda: bool(town.requests("RespondWorkflowTaskFailed")))
    (failed,) = town.requests("RespondWorkflowTaskFailed")
    assert failed.failure.message == (
        "[TMPRL1101] Potential deadlock detected: workflow didn't yield within 0.2 second(s)."
    )
    assert "in run" in failed.failure.stack_trace


@in_town(Blocks, Adds, deadlock_timeout=timedelta(seconds=0.2), executor=ThreadPoolExecutor(2))
async def test_on_threads_of_their_own_blocked_code_stops_nobody_else(town: Town) -> None:
    Blocks.gate.clear()
    try:
        await town.start("Blocks")
        await town.until(lambda: bool(town.requests("RespondWorkflowTaskFailed")))
        (failed,) = town.requests("RespondWorkflowTaskFailed")
        assert "[TMPRL1101]" in failed.failure.message
        assert "gate.wait" in failed.failure.stack_trace
        assert await town.result(await town.start("Adds", 1)) == 2
    finally:
        Blocks.gate.set()


@in_town(EchoesAtOnce, eager=Eager(free=2))
async def test_activities_start_with_the_answer_as_far_as_there_is_room(town: Town) -> None:
    eager: Eager = town._options["eager"]
    assert await town.result(await town.start("EchoesAtOnce", 5)) == [0, 1, 2, 3, 4]
    asked = [
        made.schedule_activity_task_command_attributes.request_eager_execution
        for made in town.requests(ANSWER)[0].commands
    ]
    assert asked == [True, True, False, False, False]
    assert eager.started == ["echo", "echo"]
    assert eager.free == 2


@in_town(EchoesAtOnce, eager=Eager(), max_eager=1)
async def test_only_so_many_activities_start_with_one_answer(town: Town) -> None:
    assert await town.result(await town.start("EchoesAtOnce", 3)) == [0, 1, 2]
    assert town._options["eager"].started == ["echo"]


@in_town(Echoes)
async def test_history_says_once_which_framework_works_on_a_run(town: Town) -> None:
    await town.result(await town.start("Echoes", 2))
    told = [request.sdk_metadata for request in town.requests(ANSWER)]
    assert [metadata.sdk_name for metadata in told] == ["tenuto", "", ""]
    assert list(told[0].core_used_flags)[:3] == [1, 2, 3]
    assert not told[1].core_used_flags


@in_town(Waits, polled=False)
async def test_what_was_overtaken_by_a_signal_is_done_again(town: Town) -> None:
    workflow_id = await town.start("Waits")
    await town.signal(workflow_id, "close")
    task = await town.task()
    await town.signal(workflow_id, "add", "late")
    await town.runs.handle(task)
    assert FAILED in await town.kinds(workflow_id)
    await town.runs.handle(await town.task())
    assert await town.result(workflow_id) == ["late"]


@in_town(Waits, polled=False)
async def test_an_answer_that_comes_too_late_drops_the_run(town: Town) -> None:
    await town.start("Waits", task_seconds=1)
    late = await town.task()
    again = await town.task()
    await town.runs.handle(late)
    assert town.runs.cached == 0
    await town.runs.handle(again)
    assert town.runs.cached == 1


@in_town(Waits, polled=False)
async def test_a_query_sees_nothing_of_a_task_that_somebody_else_is_at(town: Town) -> None:
    workflow_id = await town.start("Waits", task_seconds=1)
    await town.runs.handle(await town.task())
    asked = asyncio.get_running_loop().create_task(town.query(workflow_id, "so_far"))
    question = await town.task("sticky", 2)
    town.runs.evict_all()
    await town.signal(workflow_id, "add", "a")
    await town.signal(workflow_id, "close")
    await town.task("sticky", 2)  # and its worker dies
    await town.runs.handle(question)
    assert await asked == []
    await town.runs.handle(await town.task())
    assert await town.result(workflow_id) == ["a"]


@in_town(Waits, polled=False)
async def test_one_task_at_a_time_and_the_latest_counts(town: Town) -> None:
    workflow_id = await town.start("Waits")
    task = await town.task()
    logging.getLogger("tenuto.worker").setLevel(logging.ERROR)
    await asyncio.gather(*(town.runs.handle(task) for _ in range(4)))
    logging.getLogger("tenuto.worker").setLevel(logging.NOTSET)
    assert len(town.requests(ANSWER)) == 2, "the first, and the last of those that waited"
    assert (await town.kinds(workflow_id)).count(COMPLETED) == 1


@in_town(Waits)
async def test_draining_waits_for_what_is_at_work(town: Town) -> None:
    await town.runs.drain()
    workflow_id = await town.start("Waits")
    await town.until(lambda: bool(town.sent))
    await town.runs.drain()
    assert town.runs.cached == 1
    town.runs.evict_all()
    assert town.runs.cached == 0
    await town.signal(workflow_id, "close")
    assert await town.result(workflow_id) == []


@in_town(Echoes, Steps, Waits, converter=BACKWARDS)
async def test_a_codec_sees_everything_that_comes_and_goes(town: Town) -> None:
    echoes, steps, waits = [await town.start(*what) for what in (("Echoes", 2), ("Steps", 2), ("Waits",))]
    assert await town.result(echoes) == 1
    assert await town.query(echoes, "at") == 1
    assert await town.result(steps) == 1
    assert await town.update(waits, "push", "secret") == 1
    await town.runs.drain()
    town.runs.evict_all()
    await town.signal(waits, "add", "too")
    await town.signal(waits, "close")
    assert await town.result(waits) == ["secret", "too"]
    for workflow_id in (echoes, steps, waits):
        assert not any(b"secret" in event.SerializeToString() for event in await town.history(workflow_id))


class Sealed(Backwards, WithSerializationContext):
    """Writes on the seal who it is for, and opens nobody else's."""

    def __init__(self, whose: str = "nobody") -> None:
        self.whose = whose

    def with_context(self, context: SerializationContext) -> "Sealed":
        whose = f"workflow {getattr(context, 'workflow_id', None)}"
        if isinstance(context, ActivitySerializationContext):
            whose = f"activity {context.activity_id} {context.activity_type} {context.is_local} of {whose}"
        return Sealed(whose)

    async def encode(self, payloads: Sequence[common.Payload]) -> list[common.Payload]:
        made = await super().encode(payloads)
        for payload in made:
            payload.metadata["for"] = self.whose.encode()
        return made

    async def decode(self, payloads: Sequence[common.Payload]) -> list[common.Payload]:
        for payload in payloads:
            assert payload.metadata["for"] in (self.whose.encode(), b""), f"{self.whose} opens {payload}"
        return await super().decode(payloads)


@in_town(Echoes, Local, converter=DataConverter(payload_codec=Sealed()))
async def test_a_codec_is_told_whose_payloads_it_sees(town: Town) -> None:
    assert await town.result(await town.start("Echoes", 2)) == 1
    assert await town.result(await town.start("Local", "echo")) == "first second"


@in_town(Adds, polled=False)
async def test_a_codec_that_fails_fails_the_task(town: Town) -> None:
    await town.start("Adds", 1)
    town.converter = DataConverter(payload_codec=Refuses())
    await town.worker(Adds).handle(await town.task())
    (failed,) = town.requests("RespondWorkflowTaskFailed")
    assert failed.failure.message == "no key"


METRICS = MetricBuffer(10_000)
MEASURED = Runtime(telemetry=TelemetryConfig(metrics=METRICS))


@in_town(Waits, max_cached=1, metric_meter=MEASURED.metric_meter)
async def test_what_happens_to_runs_is_counted(town: Town) -> None:
    first, second = await town.start("Waits"), await town.start("Waits")
    await town.until(lambda: len(town.requests(ANSWER)) == 2)
    for workflow_id in (first, second):
        await town.signal(workflow_id, "close")
        await town.result(workflow_id)
    await town.runs.drain()
    seen = [update.metric.name for update in METRICS.retrieve_updates()]
    assert seen.count("temporal_workflow_completed") == 2
    assert seen.count("temporal_sticky_cache_miss") == 1
    assert seen.count("temporal_sticky_cache_total_forced_eviction") >= 1


@in_town(Waits)
async def test_an_update_of_a_run_that_was_dropped_comes_after_its_history(town: Town) -> None:
    workflow_id = await town.start("Waits")
    for number, text in enumerate("abc", 1):
        assert await town.update(workflow_id, "push", text) == number
        await town.runs.drain()
        town.runs.evict_all()
        with pytest.raises(RuntimeError, match="empty"):
            await town.update(workflow_id, "push", "")
    await town.signal(workflow_id, "close")
    assert await town.result(workflow_id) == ["a", "b", "c"]
    assert not town.requests("RespondWorkflowTaskFailed")
