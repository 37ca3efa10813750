"""A loop that counts as a workflow's, for code under guard."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from tenuto._loop import VirtualTimeLoop


class Marked:
    """Stands where a run stands: all the guard asks of it is whether it is guarded."""

    def __init__(self, guarded: bool = True, allowed: frozenset[str] = frozenset()) -> None:
        self.guarded = guarded
        self.allowed = allowed


class WorkflowLoop(VirtualTimeLoop):
    def __init__(self, runtime: Any) -> None:
        super().__init__()
        self.tenuto_runtime = runtime
        self.tasks: list[asyncio.Task[Any]] = []

    def create_task(self, coro: Any, **kwargs: Any) -> asyncio.Task[Any]:
        task = super().create_task(coro, **kwargs)
        self.tasks.append(task)
        return task


def in_workflow(
    code: Callable[[], Any] | Coroutine[Any, Any, Any],
    guarded: bool = True,
    allowed: frozenset[str] = frozenset(),
) -> Any:
    """Run ``code`` as a workflow would; its result."""

    async def run() -> Any:
        assert callable(code)
        return code()

    loop = WorkflowLoop(Marked(guarded, allowed))
    return loop.run_until_complete(code if asyncio.iscoroutine(code) else run())
