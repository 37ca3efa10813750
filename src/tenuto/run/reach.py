"""Whose code is it: the interpreter's, a library's, or the user's? And which of the user's modules can a workflow reach?

Judged by module name and file. This file must never run or load anybody's code.
"""

from __future__ import annotations

import sys
from functools import cache
from types import FunctionType, ModuleType
from typing import Literal

Standing = Literal["standard", "library", "user"]

_INSTALLED = ("/site-packages/", "/dist-packages/", "\\site-packages\\", "\\dist-packages\\")
_STANDARD = sys.stdlib_module_names | {"_frozen_importlib", "_frozen_importlib_external"}
_MOST = 2_000
_own: set[str] = set()


@cache
def top_of(module: str) -> str:
    """The package on top: ``shop`` for ``shop.orders.flow``."""
    return module.partition(".")[0]


def own_package(module: ModuleType) -> None:
    """The package of ``module`` holds workflows: it is the user's even when it is installed like a library."""
    _own.add(top_of(module.__name__))
    classify.cache_clear()


@cache
def classify(top: str, filename: str) -> Standing:
    """Whose code a frame runs, by its package and its file."""
    if top in _own or top == "__main__":
        return "user"
    if top in _STANDARD and not any(part in filename for part in _INSTALLED):
        return "standard"
    if any(part in filename for part in _INSTALLED):
        return "library"
    return "user"


def is_user(module: ModuleType) -> bool:
    """Whether a module is the user's own."""
    filename = getattr(module, "__file__", None) or ""
    top = top_of(module.__name__)
    if not filename and top != "__main__":
        return False
    return top != "tenuto" and classify(top, filename) == "user"


def modules_near(start: ModuleType) -> list[ModuleType]:
    """The user's loaded modules that ``start`` refers to, directly or through others, itself first."""
    found = {start.__name__: start}
    queue = [start]
    while queue and len(found) < _MOST:
        module = queue.pop()
        for value in list(vars(module).values()):
            if isinstance(value, ModuleType):
                other: ModuleType | None = value
            elif isinstance(value, FunctionType | type):
                other = sys.modules.get(value.__module__ or "")
            else:
                continue
            if other is not None and other.__name__ not in found and is_user(other):
                found[other.__name__] = other
                queue.append(other)
    return list(found.values())
