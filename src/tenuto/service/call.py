"""One call, as every frontend describes it to the service. Must never know which frontend it is."""

from collections.abc import Callable, Mapping

from tenuto.service.namespaces import NO_NAMESPACE, KnownNamespace
from tenuto.service.tokens import TaskToken


class Call:
    """Who calls, until when, and (filled in by the service) in which namespace and with which task token.

    ``deadline_at`` is an instant in ns, or None when the caller set none. ``headers`` may be costly for a frontend to
    collect: ask only when needed.
    """

    __slots__ = ("_alive", "_given", "_headers", "deadline_at", "namespace", "token")

    def __init__(
        self,
        deadline_at: int | None = None,
        headers: Callable[[], Mapping[str, str]] | None = None,
        alive: Callable[[], bool] | None = None,
        given: Mapping[str, str | bytes] | None = None,
    ) -> None:
        """``given``: all headers, where they are at hand; else ``headers`` collects those with texts."""
        self.deadline_at = deadline_at
        self._given = given
        self._headers = headers
        self._alive = alive
        self.namespace: KnownNamespace = NO_NAMESPACE
        self.token: TaskToken | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        if self._given is not None:
            return {name: value for name, value in self._given.items() if isinstance(value, str)}
        return self._headers() if self._headers is not None else {}

    def header(self, name: str) -> str:
        """One header's text; empty when there is none."""
        value = self._given.get(name, "") if self._given is not None else self.headers.get(name, "")
        return value if isinstance(value, str) else ""

    @property
    def client_name(self) -> str:
        """What the client calls itself; empty when it does not say."""
        return self.header("client-name")

    def alive(self) -> bool:
        """Whether somebody still waits for the answer."""
        return self._alive is None or self._alive()
