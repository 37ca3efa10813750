"""The lint names each forbidden call by file and line, and nothing that is allowed."""

import inspect

from tenuto.run import guard
from tenuto.run.lint import lint
from tenuto.workflow.definition import Definition
from tests.guard import flows


def _line(text: str) -> int:
    lines = inspect.getsource(flows).splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_calls_are_found_in_the_class_and_in_what_it_calls() -> None:
    found = {(finding.name, finding.line) for finding in lint(Definition.must(flows.Careless))}
    assert found == {
        ("time.time", _line("return time.time()")),
        ("datetime.datetime.now", _line("return datetime.now()")),
        ("random.shuffle", _line("random.shuffle")),
    }


def test_findings_say_where_and_what_instead() -> None:
    finding = lint(Definition.must(flows.Careless))[0]
    assert str(finding).startswith(f"{flows.__file__}:{finding.line}: ")
    assert "use workflow." in str(finding)


def test_function_workflows_are_read_and_activities_are_not() -> None:
    (finding,) = lint(Definition.must(flows.function_flow))
    assert (finding.name, finding.line) == ("time.monotonic", _line("return time.monotonic()"))


def test_careful_code_gives_no_findings() -> None:
    assert lint(Definition.must(flows.Careful)) == []


def test_findings_are_the_same_while_the_guard_stands() -> None:
    before = lint(Definition.must(flows.Careless))
    guard.install([Definition.must(flows.Careless)])
    try:
        assert lint(Definition.must(flows.Careless)) == before
    finally:
        guard.uninstall()
