"""The worker's names, parameters and defaults are those of the official package, and a few more."""

import importlib
import inspect
from datetime import timedelta
from typing import Any

import pytest

OURS_ONLY = {"activity_processes", "deadlock_timeout"}


def _both(room: str) -> tuple[Any, Any]:
    return importlib.import_module(f"temporalio.{room}"), importlib.import_module(f"tenuto.{room}")


@pytest.mark.parametrize("room", ["worker", "worker.workflow_sandbox", "plugin"])
def test_every_official_name_is_there(room: str) -> None:
    theirs, ours = _both(room)
    names = getattr(theirs, "__all__", None) or ["SimplePlugin", "PluginParameter"]
    assert [name for name in names if not hasattr(ours, name)] == []


def _parameters(of: Any) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(of).parameters)


def test_a_worker_takes_what_the_official_one_takes() -> None:
    theirs, ours = _both("worker")
    official, own = _parameters(theirs.Worker), _parameters(ours.Worker)
    assert set(own) - set(official) == OURS_ONLY and set(official) <= set(own)
    for name, parameter in official.items():
        default = own[name].default
        if parameter.default is None or isinstance(parameter.default, bool | int | float | timedelta):
            assert default == parameter.default, name
        elif parameter.default == []:
            assert default == (), name
        else:
            assert (default is inspect.Parameter.empty) == (parameter.default is inspect.Parameter.empty), (
                name
            )


@pytest.mark.parametrize(
    "name",
    [
        "FixedSizeSlotSupplier",
        "ResourceBasedSlotConfig",
        "ResourceBasedTunerConfig",
        "ResourceBasedSlotSupplier",
        "PollerBehaviorSimpleMaximum",
        "PollerBehaviorAutoscaling",
        "WorkerDeploymentConfig",
        "SlotReleaseContext",
        "PatchActivationInput",
    ],
)
def test_values_have_the_official_fields_and_defaults(name: str) -> None:
    theirs, ours = _both("worker")
    official, own = _parameters(getattr(theirs, name)), _parameters(getattr(ours, name))
    assert [(one.name, one.default) for one in own.values()] == [
        (one.name, one.default) for one in official.values()
    ]


@pytest.mark.parametrize("name", ["create_fixed", "create_resource_based", "create_composite"])
def test_tuners_are_made_the_official_way(name: str) -> None:
    theirs, ours = _both("worker")
    official = _parameters(getattr(theirs.WorkerTuner, name))
    assert list(_parameters(getattr(ours.WorkerTuner, name))) == list(official)


def test_a_worker_config_has_the_official_keys() -> None:
    theirs, ours = _both("worker")
    assert set(ours.WorkerConfig.__annotations__) - set(theirs.WorkerConfig.__annotations__) == OURS_ONLY
    assert set(theirs.WorkerConfig.__annotations__) <= set(ours.WorkerConfig.__annotations__)
