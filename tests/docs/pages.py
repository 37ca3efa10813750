"""Reads pages of documentation. A code block's first line says what it is:

- ```` ```python file=app.py ````: a whole program, run as a file; a ```` ```text ```` block right after it is what it
  prints, a block of ``$ python ...`` lines is how to run it, and what that prints.
- ```` ```python ````: a piece; those of one page share their names, and may await at top level.
- ```` ```python not-run ````: needs what a test has not; it must still be Python, and its imports must exist.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```(\S*)[ ]*(.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, what else its first line says, its text, and the line it begins at."""

    language: str
    note: str
    text: str
    line: int
    follows_at_once: bool
    """Whether only blank lines are between it and the block before."""

    @property
    def file(self) -> str | None:
        """The name of the file it is, if it is one."""
        return self.note.removeprefix("file=") if self.note.startswith("file=") else None


@dataclass(frozen=True)
class Page:
    """One file of Markdown."""

    path: Path

    @property
    def name(self) -> str:
        """Its path in the project."""
        return str(self.path.relative_to(ROOT))

    @property
    def text(self) -> str:
        return self.path.read_text()

    @property
    def prose(self) -> str:
        """What is not in a block."""
        return _FENCE.sub("", self.text)

    def blocks(self) -> list[Block]:
        """All fenced blocks, in order."""
        found, end, text = [], 0, self.text
        for match in _FENCE.finditer(text):
            language, note, inside = match.groups()
            line = text.count("\n", 0, match.start(3)) + 1
            found.append(Block(language, note, inside, line, not text[end : match.start()].strip()))
            end = match.end()
        return found

    def links(self) -> Iterator[str]:
        """Where it points to."""
        return (match.group(1) for match in _LINK.finditer(self.prose))

    def anchors(self) -> set[str]:
        """Names of its headings, as links spell them."""
        headings = (match.group(1).lower() for match in _HEADING.finditer(self.prose))
        return {re.sub(r"[^\w\- ]", "", heading).strip().replace(" ", "-") for heading in headings}


@cache
def pages() -> list[Page]:
    """What users read."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "examples" / "README.md"]
    found += [path for path in sorted((ROOT / "docs").rglob("*.md")) if "decisions" not in path.parts]
    return [Page(path) for path in found]
