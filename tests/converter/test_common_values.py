"""The values and errors that all sides share."""

import pickle
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
import temporalio.common

from tenuto import common, exceptions
from tenuto.common import UNSET, arg_or_args, as_seconds, as_timedelta, merged_args


def test_durations_may_be_seconds() -> None:
    policy = common.RetryPolicy(initial_interval=1.5, maximum_interval=60)
    assert policy == common.RetryPolicy(timedelta(seconds=1.5), maximum_interval=timedelta(minutes=1))
    assert policy.initial_interval == timedelta(seconds=1.5)
    assert (as_timedelta(None), as_seconds(timedelta(minutes=1)), as_seconds(None)) == (None, 60.0, None)
    for wrong in ("1", True):
        with pytest.raises(TypeError):
            as_timedelta(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"initial_interval": timedelta(0)},
        {"maximum_attempts": 3, "non_retryable_error_types": ["a"], "maximum_interval": timedelta(seconds=5)},
        {"backoff_coefficient": 0.5},
        {"initial_interval": timedelta(seconds=-1)},
        {"maximum_interval": timedelta(milliseconds=5)},
        {"maximum_interval": timedelta(seconds=-5)},
        {"maximum_attempts": -1},
        {"maximum_attempts": 1, "backoff_coefficient": 0.5},
    ],
    ids=str,
)
def test_retry_policies_say_or_refuse_what_the_official_ones_do(fields: dict[str, Any]) -> None:
    def told(kit: Any) -> Any:
        from tenuto import wire

        proto = wire.common.RetryPolicy()
        try:
            kit.RetryPolicy(**fields).apply_to_proto(proto)
        except ValueError as error:
            return str(error)
        return proto

    assert told(common) == told(temporalio.common)
    if not isinstance(told(common), str):
        back = common.RetryPolicy.from_proto(told(common))
        official = temporalio.common.RetryPolicy.from_proto(told(common))
        assert vars(back) == vars(official)


def test_arguments_are_given_one_way_or_the_other() -> None:
    assert arg_or_args(1, []) == [1]
    assert arg_or_args(None, []) == [None]
    assert arg_or_args(UNSET, [1, 2]) == [1, 2]
    assert merged_args(1, (2, 3), []) == [1, 2, 3]
    for arguments in ((1, [2]),):
        with pytest.raises(ValueError, match="Cannot have arg and args"):
            arg_or_args(*arguments)
    with pytest.raises(ValueError, match="Cannot have arg and args"):
        merged_args(1, (2,), [3])
    assert not UNSET
    assert repr(UNSET) == "UNSET"


def test_versions_and_overrides_are_those_of_the_protocol() -> None:
    version = common.WorkerDeploymentVersion.from_canonical_string("a.b.c")
    assert version == common.WorkerDeploymentVersion("a", "b.c")
    assert version.to_canonical_string() == "a.b.c"
    assert common.WorkerDeploymentVersion.from_proto(version.to_proto()) == version
    official = temporalio.common.WorkerDeploymentVersion("a", "b.c")
    for name, arguments in (
        ("PinnedVersioningOverride", True),
        ("AutoUpgradeVersioningOverride", False),
        ("OneTimeVersioningOverride", True),
    ):
        mine = getattr(common, name)(*([version] if arguments else []))
        theirs = getattr(temporalio.common, name)(*([official] if arguments else []))
        assert mine.to_proto() == theirs._to_proto()
    with pytest.raises(ValueError, match="Cannot parse version string"):
        common.WorkerDeploymentVersion.from_canonical_string("abc")


def test_priorities_keep_their_fields() -> None:
    priority = common.Priority(2, "tenant", 2.5)
    assert common.Priority.from_proto(priority.to_proto()) == priority
    assert common.Priority.from_proto(common.Priority.default.to_proto()) == common.Priority.default
    for wrong, kind in ((0, ValueError), (-1, ValueError), ("1", TypeError)):
        with pytest.raises(kind):
            common.Priority(priority_key=wrong)  # type: ignore[arg-type]


def test_typed_search_attributes_are_a_sorted_set_of_names() -> None:
    key = common.SearchAttributeKey
    name, number = key.for_keyword("name"), key.for_int("number")
    attributes = common.TypedSearchAttributes(
        [common.SearchAttributePair(number, 1), common.SearchAttributePair(name, "x")]
    )
    assert [pair.key.name for pair in attributes] == ["name", "number"]
    assert attributes[name] == "x"
    keys: list[object] = [name, key.for_int("name")]
    assert [each in attributes for each in keys] == [True, False]
    assert len(attributes) == 2
    assert attributes.get(key.for_int("other"), 4) == 4
    with pytest.raises(KeyError):
        attributes[key.for_int("name")]
    updated = attributes.updated(common.SearchAttributePair(name, "y"))
    assert (updated[name], attributes[name]) == ("y", "x")
    with pytest.raises(ValueError, match="Duplicate search attribute entries found for key name"):
        common.TypedSearchAttributes([common.SearchAttributePair(name, "x")] * 2)
    assert name.value_set("x").value == "x"
    assert name.value_unset().value is None


ERRORS = [
    exceptions.ApplicationError("m", 1, type="T", next_retry_delay=2.5),
    exceptions.WorkflowAlreadyStartedError("id", "type", run_id="r"),
    exceptions.TimeoutError("m", type=exceptions.TimeoutType.HEARTBEAT, last_heartbeat_details=[1]),
    exceptions.ActivityError(
        "m",
        scheduled_event_id=1,
        started_event_id=2,
        identity="i",
        activity_type="t",
        activity_id="d",
        retry_state=exceptions.RetryState.TIMEOUT,
    ),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_survive_being_pickled_with_their_causes(error: exceptions.FailureError) -> None:
    error.__cause__ = ValueError("why")
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert (str(back), vars(back)) == (str(error), vars(error))
    assert repr(back.cause) == "ValueError('why')"


def test_the_silent_meter_takes_everything() -> None:
    meter = common.MetricMeter.noop.with_additional_attributes({"a": 1})
    meter.create_counter("c", "d", "u").with_additional_attributes({"b": 2}).add(1)
    meter.create_histogram("h").record(1)
    meter.create_histogram_float("h").record(1.5)
    meter.create_histogram_timedelta("h").record(timedelta(seconds=1))
    meter.create_gauge("g").set(1)
    meter.create_gauge_float("g").set(1.5)
    assert meter.create_counter("c", "d", "u").unit == "u"


def test_workflow_modules_can_load_these_rooms_without_protocol_messages() -> None:
    program = (
        "import sys, tenuto.common, tenuto.exceptions, tenuto.types, tenuto.converter, tenuto.converter.hints\n"
        "print([name for name in sys.modules if name.startswith(('google', 'temporalio', 'grpc', 'msgspec'))])"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
