"""A class becomes a workflow, or all that is wrong with it is told at once."""

import warnings
from collections.abc import Sequence
from typing import Any

import pytest

from tenuto import workflow
from tenuto.common import RawValue, VersioningBehavior
from tenuto.workflow.definition import Definition, signal_named, workflow_named


class Base:
    @workflow.run
    async def run(self, name: str) -> str:
        raise NotImplementedError

    @workflow.signal
    def base_signal(self) -> None: ...

    @workflow.query
    def base_query(self) -> int:
        return 1

    @workflow.update
    def base_update(self, x: int) -> int:
        return x


@workflow.defn(
    name="custom", failure_exception_types=[KeyError], versioning_behavior=VersioningBehavior.PINNED
)
class Good(Base):
    @workflow.run
    async def run(self, name: str) -> str:
        return name

    @workflow.signal
    def signal1(self, x: int, y: "Good") -> None: ...

    @workflow.signal(name="signal-custom", description="told by tools")
    def signal2(self) -> None: ...

    @workflow.signal(dynamic=True, unfinished_policy=workflow.HandlerUnfinishedPolicy.ABANDON)
    def signal3(self, name: str, args: Sequence[RawValue]) -> None: ...

    @workflow.query(name="query-custom")
    def query1(self, x: str) -> float:
        return 1.0

    @workflow.update
    async def update1(self, x: int) -> str:
        return str(x)

    @update1.validator
    def check_update1(self, x: int) -> None: ...


def test_a_class_is_read_into_a_definition() -> None:
    made = Definition.must(Good)
    assert (made.name, made.cls, made.run_fn) == ("custom", Good, Good.run)
    assert (made.arg_types, made.ret_type) == ([str], str)
    assert made.failure_exception_types == [KeyError]
    assert made.versioning_behavior is VersioningBehavior.PINNED
    assert set(made.signals) == {"signal1", "signal-custom", "base_signal", None}
    assert made.signals["signal1"].arg_types == [int, Good]
    assert made.signals["signal-custom"].description == "told by tools"
    assert made.signals[None].unfinished_policy is workflow.HandlerUnfinishedPolicy.ABANDON
    assert set(made.queries) == {"query-custom", "base_query"}
    assert made.queries["query-custom"].ret_type is float
    assert set(made.updates) == {"update1", "base_update"}
    assert made.updates["update1"].validator is Good.check_update1


def test_the_run_method_stands_for_the_workflow_and_handlers_for_their_messages() -> None:
    assert workflow_named(Good.run) == ("custom", [str], str)
    assert workflow_named("by name") == ("by name", None, None)
    assert signal_named(Good.signal2) == ("signal-custom", [])
    with pytest.raises(ValueError, match=r"missing attributes, was it decorated with @workflow\.run"):
        workflow_named(test_a_class_is_read_into_a_definition)
    with pytest.raises(RuntimeError, match="Signal definition not found on"):
        signal_named(Good.run)
    with pytest.raises(RuntimeError, match="Cannot invoke dynamic signal definition"):
        signal_named(Good.signal3)


def test_a_definition_is_not_inherited() -> None:
    class Derived(Good):
        pass

    assert Definition.of(Derived) is None
    with pytest.raises(ValueError, match=r"was it decorated with @workflow\.defn"):
        Definition.must(Derived)


class BadBase:
    @workflow.signal
    def base_signal(self) -> None: ...

    @workflow.query
    def base_query(self) -> None: ...


class Bad(BadBase):
    @workflow.signal
    def signal1(self) -> None: ...

    @workflow.signal(name="signal1")
    def signal2(self) -> None: ...

    def base_signal(self) -> None: ...

    @workflow.query
    def query1(self) -> None: ...

    @workflow.query(name="query1")
    def query2(self) -> None: ...

    def base_query(self) -> None: ...

    @workflow.update
    def update1(self, x: int) -> None: ...

    @update1.validator  # type: ignore[arg-type]
    def check(self, x: str, y: int) -> None: ...

    @workflow.signal(name="__temporal_own")
    def reserved(self) -> None: ...

    @workflow.update
    def unknown(self, x: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    @workflow.signal
    def keyword(self, *, x: int) -> None: ...

    def __init__(self, needed: int) -> None: ...


def test_all_defects_are_told_in_one_error() -> None:
    with pytest.raises(ValueError) as raised:
        workflow.defn(Bad)
    told = str(raised.value)
    assert told.startswith("Invalid workflow class for 10 reasons: ")
    for part in (
        "Missing @workflow.run method",
        "Multiple signal methods found for signal1 (at least on signal2 and signal1)",
        "@workflow.signal defined on BadBase.base_signal but not on the override",
        "Multiple query methods found for query1 (at least on query2 and query1)",
        "@workflow.query defined on BadBase.base_query but not on the override",
        "Update validator method check parameters do not match update method update1 parameters",
        "Signal name __temporal_own of method reserved is reserved",
        "Type hints of @workflow.update method unknown cannot be read: name 'Nowhere' is not defined",
        "@workflow.signal method keyword requires the keyword-only x",
        "__init__ requires needed: decorate it with @workflow.init",
    ):
        assert part in told


def test_the_run_method_must_be_the_classes_own() -> None:
    class Only(Base):
        pass

    class Plain(Base):
        async def run(self, name: str) -> str:
            return name

    with pytest.raises(ValueError, match=r"@workflow\.run method run must be defined on .*Only"):
        workflow.defn(Only)
    with pytest.raises(ValueError, match=r"@workflow\.run defined on Base\.run but not on the override"):
        workflow.defn(Plain)


class TwoRuns:
    @workflow.run
    async def run1(self) -> None: ...

    @workflow.run
    async def run2(self) -> None: ...


def test_a_class_has_one_run_method() -> None:
    with pytest.raises(
        ValueError, match=r"Multiple @workflow\.run methods found \(at least on run2 and run1\)"
    ):
        workflow.defn(TwoRuns)


def test_local_classes_and_sync_run_methods_are_refused() -> None:
    with pytest.raises(ValueError, match="Local classes unsupported"):

        class Local:
            @workflow.run
            async def run(self) -> None: ...

    def sync(self: Any) -> None: ...

    with pytest.raises(ValueError, match="must be an async function"):
        workflow.run(sync)  # type: ignore[type-var]


class InitMatches:
    @workflow.init
    def __init__(self, first: int, second: str = "") -> None: ...

    @workflow.run
    async def run(self, one: int, two: str = "") -> None: ...


class InitDiffers:
    @workflow.init
    def __init__(self, first: str) -> None: ...

    @workflow.run
    async def run(self, first: int) -> None: ...


def test_init_takes_what_run_takes() -> None:
    workflow.defn(InitMatches)
    assert Definition.must(InitMatches).init_takes_args
    with pytest.raises(
        ValueError, match=r"@workflow\.init and @workflow\.run method parameters do not match"
    ):
        workflow.defn(InitDiffers)
    with pytest.raises(ValueError, match="only be used on the __init__ method"):
        workflow.init(Base.base_signal)


def test_dynamic_handlers_take_a_name_and_raw_values() -> None:
    def none(self: Any) -> None: ...
    def typed(self: Any, name: str, args: Sequence[int]) -> None: ...
    def old(self: Any, name: str, *args: Any) -> None: ...

    for decorator in (workflow.signal, workflow.query, workflow.update):
        for bad in (none, typed):
            with pytest.raises(RuntimeError, match="must have 3 arguments"):
                decorator(dynamic=True)(bad)
        with pytest.warns(DeprecationWarning, match="vararg third param is deprecated"):
            decorator(dynamic=True)(old)
    with pytest.raises(RuntimeError, match="Cannot provide name and dynamic boolean"):
        workflow.signal(name="x", dynamic=True)  # type: ignore[call-overload]


def test_async_queries_are_deprecated_and_validators_are_sync_and_single() -> None:
    async def ask(self: Any) -> int:
        return 1

    with pytest.warns(DeprecationWarning, match="Queries as async def functions"):
        workflow.query(ask)

    @workflow.update
    def change(self: Any) -> None: ...

    async def slow(self: Any) -> None: ...

    with pytest.raises(ValueError, match="must not be an async function"):
        change.validator(slow)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        @change.validator
        def check(self: Any) -> None: ...

    with pytest.raises(RuntimeError, match="Validator already set for update change"):
        change.validator(check)


class DynamicRun:
    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> None: ...

    @workflow.dynamic_config
    def config(self) -> workflow.DynamicWorkflowConfig:
        return workflow.DynamicWorkflowConfig(failure_exception_types=[ValueError])


class StaticRun:
    @workflow.run
    async def run(self) -> None: ...

    @workflow.dynamic_config
    def config(self) -> workflow.DynamicWorkflowConfig:
        return workflow.DynamicWorkflowConfig()


def test_dynamic_workflows_have_no_name_and_may_configure_each_run() -> None:
    workflow.defn(dynamic=True)(DynamicRun)
    made = Definition.must(DynamicRun)
    assert made.name is None
    assert made.dynamic_config is DynamicRun.config
    with pytest.raises(ValueError, match="Cannot invoke dynamic workflow explicitly"):
        workflow_named(DynamicRun.run)
    with pytest.raises(ValueError, match=r"dynamic_config can only be used in dynamic workflows"):
        workflow.defn(StaticRun)
    with pytest.raises(TypeError, match="must accept a single Sequence"):
        workflow.defn(dynamic=True)(InitDiffers)


def test_a_class_is_decorated_once() -> None:
    with pytest.raises(ValueError, match="already contains workflow definition"):
        workflow.defn(Good)


def test_outside_of_a_workflow_its_functions_say_so() -> None:
    for function in (
        workflow.info,
        workflow.now,
        workflow.random,
        workflow.uuid4,
        workflow.unsafe.is_replaying,
    ):
        with pytest.raises(workflow.NotInWorkflowError, match="Not in workflow event loop"):
            function()
    assert not workflow.in_workflow()
    assert workflow.current_update_info() is None
    assert not workflow.unsafe.in_sandbox()
    with workflow.unsafe.imports_passed_through(), workflow.unsafe.sandbox_unrestricted():
        assert workflow.unsafe.is_imports_passed_through()
        assert workflow.unsafe.is_sandbox_unrestricted()
    assert not workflow.unsafe.is_sandbox_unrestricted()
    with pytest.raises(RuntimeError, match="Cannot instantiate ContinueAsNewError directly"):
        workflow.ContinueAsNewError()
