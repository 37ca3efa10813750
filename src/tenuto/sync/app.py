"""An application in one process whose methods block. This file must never wait itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast, overload

from tenuto import app as _app
from tenuto.sync.client import SharedClient
from tenuto.sync.handles import SyncWorkflowHandle
from tenuto.sync.thread import Owner

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self, Unpack

    from tenuto.app import AppStartOptions
    from tenuto.workflow import FunctionWorkflow

P = ParamSpec("P")
R = TypeVar("R")


class SyncApp:
    """A client and its workers, made by `open`; running inside ``with``, or from `start_up` to `close`."""

    client: SharedClient
    """The client. Only while it is open."""

    def __init__(self, make: Callable[[], _app.App]) -> None:
        self._make = make
        self._owner: Owner | None = None
        self._app: _app.App | None = None

    def start_up(self) -> Self:
        """Open it, for programs whose end is not that of a block; `close` it, or leave it to the end of the process."""
        if self._owner is not None:
            raise RuntimeError("this application is open already")
        owner = _Opened(self)
        try:
            self._app = owner.run(_entered(self._make))
        except BaseException:
            Owner.close(owner)
            raise
        self._owner = owner
        self.client = SharedClient(owner._thread, self._app.client)
        return self

    def close(self) -> None:
        """Stop the workers, and close the client and the store. A second time does nothing."""
        owner, self._owner = self._owner, None
        app, self._app = self._app, None
        if owner is None or app is None:
            return
        try:
            owner.run(app.__aexit__(None, None, None))
        finally:
            Owner.close(owner)

    def __enter__(self) -> Self:
        return self.start_up()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _here(self) -> tuple[_app.App, Owner]:
        if self._app is None or self._owner is None:
            raise RuntimeError("this application is not open: use it inside `with`, or call start_up()")
        return self._app, self._owner

    @overload
    def start(
        self, workflow: FunctionWorkflow[..., R], *args: Any, **options: Unpack[AppStartOptions]
    ) -> SyncWorkflowHandle[Any, R]: ...
    @overload
    def start(
        self, workflow: Callable[..., Awaitable[R]], *args: Any, **options: Unpack[AppStartOptions]
    ) -> SyncWorkflowHandle[Any, R]: ...
    @overload
    def start(
        self, workflow: str, *args: Any, **options: Unpack[AppStartOptions]
    ) -> SyncWorkflowHandle[Any, Any]: ...
    def start(self, workflow: Any, *args: Any, **options: Any) -> Any:
        """Start a workflow, and return its handle. Args and options as of `tenuto.App`."""
        app, owner = self._here()
        handle = owner.run(cast("Any", app.start)(workflow, *args, **options))
        return SyncWorkflowHandle(owner._thread, handle)

    @overload
    def execute(
        self, workflow: FunctionWorkflow[..., R], *args: Any, **options: Unpack[AppStartOptions]
    ) -> R: ...
    @overload
    def execute(
        self, workflow: Callable[..., Awaitable[R]], *args: Any, **options: Unpack[AppStartOptions]
    ) -> R: ...
    @overload
    def execute(self, workflow: str, *args: Any, **options: Unpack[AppStartOptions]) -> Any: ...
    def execute(self, workflow: Any, *args: Any, **options: Any) -> Any:
        """Run a workflow, and return its result. Args and options as of `tenuto.App`. Raises `WorkflowFailureError`."""
        app, owner = self._here()
        return owner.run(cast("Any", app.execute)(workflow, *args, **options))


class _Opened(Owner):
    """The thread of an application that is open. What is still open when the process ends is closed then."""

    def __init__(self, app: SyncApp) -> None:
        self._whose = app
        super().__init__()

    def close(self) -> None:
        self._whose.close()


async def _entered(make: Callable[[], _app.App]) -> _app.App:
    return await make().__aenter__()


def _opened(make: Callable[P, _app.App]) -> Callable[P, SyncApp]:
    def opened(*args: P.args, **kwargs: P.kwargs) -> SyncApp:
        return SyncApp(lambda: make(*args, **kwargs))

    opened.__doc__ = make.__doc__
    return opened


open = _opened(_app.open)
