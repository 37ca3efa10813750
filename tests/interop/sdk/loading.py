"""Loads every script twice: as it stands, for the official SDK, and with ``tenuto`` in the place of ``temporalio``."""

import importlib
import importlib.util
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from tests.interop.sdk import scripts
from tests.interop.sdk.stage import Program

Make = Literal["official", "tenuto"]
MAKES: tuple[Make, Make] = ("tenuto", "official")


@dataclass(slots=True)
class Scripts:
    """All programs of one make, and what a worker needs to run them."""

    make: Make
    programs: dict[str, Program] = field(default_factory=dict)
    workflows: list[type] = field(default_factory=list)
    activities: list[Callable[..., Any]] = field(default_factory=list)
    modules: dict[str, ModuleType] = field(default_factory=dict)


def _modules(make: Make) -> Iterator[tuple[str, ModuleType]]:
    for found in pkgutil.iter_modules(scripts.__path__):
        name = f"{scripts.__name__}.{found.name}"
        if make == "official":
            yield found.name, importlib.import_module(name)
            continue
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.origin is not None
        own = f"{name}_of_tenuto"
        module = ModuleType(own)
        module.__file__ = spec.origin
        sys.modules[own] = module
        text = re.sub(r"\btemporalio\b", "tenuto", Path(spec.origin).read_text())
        exec(compile(text, spec.origin, "exec"), module.__dict__)
        yield found.name, module


@cache
def load(make: Make) -> Scripts:
    """Every script, bound to one SDK. Each make is loaded once."""
    loaded = Scripts(make)
    house = "temporal" if make == "official" else "tenuto"
    for name, module in _modules(make):
        loaded.modules[name] = module
        for value in vars(module).values():
            if getattr(value, "__module__", None) != module.__name__:
                continue
            made = getattr(value, "interop_program", None)
            if made is not None:
                loaded.programs[made.name] = made
            elif hasattr(value, f"__{house}_workflow_definition"):
                loaded.workflows.append(value)
            elif hasattr(value, f"__{house}_activity_definition"):
                loaded.activities.append(value)
    return loaded


def names() -> list[str]:
    """Every program's name, in the order of the scripts."""
    return list(load("official").programs)


def program_of(make: Make, name: str) -> Program:
    return load(make).programs[name]


__all__ = ["MAKES", "Make", "Scripts", "load", "names", "program_of"]
