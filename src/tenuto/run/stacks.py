"""Where a run's tasks stand: the answers to the ``__stack_trace`` and ``__enhanced_stack_trace`` queries.

A suspended task shows only its outermost frame; the rest is found by following what each coroutine awaits. This file must
never resume, cancel or otherwise touch a task.
"""

from __future__ import annotations

import asyncio
import linecache
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tenuto.wire import sdk_stacks

_DEEPEST = 200
_HOUSE = str(Path(__file__).resolve().parent.parent)
_ASYNCIO = str(Path(asyncio.__file__).resolve().parent)
_FRAMES = ("cr_frame", "gi_frame", "ag_frame")
_AWAITED = ("cr_await", "gi_yieldfrom", "ag_await")


def frames_of(task: asyncio.Task[Any]) -> list[FrameType]:
    """The frames of a suspended task, outermost first. A task that has not begun has one; one that is done, none."""
    found: list[FrameType] = []
    awaited: Any = None if task.done() else task.get_coro()
    while awaited is not None and len(found) < _DEEPEST:
        frame = _first(awaited, _FRAMES)
        if frame is not None:
            found.append(frame)
        awaited = _first(awaited, _AWAITED)
    return found


def _first(thing: Any, names: Iterable[str]) -> Any:
    return next((value for name in names if (value := getattr(thing, name, None)) is not None), None)


def stack_trace(tasks: Iterable[asyncio.Task[Any]]) -> str:
    """One block of text per task that is not done, in the order given, most recent call last."""
    return "\n\n".join(_told(task) for task in tasks if not task.done())


def _told(task: asyncio.Task[Any]) -> str:
    lines = [f"Stack for {task.get_name()} (most recent call last):"]
    frames = frames_of(task)
    # What of ours is around the user's code is the same every time.
    begins = next((at for at, each in enumerate(frames) if not is_internal(each.f_code.co_filename)), 0)
    for frame in frames[begins:]:
        code = frame.f_code
        lines.append(f'  File "{code.co_filename}", line {frame.f_lineno}, in {code.co_name}')
        text = linecache.getline(code.co_filename, frame.f_lineno, frame.f_globals).strip()
        if text:
            lines.append(f"    {text}")
    return "\n".join(lines)


def enhanced_stack_trace(
    tasks: Iterable[asyncio.Task[Any]], sdk_name: str, sdk_version: str
) -> sdk_stacks.EnhancedStackTrace:
    """The same with places to click on and the sources they are in: the user's files whole, nobody else's."""
    from tenuto.wire import sdk_stacks

    told = sdk_stacks.EnhancedStackTrace(sdk=sdk_stacks.StackTraceSDKInfo(name=sdk_name, version=sdk_version))
    for task in tasks:
        if task.done():
            continue
        stack = told.stacks.add()
        for frame in frames_of(task):
            code, internal = frame.f_code, is_internal(frame.f_code.co_filename)
            stack.locations.add(
                file_path=code.co_filename,
                line=frame.f_lineno,
                column=_column(frame),
                function_name=code.co_name,
                internal_code=internal,
            )
            if not internal and code.co_filename not in told.sources:
                text = "".join(linecache.getlines(code.co_filename, frame.f_globals))
                if text:
                    told.sources[code.co_filename].content = text
    return told


def is_internal(filename: str) -> bool:
    """Whether a file is asyncio's or ours rather than the user's."""
    return filename.startswith((_HOUSE, _ASYNCIO, "<frozen"))


def _column(frame: FrameType) -> int:
    """Column of the suspended expression, from 0; 0 also when it is not known."""
    for number, (_, _, column, _) in enumerate(frame.f_code.co_positions()):
        if number == frame.f_lasti // 2:
            return column or 0
    return 0
