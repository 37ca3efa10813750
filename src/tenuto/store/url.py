"""From a URL to a store. Must never open what it names: that is the caller's next step."""

from urllib.parse import parse_qs, unquote, urlsplit

from tenuto.store.memory import MemoryStore
from tenuto.store.spi import Store
from tenuto.store.sqlite import SqliteStore

_FORMS = "memory://, sqlite:///relative.db, sqlite:////absolute/path.db (optionally ?synchronous=normal)"


def open_store(url: str) -> Store:
    """The store that ``url`` names, not opened yet: ``await store.open()`` comes next. Raises ValueError.

    ``memory://`` is a new, empty store each time. ``sqlite:///app.db`` is relative to the working directory,
    ``sqlite:////var/app.db`` absolute.
    """
    parts = urlsplit(url)
    if parts.scheme == "memory" and not parts.netloc and parts.path in ("", "/"):
        return MemoryStore()
    if parts.scheme != "sqlite":
        raise ValueError(f"no store is known for the URL {url!r}; known are {_FORMS}")
    # As in other tools, the third slash only ends the empty host.
    path = unquote(parts.path[1:])
    if parts.netloc or not path:
        raise ValueError(f"the URL {url!r} does not name a file; known are {_FORMS}")
    options = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    synchronous = options.pop("synchronous", "full")
    if options:
        raise ValueError(f"the URL {url!r} has unknown options: {', '.join(sorted(options))}")
    if synchronous == "full":
        return SqliteStore(path)
    if synchronous == "normal":
        return SqliteStore(path, synchronous="normal")
    raise ValueError(f"the URL {url!r}: synchronous must be full or normal, not {synchronous!r}")
