"""Everything that can be set, in one frozen value: from flags, a TOML file, and the environment, the first of them first.

Only composition roots read this module; it is the only one that reads the environment.
"""

import os
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

ENVIRONMENT_PREFIX = "TENUTO_"


class BadConfig(ValueError):
    """A setting that cannot be; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of one server."""

    db: str = "sqlite:///tenuto.db"
    """``sqlite:///relative.db``, ``sqlite:////absolute.db`` or ``memory://``."""
    host: str = "127.0.0.1"
    port: int = 7233
    namespaces: tuple[str, ...] = ("default",)
    """Registered at start when missing."""
    search_attributes: tuple[str, ...] = ()
    """``Name=Type``, registered in every one of ``namespaces``."""
    log_level: str = "info"
    log_format: str = "text"
    """``text`` or ``json``."""
    listener: str = "native"
    """``native`` or ``grpcio``."""
    tls_cert: str = ""
    tls_key: str = ""
    tls_client_ca: str = ""
    """With it, clients must show a certificate of this authority."""
    drain_seconds: float = 10.0
    """How long calls in flight may take after SIGTERM."""


def load(file: str | None = None, flags: dict[str, Any] | None = None) -> Config:
    """Flags over environment over file over defaults. Raises `BadConfig`."""
    config = Config()
    if file:
        try:
            config = _merged(config, tomllib.loads(Path(file).read_text("utf-8")), f"file {file}")
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise BadConfig(f"cannot read {file}: {error}") from error
    environment = {
        name.removeprefix(ENVIRONMENT_PREFIX).lower(): value
        for name, value in os.environ.items()
        if name.startswith(ENVIRONMENT_PREFIX)
    }
    known = {field.name for field in fields(Config)}
    config = _merged(config, {k: v for k, v in environment.items() if k in known}, "environment")
    return _checked(_merged(config, {k: v for k, v in (flags or {}).items() if v is not None}, "flags"))


def _merged(config: Config, values: dict[str, Any], source: str) -> Config:
    known = {field.name for field in fields(Config)}
    changes: dict[str, Any] = {}
    for name, value in values.items():
        key = name.replace("-", "_")
        if key not in known:
            raise BadConfig(f"{source}: there is no setting {name!r}; known are {', '.join(sorted(known))}")
        default = getattr(config, key)
        try:
            if isinstance(default, tuple):
                changes[key] = tuple(value.split(",")) if isinstance(value, str) else tuple(value)
            else:
                changes[key] = type(default)(value)
        except (TypeError, ValueError) as error:
            raise BadConfig(f"{source}: {name} must be {type(default).__name__}, not {value!r}") from error
    return replace(config, **changes)


def _checked(config: Config) -> Config:
    if not 0 <= config.port <= 65535:
        raise BadConfig(f"port must be between 0 and 65535, not {config.port}")
    if config.log_format not in ("text", "json"):
        raise BadConfig(f"log_format must be text or json, not {config.log_format!r}")
    if config.listener not in ("native", "grpcio"):
        raise BadConfig(f"listener must be native or grpcio, not {config.listener!r}")
    if bool(config.tls_cert) != bool(config.tls_key):
        raise BadConfig("TLS needs both tls_cert and tls_key")
    if config.tls_client_ca and not config.tls_cert:
        raise BadConfig("tls_client_ca needs tls_cert and tls_key")
    return config
