"""The demo's promises hold; it says so itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.crash
@pytest.mark.parametrize("which", ["demo", "demo.official"])
def test_the_demo_ends_well(which: str) -> None:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    told = subprocess.run(
        [sys.executable, "-m", which], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stdout.rstrip().endswith("demo: everything held")
