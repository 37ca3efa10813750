"""What a worker's options must fit: everything is refused when the worker is made, with words that help."""

from datetime import timedelta
from typing import Any

import pytest

from tenuto.common import VersioningBehavior, WorkerDeploymentVersion
from tenuto.worker.config import (
    PollerBehaviorAutoscaling,
    PollerBehaviorSimpleMaximum,
    WorkerConfig,
    WorkerDeploymentConfig,
    check,
    most_at_once,
    poller_behaviors,
    suppliers,
)
from tenuto.worker.tuner import (
    FixedSizeSlotSupplier,
    ResourceBasedSlotConfig,
    ResourceBasedSlotSupplier,
    ResourceBasedTunerConfig,
    WorkerTuner,
)

VERSION = WorkerDeploymentVersion("shop", "1")


def config(**changes: Any) -> WorkerConfig:
    return WorkerConfig(**({"task_queue": "q", "activities": [print], "workflows": [int]} | changes))  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"activities": [], "workflows": []},
            "At least one activity, Nexus service, or workflow must be specified",
        ),
        ({"use_worker_versioning": True}, "build_id must be specified when use_worker_versioning is True"),
        (
            {"deployment_config": WorkerDeploymentConfig(VERSION, True), "build_id": "b"},
            "deployment_config cannot be used with build_id or use_worker_versioning",
        ),
        (
            {"deployment_config": WorkerDeploymentConfig(VERSION, False, VersioningBehavior.PINNED)},
            "default_versioning_behavior must be UNSPECIFIED when use_worker_versioning is False",
        ),
        ({"max_workflow_task_external_storage_concurrency": 0}, "must be positive"),
        ({"max_eager_activity_reservations_per_workflow_task": 0}, "disable_eager_activity_execution=True"),
        ({"max_cached_workflows": -1}, "max_cached_workflows must not be negative"),
        ({"task_queue": ""}, "task_queue must not be empty"),
        ({"no_remote_activities": True, "workflows": []}, "At least one task type must be enabled"),
        ({"max_activities_per_second": 0}, "max_activities_per_second must be positive"),
        ({"max_concurrent_workflow_task_polls": 1}, "to be at least 2"),
        ({"workflow_task_poller_behavior": PollerBehaviorSimpleMaximum(1)}, "to be at least 2"),
        ({"activity_task_poller_behavior": PollerBehaviorSimpleMaximum(0)}, "must be at least 1"),
        (
            {"activity_task_poller_behavior": PollerBehaviorAutoscaling(5, 3, 4)},
            "greater than or equal to minimum",
        ),
        (
            {"activity_task_poller_behavior": PollerBehaviorAutoscaling(1, 3, 4)},
            "between minimum and maximum",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check(config(**changes))


def test_one_poll_is_enough_without_a_cache() -> None:
    check(config(max_concurrent_workflow_task_polls=1, max_cached_workflows=0))


def test_the_older_numbers_of_polls_win_over_behaviors() -> None:
    workflow, activity, _ = poller_behaviors(
        config(
            max_concurrent_workflow_task_polls=7,
            max_concurrent_activity_task_polls=3,
            workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
        )
    )
    assert (workflow, activity) == (PollerBehaviorSimpleMaximum(7), PollerBehaviorSimpleMaximum(3))


def test_each_kind_has_a_hundred_slots_unless_told() -> None:
    found = suppliers(config(max_concurrent_activities=7))
    assert (most_at_once(found.workflow), most_at_once(found.activity), most_at_once(found.nexus)) == (
        100,
        7,
        100,
    )


def test_a_tuner_excludes_numbers_of_slots() -> None:
    with pytest.raises(ValueError, match="when also specifying tuner"):
        suppliers(config(tuner=WorkerTuner.create_fixed(), max_concurrent_activities=3))


def test_resource_based_suppliers_of_one_worker_share_their_targets() -> None:
    def supplier(target: float) -> ResourceBasedSlotSupplier:
        return ResourceBasedSlotSupplier(ResourceBasedSlotConfig(), ResourceBasedTunerConfig(target, 0.9))

    def tuner(other: float) -> WorkerTuner:
        return WorkerTuner.create_composite(
            workflow_supplier=supplier(0.5),
            activity_supplier=supplier(other),
            local_activity_supplier=FixedSizeSlotSupplier(5),
            nexus_supplier=FixedSizeSlotSupplier(5),
        )

    suppliers(config(tuner=tuner(0.5)))
    with pytest.raises(ValueError, match="the same tuner_config"):
        suppliers(config(tuner=tuner(0.6)))


def test_a_resource_based_tuner_serves_every_kind() -> None:
    tuner = WorkerTuner.create_resource_based(
        target_memory_usage=0.5,
        target_cpu_usage=0.6,
        activity_config=ResourceBasedSlotConfig(2, 9, timedelta(seconds=1)),
    )
    found = suppliers(config(tuner=tuner))
    assert most_at_once(found.activity) == 9 and most_at_once(found.workflow) == 500
