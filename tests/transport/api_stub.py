"""Writes what type checkers see of ``tenuto.api``: ``python -m tests.transport.api_stub``. One line for each package."""

import pkgutil
import re
from pathlib import Path

import temporalio.api

HOME = Path(__file__).parents[2] / "src" / "tenuto" / "api"
TEXT = '"""The protocol\'s messages."""\n'


def stubs() -> dict[Path, str]:
    """Every stub file and what it must say."""
    found = {HOME / "__init__.pyi": TEXT}
    for module in pkgutil.walk_packages(temporalio.api.__path__, "temporalio.api."):
        if not module.ispkg or ".dependencies" in module.name:
            continue
        place = HOME.joinpath(*module.name.split(".")[2:]) / "__init__.pyi"
        is_leaf = re.fullmatch(r"v\d+", module.name.rsplit(".", 1)[1]) is not None
        found[place] = f"from {module.name} import *\n" if is_leaf else ""
    return found


if __name__ == "__main__":
    for path, text in stubs().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
