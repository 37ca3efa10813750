"""How to reach a service, from a TOML file and the environment: the settings that all Temporal tools share.

The file has ``[profile.<name>]`` tables; environment variables overrule it. This room must never connect anywhere.
"""

import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeAlias, TypedDict, cast

from tenuto.transport.config import TLSConfig

DataSource: TypeAlias = Path | str | bytes
"""A file, or the data itself."""

DEFAULT_PROFILE = "default"
_META_PREFIX = "TEMPORAL_GRPC_META_"
_WORDS = {"true": True, "1": True, "false": False, "0": False}


class ConfigError(RuntimeError):
    """A setting that cannot be; the message says which."""


class ClientConfigTLSDict(TypedDict, total=False):
    """`ClientConfigTLS` as plain values; certificates are ``{"path": ...}`` or ``{"data": ...}``."""

    disabled: bool | None
    server_name: str
    server_ca_cert: Mapping[str, str]
    client_cert: Mapping[str, str]
    client_key: Mapping[str, str]


class ClientConfigProfileDict(TypedDict, total=False):
    """`ClientConfigProfile` as plain values."""

    address: str
    namespace: str
    api_key: str
    tls: ClientConfigTLSDict
    grpc_meta: Mapping[str, str]


class ClientConnectConfig(TypedDict, total=False):
    """Arguments for ``Client.connect``: ``await Client.connect(**config)``."""

    target_host: str
    namespace: str
    api_key: str
    tls: bool | TLSConfig
    rpc_metadata: Mapping[str, str]


# ---- certificates ---------------------------------------------------------------------------------------------------------


def _shown(source: DataSource | None) -> dict[str, str] | None:
    if source is None:
        return None
    if isinstance(source, Path):
        return {"path": str(source)}
    return {"data": source.decode() if isinstance(source, bytes) else source}


def _source(shown: Mapping[str, str] | None) -> DataSource | None:
    if not shown:
        return None
    if "path" in shown:
        return Path(shown["path"])
    return shown.get("data")


def _read(source: DataSource | None) -> bytes | None:
    if source is None:
        return None
    if isinstance(source, Path):
        return source.read_bytes()
    return source.encode() if isinstance(source, str) else source


@dataclass(frozen=True)
class ClientConfigTLS:
    """TLS settings of a profile."""

    disabled: bool | None = None
    """None: not said; TLS is on when anything here, or an API key, is given."""
    server_name: str | None = None
    """The name to ask for and to verify."""
    server_root_ca_cert: DataSource | None = None
    client_cert: DataSource | None = None
    client_private_key: DataSource | None = None

    def to_dict(self) -> ClientConfigTLSDict:
        """As plain values, without what is not set."""
        shown: dict[str, Any] = {
            "disabled": self.disabled,
            "server_name": self.server_name,
            "server_ca_cert": _shown(self.server_root_ca_cert),
            "client_cert": _shown(self.client_cert),
            "client_key": _shown(self.client_private_key),
        }
        return cast(ClientConfigTLSDict, {name: value for name, value in shown.items() if value is not None})

    def to_connect_tls_config(self) -> bool | TLSConfig:
        """For ``Client.connect(tls=...)``; reads the files. False: no TLS. Raises OSError."""
        if self.disabled:
            return False
        return TLSConfig(
            domain=self.server_name,
            server_root_ca_cert=_read(self.server_root_ca_cert),
            client_cert=_read(self.client_cert),
            client_private_key=_read(self.client_private_key),
        )

    @classmethod
    def from_dict(cls, d: ClientConfigTLSDict | None) -> Self | None:
        """From plain values; None for none."""
        if not d:
            return None
        return cls(
            disabled=d.get("disabled"),
            server_name=d.get("server_name"),
            server_root_ca_cert=_source(d.get("server_ca_cert")),
            client_cert=_source(d.get("client_cert")),
            client_private_key=_source(d.get("client_key")),
        )


# ---- profiles -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ClientConfigProfile:
    """One way to reach a service."""

    address: str | None = None
    namespace: str | None = None
    api_key: str | None = None
    tls: ClientConfigTLS | None = None
    grpc_meta: Mapping[str, str] = field(default_factory=dict)
    """Headers of every call."""

    @classmethod
    def from_dict(cls, d: ClientConfigProfileDict) -> Self:
        """From plain values."""
        return cls(
            address=d.get("address"),
            namespace=d.get("namespace"),
            api_key=d.get("api_key"),
            tls=ClientConfigTLS.from_dict(d.get("tls")),
            grpc_meta=d.get("grpc_meta") or {},
        )

    def to_dict(self) -> ClientConfigProfileDict:
        """As plain values, without what is not set."""
        shown: dict[str, Any] = {
            "address": self.address,
            "namespace": self.namespace,
            "api_key": self.api_key,
            "tls": self.tls.to_dict() if self.tls is not None else None,
            "grpc_meta": dict(self.grpc_meta) or None,
        }
        return cast(
            ClientConfigProfileDict, {name: value for name, value in shown.items() if value is not None}
        )

    def to_client_connect_config(self) -> ClientConnectConfig:
        """Arguments for ``Client.connect``, without what is not set. Raises OSError for a certificate that is not there."""
        tls: bool | TLSConfig | None = None
        if self.tls is not None:
            tls = self.tls.to_connect_tls_config()
        elif self.api_key:
            tls = True
        found: dict[str, Any] = {
            "target_host": self.address or None,
            "namespace": self.namespace or None,
            "api_key": self.api_key or None,
            "tls": tls,
            "rpc_metadata": dict(self.grpc_meta) or None,
        }
        return cast(ClientConnectConfig, {name: value for name, value in found.items() if value is not None})

    @staticmethod
    def load(
        profile: str | None = None,
        *,
        config_source: DataSource | None = None,
        disable_file: bool = False,
        disable_env: bool = False,
        config_file_strict: bool = False,
        override_env_vars: Mapping[str, str] | None = None,
    ) -> "ClientConfigProfile":
        """One profile of the file, overruled by the environment.

        ``profile``: its name; else ``TEMPORAL_PROFILE``, else "default". ``config_source``: a file, or TOML itself; else
        ``TEMPORAL_CONFIG_FILE``, else the user's ``temporalio/temporal.toml``; a file that does not exist is an empty one.
        ``config_file_strict``: unknown keys are errors. ``override_env_vars``: used instead of the environment. Raises
        `ConfigError`.
        """
        if disable_file and disable_env:
            raise ConfigError("Invalid configuration: Cannot disable both file and environment loading")
        env = _environment(override_env_vars)
        seen = {} if disable_env else env
        name = profile or seen.get("TEMPORAL_PROFILE") or None
        found = ClientConfigProfile()
        if not disable_file:
            profiles = _load(config_source, seen, env, config_file_strict)
            wanted = profiles.get(name or DEFAULT_PROFILE)
            if wanted is None and name is not None:
                raise ConfigError(f"Profile '{name}' not found")
            found = wanted or found
        return found if disable_env else _overruled(found, env)


@dataclass(frozen=True)
class ClientConfig:
    """All profiles of a file."""

    profiles: Mapping[str, ClientConfigProfile]

    def to_dict(self) -> Mapping[str, ClientConfigProfileDict]:
        """As plain values, by name."""
        return {name: profile.to_dict() for name, profile in self.profiles.items()}

    @classmethod
    def from_dict(cls, d: Mapping[str, Mapping[str, Any]]) -> Self:
        """From plain values, by name."""
        return cls(
            {
                name: ClientConfigProfile.from_dict(cast(ClientConfigProfileDict, one))
                for name, one in d.items()
            }
        )

    @staticmethod
    def load(
        *,
        config_source: DataSource | None = None,
        config_file_strict: bool = False,
        override_env_vars: Mapping[str, str] | None = None,
    ) -> "ClientConfig":
        """All profiles as the file has them. Raises `ConfigError`.

        Of the environment only ``TEMPORAL_CONFIG_FILE`` counts.
        """
        env = _environment(override_env_vars)
        return ClientConfig(_load(config_source, env, env, config_file_strict))

    @staticmethod
    def load_client_connect_config(
        profile: str | None = None,
        *,
        config_file: str | None = None,
        disable_file: bool = False,
        disable_env: bool = False,
        config_file_strict: bool = False,
        override_env_vars: Mapping[str, str] | None = None,
    ) -> ClientConnectConfig:
        """One profile as arguments for ``Client.connect``; see `ClientConfigProfile.load`."""
        return ClientConfigProfile.load(
            profile,
            config_source=Path(config_file) if config_file and not disable_file else None,
            disable_file=disable_file,
            disable_env=disable_env,
            config_file_strict=config_file_strict,
            override_env_vars=override_env_vars,
        ).to_client_connect_config()


# ---- the file -------------------------------------------------------------------------------------------------------------


def _environment(override: Mapping[str, str] | None) -> Mapping[str, str]:
    return os.environ if override is None else override


def _default_file(env: Mapping[str, str]) -> Path | None:
    """Where the user's settings are on this system."""
    home = env.get("HOME") or os.path.expanduser("~")
    if sys.platform == "win32":
        roaming = env.get("APPDATA") or os.environ.get("APPDATA")
        base = Path(roaming) if roaming else None
    elif sys.platform == "darwin":
        base = Path(home) / "Library" / "Application Support"
    else:
        base = Path(env.get("XDG_CONFIG_HOME") or os.environ.get("XDG_CONFIG_HOME") or Path(home) / ".config")
    return None if base is None else base / "temporalio" / "temporal.toml"


def _load(
    source: DataSource | None, seen: Mapping[str, str], env: Mapping[str, str], strict: bool
) -> dict[str, ClientConfigProfile]:
    if source is None:
        named = seen.get("TEMPORAL_CONFIG_FILE")
        source = Path(named) if named else _default_file(env)
        if source is None:
            return {}
    try:
        text = (_read(source) or b"").decode()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Configuration loading error: {error}") from error
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"Configuration loading error: TOML parse error: {error}") from error
    return _profiles(document, strict)


def _profiles(document: dict[str, Any], strict: bool) -> dict[str, ClientConfigProfile]:
    _known(document, {"profile"}, "the file", strict)
    tables = _table(document, "profile", "the file") or {}
    found = {}
    for name in tables:
        where = f"profile.{name}"
        table = _table(tables, name, "profile") or {}
        _known(table, {"address", "namespace", "api_key", "tls", "codec", "grpc_meta"}, where, strict)
        codec = _table(table, "codec", where) or {}
        _known(codec, {"endpoint", "auth"}, f"{where}.codec", strict)
        meta = _table(table, "grpc_meta", where) or {}
        found[name] = ClientConfigProfile(
            address=_text(table, "address", where),
            namespace=_text(table, "namespace", where),
            api_key=_text(table, "api_key", where),
            tls=_file_tls(_table(table, "tls", where), f"{where}.tls", strict),
            grpc_meta={_header(key): _text(meta, key, f"{where}.grpc_meta") or "" for key in meta},
        )
    return found


_TLS_KEYS = {
    "disabled",
    "server_name",
    "disable_host_verification",
    *(
        f"{what}_{form}"
        for what in ("client_cert", "client_key", "server_ca_cert")
        for form in ("path", "data")
    ),
}


def _file_tls(table: dict[str, Any] | None, where: str, strict: bool) -> ClientConfigTLS | None:
    if table is None:
        return None
    _known(table, _TLS_KEYS, where, strict)
    disabled = table.get("disabled")
    if disabled is not None and not isinstance(disabled, bool):
        raise ConfigError(
            f"Configuration loading error: {where}.disabled must be true or false, not {disabled!r}"
        )

    def pair(what: str) -> DataSource | None:
        path, data = _text(table, f"{what}_path", where), _text(table, f"{what}_data", where)
        if path is not None and data is not None:
            raise ConfigError(f"Invalid configuration: Cannot specify both {what}_path and {what}_data")
        return Path(path) if path is not None else data.encode() if data is not None else None

    return ClientConfigTLS(
        disabled=disabled,
        server_name=_text(table, "server_name", where),
        server_root_ca_cert=pair("server_ca_cert"),
        client_cert=pair("client_cert"),
        client_private_key=pair("client_key"),
    )


def _header(name: str) -> str:
    return name.lower().replace("_", "-")


def _known(table: dict[str, Any], names: set[str], where: str, strict: bool) -> None:
    unknown = sorted(set(table) - names)
    if strict and unknown:
        expected = ", ".join(f"`{name}`" for name in sorted(names))
        raise ConfigError(
            f"Configuration loading error: TOML parse error: unknown field `{unknown[0]}` in {where}, "
            f"expected one of {expected}"
        )


def _table(parent: dict[str, Any], name: str, where: str) -> dict[str, Any] | None:
    value = parent.get(name)
    if value is not None and not isinstance(value, dict):
        raise ConfigError(
            f"Configuration loading error: TOML parse error: invalid type: {where}.{name} must be a table, not {value!r}"
        )
    return value


def _text(table: dict[str, Any], name: str, where: str) -> str | None:
    value = table.get(name)
    if value is not None and not isinstance(value, str):
        raise ConfigError(
            f"Configuration loading error: TOML parse error: invalid type: {where}.{name} must be a string, not {value!r}"
        )
    return value


# ---- the environment ------------------------------------------------------------------------------------------------------


def _overruled(profile: ClientConfigProfile, env: Mapping[str, str]) -> ClientConfigProfile:
    meta = dict(profile.grpc_meta)
    for name, value in env.items():
        if name.startswith(_META_PREFIX):
            key = _header(name.removeprefix(_META_PREFIX))
            if value:
                meta[key] = value
            else:
                meta.pop(key, None)
    return ClientConfigProfile(
        address=env.get("TEMPORAL_ADDRESS", profile.address),
        namespace=env.get("TEMPORAL_NAMESPACE", profile.namespace),
        api_key=env.get("TEMPORAL_API_KEY", profile.api_key),
        tls=_overruled_tls(profile.tls, env),
        grpc_meta=meta,
    )


def _overruled_tls(tls: ClientConfigTLS | None, env: Mapping[str, str]) -> ClientConfigTLS | None:
    if not any(name == "TEMPORAL_TLS" or name.startswith("TEMPORAL_TLS_") for name in env):
        return tls
    tls = tls or ClientConfigTLS()
    return ClientConfigTLS(
        disabled=_switched(env.get("TEMPORAL_TLS"), tls.disabled),
        server_name=env.get("TEMPORAL_TLS_SERVER_NAME", tls.server_name),
        server_root_ca_cert=_given(env, "SERVER_CA_CERT", "cert", tls.server_root_ca_cert),
        client_cert=_given(env, "CLIENT_CERT", "cert", tls.client_cert),
        client_private_key=_given(env, "CLIENT_KEY", "key", tls.client_private_key),
    )


def _switched(word: str | None, disabled: bool | None) -> bool | None:
    on = _WORDS.get((word or "").lower())
    return disabled if on is None else not on


def _given(env: Mapping[str, str], what: str, noun: str, present: DataSource | None) -> DataSource | None:
    path_name, data_name = f"TEMPORAL_TLS_{what}_PATH", f"TEMPORAL_TLS_{what}_DATA"
    path, data = env.get(path_name), env.get(data_name)
    if path is not None and data is not None:
        raise ConfigError(f"Invalid configuration: Cannot specify both {path_name} and {data_name}")
    for name, form, value, other in ((path_name, "path", path, "data"), (data_name, "data", data, "path")):
        if value is None or present is None:
            continue
        if isinstance(present, Path) is (other == "path"):
            raise ConfigError(
                f"Invalid configuration: Cannot specify {noun} {form} via {name} when {noun} {other} is already specified"
            )
    if path is not None:
        return Path(path)
    return data.encode() if data is not None else present
