"""The names of the official sandbox: they can be made, combined and asked, and mean what they say."""

import dataclasses

import pytest

from tenuto.worker.workflow_sandbox import (
    RestrictedWorkflowAccessError,
    RestrictionContext,
    SandboxedWorkflowRunner,
    SandboxMatcher,
    SandboxRestrictions,
    UnintentionalPassthroughError,
)
from tenuto.workflow import NondeterminismError, SandboxImportNotificationPolicy

DEFAULT = SandboxRestrictions.default


@pytest.mark.parametrize(
    ("module", "path"),
    [
        ("time", "sleep"),
        ("datetime", "datetime.now"),
        ("random", "randint"),
        ("os", "getenv"),
        ("uuid", "uuid4"),
        ("urllib.request", "urlopen"),
        ("threading", "Thread"),
        ("__builtins__", "open"),
    ],
)
def test_what_is_not_deterministic_is_denied_while_workflows_run(module: str, path: str) -> None:
    assert DEFAULT.denies(module, *path.split("."))


@pytest.mark.parametrize(
    ("module", "path"),
    [
        ("os", "path.join"),
        ("datetime", "timedelta"),
        ("random", "Random"),
        ("uuid", "UUID"),
        ("json", "dumps"),
    ],
)
def test_what_is_deterministic_is_not_denied(module: str, path: str) -> None:
    assert not DEFAULT.denies(module, *path.split("."))


def test_a_member_can_be_set_free() -> None:
    freed = dataclasses.replace(
        DEFAULT,
        invalid_module_members=SandboxRestrictions.invalid_module_members_default.with_child_unrestricted(
            "datetime", "datetime", "now"
        ),
    )
    assert not freed.denies("datetime", "datetime", "now")
    assert freed.denies("datetime", "datetime", "utcnow")


def test_what_restrictions_leave_out_the_guard_allows() -> None:
    members = SandboxRestrictions.invalid_module_members_default
    assert DEFAULT.allowed() == frozenset() == dataclasses.replace(DEFAULT).allowed()
    without_os = dataclasses.replace(DEFAULT, invalid_module_members=members.with_child_unrestricted("os"))
    assert {"os.getpid", "os.getenv", "os._Environ.__getitem__"} <= without_os.allowed()
    assert "time.time" not in without_os.allowed()
    one = dataclasses.replace(
        DEFAULT, invalid_module_members=members.with_child_unrestricted("datetime", "datetime", "now")
    )
    assert one.allowed() == {"datetime.datetime.now"}
    nothing = dataclasses.replace(DEFAULT, invalid_module_members=SandboxMatcher.none)
    assert {"builtins.open", "random.random", "threading.Thread.start", "uuid.uuid4"} <= nothing.allowed()


def test_a_member_can_be_denied_besides() -> None:
    stricter = dataclasses.replace(
        DEFAULT,
        invalid_module_members=SandboxRestrictions.invalid_module_members_default
        | SandboxMatcher(
            children={"mymodule": SandboxMatcher(use={"roll"}), "datetime": SandboxMatcher(use={"date"})}
        ),
    )
    assert stricter.denies("mymodule", "roll") and stricter.denies("datetime", "date")
    assert stricter.denies("time", "time") and not stricter.denies("mymodule", "other")


def test_what_is_only_for_run_time_is_free_while_modules_load() -> None:
    loading = RestrictionContext()
    members = SandboxRestrictions.invalid_module_members_default
    assert not members.match_access(loading, "time", "sleep", include_use=True)
    loading.is_runtime = True
    assert members.match_access(loading, "time", "sleep", include_use=True)


def test_modules_can_be_passed_through() -> None:
    more = DEFAULT.with_passthrough_modules("pydantic", "mine.models")
    assert {"pydantic", "mine.models"} <= set(more.passthrough_modules)
    assert set(DEFAULT.passthrough_modules) < set(more.passthrough_modules)
    assert DEFAULT.with_passthrough_all_modules().passthrough_all_modules
    quiet = DEFAULT.with_import_notification_policy(SandboxImportNotificationPolicy.SILENT)
    assert quiet.import_notification_policy is SandboxImportNotificationPolicy.SILENT


def test_a_nested_place_is_named_by_its_path() -> None:
    tree = SandboxMatcher.nested_child(["a", "b"], SandboxMatcher.all)
    assert tree.match_access(RestrictionContext(), "a", "b")
    assert not tree.match_access(RestrictionContext(), "a")
    child = tree.child_matcher("a", "b")
    assert child is SandboxMatcher.all and tree.child_matcher("c") is None


def test_errors_say_what_was_touched() -> None:
    error = RestrictedWorkflowAccessError("time.sleep")
    assert isinstance(error, NondeterminismError) and "time.sleep" in str(error)
    assert error.qualified_name == "time.sleep"
    assert str(RestrictedWorkflowAccessError("x", override_message="other")) == "other"
    assert "mymodule" in str(UnintentionalPassthroughError("mymodule"))


def test_a_runner_keeps_its_restrictions() -> None:
    assert SandboxedWorkflowRunner().restrictions is DEFAULT
    own = DEFAULT.with_passthrough_modules("x")
    assert SandboxedWorkflowRunner(own).restrictions is own


def test_a_runner_is_made_from_another_as_plugins_do() -> None:
    runner = SandboxedWorkflowRunner()
    more = dataclasses.replace(runner, restrictions=runner.restrictions.with_passthrough_modules("my_module"))
    assert "my_module" in more.restrictions.passthrough_modules
    assert more.runner_class is runner.runner_class
    assert runner == SandboxedWorkflowRunner() != more
