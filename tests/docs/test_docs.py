"""Every code block of the documentation runs, every link leads somewhere, every name exists."""

import ast
import asyncio
import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from types import CodeType, ModuleType

import pytest

from tests.docs.pages import ROOT, Block, Page, pages

ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "COLUMNS": "120"}
_DOTTED = re.compile(r"`(tenuto(?:\.\w+)+)(?:\(.*?\))?`")


def _of(wanted: str) -> list[Page]:
    return [page for page in pages() if any(_kind(block) == wanted for block in page.blocks())]


def _kind(block: Block) -> str:
    if block.language != "python":
        return "other"
    if block.file is not None:
        return "file"
    return "left" if block.note == "not-run" else "piece"


# ---- code -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", _of("piece"), ids=lambda page: page.name)
def test_its_pieces_run_one_after_the_other(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    module = ModuleType(f"docs_{page.path.stem.replace('-', '_')}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with asyncio.Runner() as runner:
        for block in page.blocks():
            if _kind(block) == "piece":
                _run(_compiled(page, block, tmp_path), module, runner)


def _compiled(page: Page, block: Block, directory: Path) -> CodeType:
    # A file, so that tracebacks and whoever reads source find it.
    path = directory / f"{page.path.stem}_{block.line}.py"
    path.write_text(block.text)
    code: CodeType = compile(block.text, str(path), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    return code


def _run(code: CodeType, module: ModuleType, runner: asyncio.Runner) -> None:
    if code.co_flags & inspect.CO_COROUTINE:

        async def piece() -> None:
            async with asyncio.timeout(180):
                await eval(code, vars(module))

        runner.run(piece())
    else:
        exec(code, vars(module))


@pytest.mark.parametrize("page", _of("file"), ids=lambda page: page.name)
def test_its_programs_run_and_print_what_it_says(page: Page, tmp_path: Path) -> None:
    blocks = page.blocks()
    for block, after in zip(blocks, [*blocks[1:], None], strict=True):
        if block.file is None:
            continue
        (tmp_path / block.file).write_text(block.text)
        where = f"{page.name}:{block.line}"
        if after is not None and after.text.startswith("$ python "):
            _play(after.text, tmp_path, where)
            continue
        runner = ["-m", "pytest", "-q", "-p", "no:cacheprovider"] if block.file.startswith("test_") else []
        said = _python([*runner, block.file], tmp_path)
        assert said.returncode == 0, f"{where}\n{said.stdout}{said.stderr}"
        if after is not None and after.language == "text" and after.follows_at_once:
            assert said.stdout.strip() == after.text.strip(), f"{where}\n{said.stderr}"


def _play(session: str, directory: Path, where: str) -> None:
    """Run what was typed, and compare what was printed."""
    for typed_and_printed in session.split("$ ")[1:]:
        typed, _, printed = typed_and_printed.partition("\n")
        said = _python(typed.split()[1:], directory)
        assert said.stdout.strip() == printed.strip(), f"{where}: {typed}\n{said.stdout}{said.stderr}"


def _python(arguments: list[str], directory: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=directory,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=180,
    )


@pytest.mark.parametrize("page", _of("left"), ids=lambda page: page.name)
def test_what_is_not_run_is_python_all_the_same(page: Page, tmp_path: Path) -> None:
    for block in page.blocks():
        if _kind(block) == "left":
            _compiled(page, block, tmp_path)


# ---- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_names_in_its_text_exist(page: Page) -> None:
    missing = [name for name in _DOTTED.findall(page.prose) if not _exists(name)]
    missing += [
        f"{block.line}: {name}"
        for block in page.blocks()
        if block.language == "python"
        for name in _imported(block.text)
        if not _exists(name)
    ]
    assert missing == []


def _imported(text: str) -> list[str]:
    """The names of ours that a program imports."""
    found = []
    for node in ast.walk(compile(text, "page", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tenuto":
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def _exists(dotted: str) -> bool:
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            thing: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for each in parts[length:]:
            annotated = each in getattr(thing, "__annotations__", {})
            if not hasattr(thing, each) and not annotated:
                return False
            thing = getattr(thing, each, None)
        return True
    return False


# ---- links and commands ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_its_links_lead_somewhere(page: Page) -> None:
    broken = []
    for link in page.links():
        target, _, anchor = link.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        path = (page.path.parent / target).resolve() if target else page.path
        if not path.exists() or (anchor and anchor not in Page(path).anchors()):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_the_targets_of_make_that_it_names_are_there(page: Page) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z][\w-]*)", page.text))
    named |= {
        name
        for block in page.blocks()
        if block.language != "python"
        for name in re.findall(r"^make ([a-z][\w-]*)", block.text, re.MULTILINE)
    }
    assert named <= targets


def test_every_page_is_reachable_from_the_readme() -> None:
    seen, queue = set(), [ROOT / "README.md"]
    while queue:
        path = queue.pop()
        if path in seen or path.suffix != ".md":
            continue
        seen.add(path)
        for link in Page(path).links():
            target = (path.parent / link.partition("#")[0]).resolve()
            if "://" not in link and target.is_file():
                queue.append(target)
    assert {page.path for page in pages()} <= seen


def test_every_example_is_described() -> None:
    described = (ROOT / "examples" / "README.md").read_text()
    assert [path.name for path in (ROOT / "examples").glob("*.py") if path.name not in described] == []


def test_the_reference_can_be_built(tmp_path: Path) -> None:
    pytest.importorskip("pdoc")
    command = [sys.executable, "-m", "docs.reference", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, timeout=300, check=True)
    assert "start_time_skipping" in (tmp_path / "tenuto" / "testing.html").read_text()
    assert "wait_condition" in (tmp_path / "tenuto" / "workflow.html").read_text()
