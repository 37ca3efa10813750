"""grpc.aio in programs whose threads gevent has replaced by greenlets.

grpc waits for the network in a thread of its own, and never lets go of it: as a greenlet it stops the event loop for good.
This file must never do anything where gevent has not been at work, nor change what threads are for anybody else.
"""

import sys
from collections.abc import Callable
from typing import Any

import grpc.aio

_ready: list[bool] = []


def prepare() -> None:
    """Have grpc's own thread made as a real one. To be called before the first channel; later calls do nothing."""
    if _ready:
        return
    monkey: Any = sys.modules.get("gevent.monkey")
    if monkey is None or not monkey.is_object_patched("_thread", "start_new_thread"):
        return
    _ready.append(True)
    from grpc._cython import cygrpc

    seen = cygrpc.threading
    cygrpc.threading = _Threading(seen, monkey)
    try:
        grpc.aio.init_grpc_aio()
    finally:
        cygrpc.threading = seen


class _Threading:
    """The module ``threading``, but for threads."""

    def __init__(self, module: Any, monkey: Any) -> None:
        self._module = module
        self._start = monkey.get_original("_thread", "start_new_thread")
        self._lock = monkey.get_original("_thread", "allocate_lock")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def Thread(self, target: Callable[[], object], **_: Any) -> "_Thread":
        return _Thread(target, self._start, self._lock())


class _Thread:
    """As much of a thread as grpc asks for."""

    def __init__(self, target: Callable[[], object], start: Callable[..., Any], done: Any) -> None:
        self._target = target
        self._start = start
        self._done = done

    def start(self) -> None:
        self._done.acquire()
        self._start(self._run, ())

    def _run(self) -> None:
        try:
            self._target()
        finally:
            self._done.release()

    def join(self, timeout: float | None = None) -> None:
        if self._done.acquire(timeout=-1 if timeout is None else timeout):
            self._done.release()
