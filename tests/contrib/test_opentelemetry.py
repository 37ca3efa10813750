"""Traces: the spans are those of the official interceptors, they cross SDKs, and a replay tells none again."""

import asyncio
import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, ParamSpec

import pytest

pytest.importorskip("opentelemetry.sdk")

import opentelemetry.trace
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import tenuto
from tenuto import activity, workflow
from tenuto.contrib.opentelemetry import (
    MetricsExporter,
    OpenTelemetryPlugin,
    ReplaySafeLoggerProvider,
    ReplaySafeMeterProvider,
    ReplaySafeTracerProvider,
    create_tracer_provider,
)
from tenuto.runtime import MetricBuffer, Runtime, TelemetryConfig
from tests.oracle.harness import real_server

ROOT = Path(__file__).resolve().parents[2]
P = ParamSpec("P")


def settled(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """An async test, run on a loop of its own."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), 30))

    return run


@pytest.fixture(scope="module")
def real() -> Iterator[str]:
    with real_server() as address:
        yield address


def _played(client: str, worker: str, kind: str, address: str) -> Any:
    command = [sys.executable, "-m", "tests.contrib.tracing_program", client, worker, kind, address]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=120, cwd=ROOT, env=environment, check=False
    )
    assert ended.stdout, ended.stderr[-3000:]
    return json.loads(ended.stdout.splitlines()[-1])


@pytest.mark.oracle
@pytest.mark.parametrize("kind", ["legacy", "plugin", "plugin-with-spans"])
def test_spans_are_those_of_the_official_interceptors(kind: str, real: str) -> None:
    assert _played("tenuto", "tenuto", kind, real) == _played("temporalio", "temporalio", kind, real)


@pytest.mark.oracle
def test_traces_go_on_across_sdks(real: str) -> None:
    whole = _played("tenuto", "tenuto", "legacy", real)
    assert _played("temporalio", "tenuto", "legacy", real) == whole
    assert _played("tenuto", "temporalio", "legacy", real) == whole


# ---- with a replay-safe provider ------------------------------------------------------------------------------------------


@activity
async def work() -> str:
    with opentelemetry.trace.get_tracer("test").start_as_current_span("at work"):
        return "done"


attempts: list[int] = []


@workflow.defn
class Errand:
    @workflow.run
    async def run(self) -> str:
        tracer = opentelemetry.trace.get_tracer("test")
        with tracer.start_as_current_span("errand"):
            with tracer.start_as_current_span("first"):
                await workflow.sleep(0.01)
            await workflow.sleep(0.01)
            try:
                with tracer.start_as_current_span("handled"):
                    raise KeyError("handled")
            except KeyError:
                pass
            attempts.append(1)
            if len(attempts) == 1:
                with tracer.start_as_current_span("fails the task"):
                    raise RuntimeError("once")
            return await workflow.execute_activity(work, start_to_close_timeout=timedelta(seconds=5))

    @workflow.query
    def fails(self) -> str:
        raise KeyError("no answer")


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    found = opentelemetry.trace.get_tracer_provider()
    if not isinstance(found, ReplaySafeTracerProvider):
        found = create_tracer_provider()
        opentelemetry.trace.set_tracer_provider(found)
    made = InMemorySpanExporter()
    found.add_span_processor(SimpleSpanProcessor(made))
    return made


@settled
async def test_a_span_is_told_once_though_its_code_runs_often(exporter: InMemorySpanExporter) -> None:
    exporter.clear()
    attempts.clear()
    async with tenuto.open(
        "memory://",
        workflows=[Errand],
        activities=[work],
        plugins=[OpenTelemetryPlugin()],
        worker={"max_cached_workflows": 0},
    ) as app:
        with opentelemetry.trace.get_tracer("test").start_as_current_span("program"):
            handle = await app.client.start_workflow(Errand.run, id="errand", task_queue="default")
            assert await handle.result() == "done"
    spans = {span.name: span for span in exporter.get_finished_spans()}
    names = [span.name for span in exporter.get_finished_spans()]
    assert sorted(names) == ["at work", "errand", "first", "handled", "program"]

    def parent(name: str) -> int | None:
        above = spans[name].parent
        return above.span_id if above else None

    def own(name: str) -> int:
        here = spans[name].context
        assert here is not None
        return int(here.span_id)

    assert parent("errand") == own("program")
    assert parent("at work") == parent("first") == own("errand")
    assert (spans["errand"].end_time or 0) - (spans["errand"].start_time or 0) >= 10_000_000


@settled
async def test_a_query_that_fails_is_told(exporter: InMemorySpanExporter) -> None:
    attempts[:] = [1, 1]
    async with tenuto.open(
        "memory://",
        workflows=[Errand],
        activities=[work],
        plugins=[OpenTelemetryPlugin(add_temporal_spans=True)],
    ) as app:
        handle = await app.client.start_workflow(Errand.run, id="asked", task_queue="default")
        await handle.result()
        exporter.clear()
        with pytest.raises(tenuto.client.WorkflowQueryFailedError):
            await handle.query(Errand.fails)
    assert {span.name for span in exporter.get_finished_spans()} == {
        "QueryWorkflow:fails",
        "HandleQuery:fails",
    }


# ---- metrics and log records ----------------------------------------------------------------------------------------------

records = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
_logs = LoggerProvider()
_logs.add_log_record_processor(SimpleLogRecordProcessor(records))
log = ReplaySafeLoggerProvider(_logs).get_logger("test")
reader = InMemoryMetricReader()
meter = ReplaySafeMeterProvider(MeterProvider(metric_readers=[reader])).get_meter("test")
counter = meter.create_counter("steps")


@workflow.defn
class Counted:
    @workflow.run
    async def run(self) -> None:
        for number in range(3):
            counter.add(1)
            log.emit(LogRecord(body=f"step {number}"))
            await workflow.sleep(0.001)


def _points(reader: InMemoryMetricReader) -> dict[str, float]:
    found = reader.get_metrics_data()
    return {
        metric.name: sum(getattr(point, "value", 0) for point in metric.data.data_points)
        for resource in (found.resource_metrics if found else [])
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


@settled
async def test_a_replay_measures_and_logs_nothing_again() -> None:
    async with tenuto.open(
        "memory://", workflows=[Counted], activities=[], worker={"max_cached_workflows": 0}
    ) as app:
        await app.client.execute_workflow(Counted.run, id="counted", task_queue="default")
    assert _points(reader)["steps"] == 3
    assert [each.log_record.body for each in records.get_finished_logs()] == ["step 0", "step 1", "step 2"]


@settled
async def test_the_frameworks_own_metrics_reach_a_meter_provider() -> None:
    own = InMemoryMetricReader()
    buffer = MetricBuffer(10_000)
    runtime = Runtime(telemetry=TelemetryConfig(metrics=buffer))
    async with MetricsExporter(buffer, MeterProvider(metric_readers=[own])):
        client = await tenuto.connect("memory://", runtime=runtime)
        async with client, tenuto.open(client, workflows=[Counted], activities=[]) as app:
            await app.client.execute_workflow(Counted.run, id="counted", task_queue="default")
    assert _points(own)["temporal_workflow_completed"] == 1
