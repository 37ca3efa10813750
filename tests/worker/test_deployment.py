"""Builds: what a worker says of the code it runs."""

import sys
import types
from pathlib import Path

import pytest

from tenuto.common import VersioningBehavior, WorkerDeploymentVersion
from tenuto.worker.config import WorkerConfig, WorkerDeploymentConfig
from tenuto.worker.deployment import Build, load_default_build_id
from tenuto.worker.requests import activity_poll, workflow_poll


def test_the_default_build_id_follows_the_programs_own_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "orders.py"
    source.write_text("TOTAL = 1\n")
    module = types.ModuleType("orders")
    module.__file__ = str(source)
    monkeypatch.setitem(sys.modules, "orders", module)
    first = load_default_build_id(memoize=False)
    assert first == load_default_build_id(memoize=False) and len(first) == 32
    source.write_text("TOTAL = 2\n")
    assert load_default_build_id(memoize=False) != first


def test_a_worker_without_a_deployment_names_its_build_in_polls() -> None:
    build = Build.of(WorkerConfig(build_id="b1", use_worker_versioning=True))
    poll = workflow_poll("default", "q", "me", build, "key")
    assert poll.worker_version_capabilities.build_id == "b1"
    assert poll.worker_version_capabilities.use_versioning
    assert not poll.HasField("deployment_options") and poll.binary_checksum == "b1"
    assert build.stamp is not None and build.stamp.build_id == "b1" and build.options is None


@pytest.mark.parametrize("versioned", [True, False])
def test_a_worker_of_a_deployment_names_its_version_in_polls(versioned: bool) -> None:
    version = WorkerDeploymentVersion("shop", "1.2")
    behavior = VersioningBehavior.PINNED if versioned else VersioningBehavior.UNSPECIFIED
    build = Build.of(WorkerConfig(deployment_config=WorkerDeploymentConfig(version, versioned, behavior)))
    poll = activity_poll("default", "q", "me", build, "key", 3.5)
    options = poll.deployment_options
    assert (options.deployment_name, options.build_id) == ("shop", "1.2")
    assert options.worker_versioning_mode == (2 if versioned else 1)
    assert not poll.HasField("worker_version_capabilities")
    assert poll.task_queue_metadata.max_tasks_per_second.value == 3.5
    assert build.default_versioning_behavior is behavior
    assert build.stamp is None if versioned else build.stamp is not None and build.stamp.build_id == "1.2"


def test_a_sticky_poll_names_the_queue_behind_it() -> None:
    poll = workflow_poll("default", "me-1", "me", Build("b"), "key", "q")
    assert (poll.task_queue.kind, poll.task_queue.normal_name) == (2, "q")
