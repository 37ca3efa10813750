"""One call, as every frontend describes it to the service. Must never know which frontend it is."""

from collections.abc import Callable, Mapping

from tenuto.service.namespaces import NO_NAMESPACE, KnownNamespace
from tenuto.service.tokens import TaskToken


class Call:
    """Who calls, until when, and (filled in by the service) in which namespace and with which task token.

    ``deadline_at`` is an instant in ns, or None when the caller set none. ``headers`` may be costly for a frontend to
    collect: ask only when needed.
    """

    __slots__ = ("_alive", "_headers", "deadline_at", "namespace", "token")

    def __init__(
        self,
        deadline_at: int | None = None,
        headers: Callable[[], Mapping[str, str]] | None = None,
        alive: Callable[[], bool] | None = None,
    ) -> None:
        self.deadline_at = deadline_at
        self._headers = headers
        self._alive = alive
        self.namespace: KnownNamespace = NO_NAMESPACE
        self.token: TaskToken | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        return self._headers() if self._headers is not None else {}

    @property
    def client_name(self) -> str:
        """What the client calls itself; empty when it does not say."""
        return self.headers.get("client-name", "")

    def alive(self) -> bool:
        """Whether somebody still waits for the answer."""
        return self._alive is None or self._alive()
