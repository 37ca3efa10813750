"""Metrics and log lines go where the runtime says, and nowhere else."""

import logging
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tenuto.common import MetricMeter
from tenuto.runtime import (
    BUFFERED_METRIC_KIND_COUNTER,
    BUFFERED_METRIC_KIND_GAUGE,
    BUFFERED_METRIC_KIND_HISTOGRAM,
    LogForwardingConfig,
    LoggingConfig,
    MetricBuffer,
    MetricBufferDurationFormat,
    OpenTelemetryConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
)
from tenuto.runtime.metrics import own_meter
from tenuto.runtime.prometheus import PrometheusSink


@pytest.fixture
def no_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Runtime, "_default", None)
    monkeypatch.setattr(Runtime, "_prevented", False)


def buffered(**telemetry: Any) -> tuple[MetricBuffer, MetricMeter]:
    buffer = MetricBuffer(100, telemetry.pop("duration_format", MetricBufferDurationFormat.MILLISECONDS))
    return buffer, Runtime(telemetry=TelemetryConfig(metrics=buffer, **telemetry)).metric_meter


def fetched(buffer: MetricBuffer) -> list[tuple[str, int, int | float, dict[str, Any]]]:
    updates = buffer.retrieve_updates()
    return [(one.metric.name, one.metric.kind, one.value, dict(one.attributes)) for one in updates]


def test_every_kind_of_metric_reaches_the_buffer() -> None:
    buffer, meter = buffered(attach_service_name=False)
    meter.create_counter("c", "d", "u").add(3)
    meter.create_histogram("h").record(5)
    meter.create_histogram_float("hf").record(5.5)
    meter.create_histogram_timedelta("ht").record(timedelta(seconds=1.5))
    meter.create_gauge("g").set(7)
    meter.create_gauge_float("gf").set(7.5)
    assert fetched(buffer) == [
        ("c", BUFFERED_METRIC_KIND_COUNTER, 3, {}),
        ("h", BUFFERED_METRIC_KIND_HISTOGRAM, 5, {}),
        ("hf", BUFFERED_METRIC_KIND_HISTOGRAM, 5.5, {}),
        ("ht", BUFFERED_METRIC_KIND_HISTOGRAM, 1500, {}),
        ("g", BUFFERED_METRIC_KIND_GAUGE, 7, {}),
        ("gf", BUFFERED_METRIC_KIND_GAUGE, 7.5, {}),
    ]
    assert fetched(buffer) == []


def test_durations_are_counted_in_seconds_if_wanted() -> None:
    buffer, meter = buffered(duration_format=MetricBufferDurationFormat.SECONDS, attach_service_name=False)
    meter.create_histogram_timedelta("ht").record(timedelta(seconds=1.5))
    assert fetched(buffer) == [("ht", BUFFERED_METRIC_KIND_HISTOGRAM, 1.5, {})]


def test_attributes_add_up_the_nearest_wins() -> None:
    buffer, meter = buffered(global_tags={"g": "1"})
    counter = meter.with_additional_attributes({"a": 1, "b": 1}).create_counter("c")
    counter.with_additional_attributes({"b": 2}).add(1, {"b": True, "c": 1.5})
    counter.add(1)
    service = {"service_name": "temporal-core-sdk", "g": "1"}
    assert [update[3] for update in fetched(buffer)] == [
        {**service, "a": 1, "b": True, "c": 1.5},
        {**service, "a": 1, "b": 1},
    ]


def test_updates_of_one_metric_name_one_and_the_same_metric() -> None:
    buffer, meter = buffered()
    counter = meter.create_counter("c", "description", "unit")
    counter.add(1)
    counter.add(1)
    first, second = (update.metric for update in buffer.retrieve_updates())
    assert first is second
    assert (first.description, first.unit) == ("description", "unit")


def test_nothing_negative_is_measured() -> None:
    _, meter = buffered()
    measures: tuple[Callable[[], None], ...] = (
        lambda: meter.create_counter("c").add(-1),
        lambda: meter.create_histogram("h").record(-1),
        lambda: meter.create_gauge_float("g").set(-0.5),
        lambda: meter.create_histogram_timedelta("t").record(timedelta(microseconds=-1)),
    )
    for measure in measures:
        with pytest.raises(ValueError, match="cannot be negative"):
            measure()


def test_a_full_buffer_drops_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    buffer = MetricBuffer(2)
    counter = Runtime(telemetry=TelemetryConfig(metrics=buffer)).metric_meter.create_counter("c")
    for _ in range(5):
        counter.add(1)
    assert len(buffer.retrieve_updates()) == 2
    assert len([record for record in caplog.records if "buffer is full" in record.message]) == 1


def test_a_buffer_nobody_writes_to_cannot_be_read() -> None:
    with pytest.raises(RuntimeError, match="before runtime created"):
        MetricBuffer(1).retrieve_updates()


def test_without_a_place_for_metrics_nothing_is_measured() -> None:
    assert Runtime(telemetry=TelemetryConfig()).metric_meter is MetricMeter.noop


def test_prometheus_reads_sums_and_buckets() -> None:
    config = PrometheusConfig("127.0.0.1:0", counters_total_suffix=True, unit_suffix=True)
    sink = PrometheusSink(
        config.bind_address, total_suffix=True, unit_suffix=True, buckets={"latency": [10, 100]}
    )
    from tenuto.runtime.metrics import Meter

    meter = Meter(sink, {"service-name": 'a "b"'})
    meter.create_counter("done", "What was done").add(2)
    meter.create_counter("done").add(3)
    meter.create_gauge("size", unit="bytes").set(7)
    meter.create_gauge("open").set(1, {"yes": True})
    latency = meter.create_histogram_timedelta("latency")
    for milliseconds in (5, 50, 500):
        latency.record(timedelta(milliseconds=milliseconds))
    with urllib.request.urlopen(f"http://127.0.0.1:{sink.port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    sink.close()
    label = 'service_name="a \\"b\\""'
    for line in (
        "# HELP done_total What was done",
        "# TYPE done_total counter",
        f"done_total{{{label}}} 5",
        f"size_bytes{{{label}}} 7",
        f'open{{{label},yes="true"}} 1',
        f'latency_bucket{{{label},le="10"}} 1',
        f'latency_bucket{{{label},le="100"}} 2',
        f'latency_bucket{{{label},le="+Inf"}} 3',
        f"latency_sum{{{label}}} 555",
        f"latency_count{{{label}}} 3",
    ):
        assert line in text.splitlines()


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:http"])
def test_an_address_for_prometheus_must_be_one(address: str) -> None:
    with pytest.raises(ValueError, match="must be host:port"):
        Runtime(telemetry=TelemetryConfig(metrics=PrometheusConfig(address)))


def test_open_telemetry_says_what_it_needs() -> None:
    with pytest.raises(RuntimeError, match="needs the packages opentelemetry-sdk"):
        Runtime(telemetry=TelemetryConfig(metrics=OpenTelemetryConfig("http://localhost:4317")))


def test_log_lines_are_forwarded_to_the_programs_logger(caplog: pytest.LogCaptureFixture) -> None:
    own = logging.getLogger("my_program")
    root = logging.getLogger("tenuto")
    handlers, level = list(root.handlers), root.level
    try:
        forwarding = LogForwardingConfig(own)
        Runtime(telemetry=TelemetryConfig(logging=LoggingConfig("WARN", forwarding)))
        with caplog.at_level(logging.DEBUG):
            logging.getLogger("tenuto.shard").warning("slow by %d", 3)
            logging.getLogger("tenuto.shard").info("not wanted")
        mine = [(one.name, one.getMessage()) for one in caplog.records if one.name.startswith("my_program")]
        assert mine == [("my_program-tenuto.shard", "[tenuto.shard] slow by 3")]
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


@pytest.mark.usefixtures("no_default")
def test_the_default_is_made_once_and_may_be_set_or_prevented() -> None:
    assert Runtime.default() is Runtime.default()
    own = Runtime(telemetry=TelemetryConfig())
    with pytest.raises(RuntimeError, match="already set"):
        Runtime.set_default(own)
    Runtime.set_default(own, error_if_already_set=False)
    assert Runtime.default() is own
    with pytest.raises(RuntimeError, match="prevent_default called after"):
        Runtime.prevent_default()


@pytest.mark.usefixtures("no_default")
def test_a_default_that_is_prevented_must_be_set() -> None:
    Runtime.prevent_default()
    with pytest.raises(RuntimeError, match="Cannot create default Runtime"):
        Runtime.default()
    own = Runtime(telemetry=TelemetryConfig())
    Runtime.set_default(own)
    assert Runtime.default() is own


def test_workers_tell_about_themselves_every_second_to_every_minute_or_never() -> None:
    with pytest.raises(ValueError, match="must be positive"):
        Runtime(telemetry=TelemetryConfig(), worker_heartbeat_interval=timedelta(0))
    for bad in (timedelta(milliseconds=999), timedelta(seconds=61)):
        with pytest.raises(ValueError, match="between 1s and 60s"):
            Runtime(telemetry=TelemetryConfig(), worker_heartbeat_interval=bad)
    assert (
        Runtime(telemetry=TelemetryConfig(), worker_heartbeat_interval=None).worker_heartbeat_interval is None
    )


@pytest.mark.parametrize("wrong", [None, ["a"], object()])
def test_attributes_of_other_types_are_refused_where_they_are_given(wrong: Any) -> None:
    _, meter = buffered()
    with pytest.raises(TypeError, match="Invalid value type for key"):
        meter.with_additional_attributes({"k": wrong})
    with pytest.raises(TypeError, match="Invalid value type for key"):
        meter.create_counter("c").add(1, {"k": wrong})


def test_the_prefix_is_for_the_names_of_the_framework_alone() -> None:
    buffer, meter = buffered(metric_prefix="mine_", attach_service_name=False)
    own = own_meter(meter).with_additional_attributes({"n": 1})
    own.create_counter("temporal_worker_start").add(1)
    meter.create_counter("temporal_of_the_program").add(1)
    assert [name for name, *_ in fetched(buffer)] == ["mine_worker_start", "temporal_of_the_program"]
