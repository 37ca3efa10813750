"""Everything the official package offers workflow code is here, and loading it stays cheap."""

import inspect
import os
import subprocess
import sys
from importlib import import_module
from types import ModuleType

import pytest
import temporalio.workflow as official

import tenuto.workflow
from tests.tidy.tree import SOURCE

ABSENT = {
    "AnyType": "a type variable of the implementation",
    "FIRST_COMPLETED": "asyncio's own",
    "CallableSyncOrAsyncType": "a type variable of the implementation",
    "annotations": "a __future__ import",
    "signal_with_start_workflow": "a Nexus operation of the system, which no server here has",
}


def _functions(module: ModuleType) -> list[str]:
    return sorted(
        name
        for name in dir(official)
        if not name.startswith("_") and inspect.isfunction(getattr(official, name))
    )


def _exported(room: str) -> list[str]:
    found: list[str] = import_module(f"tenuto.{room}").__all__
    return found


def test_every_official_name_is_here() -> None:
    wanted = {
        name
        for name in dir(official)
        if not name.startswith("_") and not inspect.ismodule(getattr(official, name)) and name not in ABSENT
    }
    missing = sorted(name for name in wanted if not hasattr(tenuto.workflow, name))
    assert not missing
    assert wanted <= set(_exported("workflow"))


@pytest.mark.parametrize("name", [name for name in _functions(official) if name not in ABSENT])
def test_functions_take_what_the_official_ones_take(name: str) -> None:
    theirs = inspect.signature(getattr(official, name)).parameters
    ours = inspect.signature(getattr(tenuto.workflow, name)).parameters
    assert set(theirs) <= set(ours)
    for parameter in theirs.values():
        own = ours[parameter.name]
        if parameter.kind is parameter.KEYWORD_ONLY:
            assert own.kind is own.KEYWORD_ONLY
        plain = (str, int, bool, type(None))
        if isinstance(parameter.default, plain) and not isinstance(parameter.default, type(None)):
            assert own.default == parameter.default
        elif parameter.default is None:
            assert own.default is None


def test_enumerations_have_the_official_numbers() -> None:
    for name in (
        "ActivityCancellationType",
        "ChildWorkflowCancellationType",
        "ContinueAsNewVersioningBehavior",
        "HandlerUnfinishedPolicy",
        "NexusOperationCancellationType",
        "ParentClosePolicy",
        "SandboxImportNotificationPolicy",
        "VersioningIntent",
    ):
        theirs = {each.name: each.value for each in getattr(official, name)}
        assert {each.name: each.value for each in getattr(tenuto.workflow, name)} == theirs, name


def test_dictionaries_of_options_have_the_official_keys() -> None:
    for name in ("ActivityConfig", "LocalActivityConfig", "ChildWorkflowConfig"):
        assert set(getattr(tenuto.workflow, name).__annotations__) == set(
            getattr(official, name).__annotations__
        )


def test_type_checkers_see_every_name_and_no_other() -> None:
    from tenuto import _doors

    for door in (_doors.workflow, _doors.activity):
        seen = {name for name in (*vars(door), *door.__annotations__) if not name.startswith("_")}
        assert seen == set(_exported(door.__name__))


def _loaded_by(statement: str) -> set[str]:
    code = f"import sys; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before))"
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(found.stdout.split())


def test_workflow_modules_load_neither_protocol_nor_transport() -> None:
    loaded = _loaded_by("from tenuto import workflow, activity, step; workflow.defn, activity.defn")
    heavy = ("google.protobuf", "grpc", "temporalio", "msgspec", "nexusrpc", "tenuto.wire", "tenuto.engine")
    assert not [name for name in loaded if name.startswith(heavy)]


def test_loading_workflow_code_costs_less_than_loading_asyncio_twice() -> None:
    code = (
        "from time import perf_counter as now; a = now(); import asyncio; b = now(); "
        "from tenuto import workflow, activity; print((now() - b) / (b - a))"
    )
    env = {**os.environ, "PYTHONPATH": str(SOURCE)}
    runs = [
        subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        for _ in range(3)
    ]
    assert min(float(run.stdout) for run in runs) < 2


def test_the_front_door_loads_nothing_until_it_is_asked() -> None:
    assert {name for name in _loaded_by("import tenuto") if name.startswith("tenuto")} == {"tenuto"}


def test_the_front_door_knows_its_names() -> None:
    assert set(tenuto.__all__) <= set(dir(tenuto))
    assert tenuto.workflow.defn is not None
    assert tenuto.RetryPolicy is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        import_module("tenuto").nothing  # noqa: B018
