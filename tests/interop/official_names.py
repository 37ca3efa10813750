"""A pytest plugin that lets a test-suite written against the official package run against Tenuto.

``temporalio.X`` becomes ``tenuto.X`` for every room; the protocol's messages (``temporalio.api``) stay those of the
installed package, as two copies of one message cannot live in a process. In a checkout of the official SDK, with an
environment that has what its tests need (pytest-asyncio, pytest-timeout, opentelemetry-sdk ...), and with TENUTO for this
checkout:

    PYTHONPATH=$TENUTO/src:$TENUTO/tests/interop pytest -p official_names -E local tests/worker/test_workflow.py

Tests there that reach into the official package's private parts get the few stand-ins below. With ``TENUTO_THREADS=1``
workflow code runs on threads: tests about code that nobody can interrupt need that. Must never be loaded by our own tests.
"""

import base64
import enum
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import logging
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import tenuto
import tenuto.wire
from tenuto.client import WorkflowHistory
from tenuto.converter.hints import type_hints_from_func
from tenuto.worker import Replayer, UnsandboxedWorkflowRunner, Worker

OFFICIAL = "temporalio"
ROOMS = frozenset(
    [
        "activity",
        "client",
        "common",
        "contrib",
        "converter",
        "envconfig",
        "exceptions",
        "nexus",
        "plugin",
        "runtime",
        "service",
        "testing",
        "types",
        "worker",
        "workflow",
    ]
)


class LogicFlag(enum.IntEnum):
    """Optional behaviours, as histories number them."""

    RAISE_ON_CANCELLING_COMPLETED_ACTIVITY = 1
    PROCESS_WORKFLOW_ACTIVATION_JOBS_AS_SINGLE_BATCH = 2


class _Private(ModuleType):
    """A private module: what its parent offers, and an empty class for every other name."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made = type(name, (), {"__class_getitem__": classmethod(lambda cls, item: cls)})
        setattr(self, name, made)
        return made


class Aliases(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds ``temporalio.X`` where ``tenuto.X`` is."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        parts = fullname.split(".")
        if parts[0] != OFFICIAL or len(parts) < 2 or parts[1] not in ROOMS:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        # The import system gives out what is found here afterwards.
        sys.modules[name] = _stand_in(name) or importlib.import_module("tenuto" + name.removeprefix(OFFICIAL))


def _stand_in(name: str) -> ModuleType | None:
    if not name.rpartition(".")[2].startswith("_"):
        return None
    own = "tenuto" + name.removeprefix(OFFICIAL)
    if name != f"{OFFICIAL}.worker._workflow_instance" and importlib.util.find_spec(own) is not None:
        return None
    made = _Private(name)
    made.__path__ = []
    parent = importlib.import_module(own.rpartition(".")[0])
    vars(made).update({key: value for key, value in vars(parent).items() if not key.startswith("__")})
    if name == f"{OFFICIAL}.worker._nexus":
        vars(made)["_DummyPayloadSerializer"] = _argument
    if name.endswith("._workflow_instance"):
        vars(made).update(
            logger=logging.getLogger("tenuto.workflow"),
            UnsandboxedWorkflowRunner=UnsandboxedWorkflowRunner,
            _WorkflowLogicFlag=LogicFlag,
            _DEFAULT_ENABLED_WORKFLOW_LOGIC_FLAGS=frozenset(),
        )
    return made


class _Workflows:
    """What tests set on a worker's private half for workflows."""

    def __init__(self, worker: Any) -> None:
        vars(self)["_runs"] = worker._parts._runs

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_deadlock_timeout_seconds":
            self._runs._driver._timeout = value

    def __getattr__(self, name: str) -> Any:
        return getattr(vars(self)["_runs"], name)


def _set_flag(self: Any, flag: int, *, enabled: bool) -> None:
    registry = self._registry if isinstance(self, Replayer) else self._parts._runs._registry
    flags = set(registry._shared.get("lang_flags", ()))
    (flags.add if enabled else flags.discard)(int(flag))
    registry._shared["lang_flags"] = frozenset(flags)


def _on_threads() -> None:
    make: Any = Worker.__init__

    def made(self: Any, *args: Any, **given: Any) -> None:
        given.setdefault("workflow_task_executor", ThreadPoolExecutor(30))
        make(self, *args, **given)

    Worker.__init__ = made  # type: ignore[method-assign]


def _argument(*, data_converter: Any, payload: Any) -> Any:
    return importlib.import_module("tenuto.worker.nexus")._Input(data_converter, payload)


def _history(given: Any) -> Any:
    wire = importlib.import_module("temporalio.api.history.v1")
    return wire.History(events=WorkflowHistory.from_json("any", given).events)


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def install() -> None:
    """From now on the official package's names mean Tenuto."""
    wheel = sys.modules[OFFICIAL]
    for name in list(sys.modules):
        if name.startswith(f"{OFFICIAL}.") and name.split(".")[1] in ROOMS:
            del sys.modules[name]
    front = ModuleType(OFFICIAL)
    front.__path__ = list(wheel.__path__)
    vars(front).update(
        __version__=tenuto.__version__, __file__=wheel.__file__, api=sys.modules[f"{OFFICIAL}.api"]
    )
    sys.modules[OFFICIAL] = front
    sys.meta_path.insert(0, Aliases())
    official: Any = Worker
    replayer: Any = Replayer
    official._workflow_worker = property(_Workflows)
    for kind in (official, replayer):
        kind._set_default_workflow_logic_flag = _set_flag
    vars(importlib.import_module("tenuto.common"))["_type_hints_from_func"] = type_hints_from_func
    vars(importlib.import_module("tenuto.client"))["_history_from_json"] = _history
    vars(importlib.import_module("tenuto.nexus._token"))["_base64url_decode_no_padding"] = _unpadded
    inside = vars(importlib.import_module("tenuto.nexus._operation_context"))
    inside["_TemporalStartOperationContext"] = inside["TemporalStartOperationContext"]
    if os.environ.get("TENUTO_THREADS"):
        _on_threads()


def pytest_addoption(parser: Any) -> None:
    """The first thing that is asked of a plugin: before any file of the suite is loaded."""
    install()
