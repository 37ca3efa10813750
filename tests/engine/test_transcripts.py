"""The reference histories of a Temporal service, told as stories: the engine must tell them the same way.

``TENUTO_REWRITE=1`` writes down what the engine answers now; read the difference before you keep it.
"""

import os
from pathlib import Path

import pytest

from tests.engine.story import retold

STORIES = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_the_story_is_told_as_before(path: Path) -> None:
    text = path.read_text()
    told = retold(text)
    if os.environ.get("TENUTO_REWRITE"):
        path.write_text(told)
    else:
        assert told == text


def test_every_reference_history_is_there() -> None:
    assert {path.stem[:3] for path in STORIES} >= {f"b{number:02}" for number in range(1, 28)}
