"""Builds the API reference: ``python -m docs.reference DIRECTORY``, or ``make docs``. All of it is from docstrings."""

import importlib
import logging
import sys
import warnings
from pathlib import Path

MODULES = [
    "tenuto",
    "tenuto.app",
    "tenuto.activity",
    "tenuto.workflow",
    "tenuto.client",
    "tenuto.worker",
    "tenuto.testing",
    "tenuto.testing.pytest_plugin",
    "tenuto.converter",
    "tenuto.common",
    "tenuto.exceptions",
    "tenuto.runtime",
    "tenuto.envconfig",
    "tenuto.plugin",
    "tenuto.sync",
    "tenuto.nexus",
    "tenuto.contrib.aws.s3driver",
    "tenuto.contrib.aws.s3driver.aioboto3",
    "tenuto.contrib.opentelemetry",
    "tenuto.contrib.opentelemetry.workflow",
    "tenuto.contrib.pydantic",
    "tenuto.contrib.workflow_streams",
]


def build(directory: Path, modules: list[str]) -> None:
    """Write a page for each of ``modules`` and an index."""
    from pdoc import pdoc, render

    for name in modules:
        module = importlib.import_module(name)
        # Many names are loaded when first asked for; the reference shows them all.
        for each in getattr(module, "__all__", ()):
            vars(module).setdefault(each, getattr(module, each))
    render.configure(docformat="google", show_source=False, search=True)
    with warnings.catch_warnings():
        # Types that exist for type checkers only stay as they are written.
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        pdoc(*modules, output_directory=directory)


if __name__ == "__main__":
    build(Path(sys.argv[1]), MODULES)
