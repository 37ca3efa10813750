"""Settings from a file and the environment, as every tool of the protocol reads them."""

from pathlib import Path
from typing import Any

import pytest

from tenuto.envconfig import ClientConfig, ClientConfigProfile, ClientConfigTLS, ConfigError
from tenuto.transport.config import TLSConfig

FILE = """
[profile.default]
address = "a:1"
namespace = "ns"
api_key = "k"
[profile.default.grpc_meta]
"Some_Header-X" = "v"

[profile.custom]
address = "c:1"
[profile.custom.tls]
server_name = "sn"
client_cert_path = "cert.pem"
client_key_data = "key"

[profile.off]
address = "d:1"
api_key = "k"
[profile.off.tls]
disabled = true
server_name = "x"
"""


def load(
    profile: str | None = None, env: dict[str, str] | None = None, **options: Any
) -> ClientConfigProfile:
    options.setdefault("config_source", FILE)
    return ClientConfigProfile.load(profile, override_env_vars=env or {}, **options)


def test_the_default_profile_is_read() -> None:
    assert load() == ClientConfigProfile("a:1", "ns", "k", None, {"some-header-x": "v"})
    assert load().to_client_connect_config() == {
        "target_host": "a:1",
        "namespace": "ns",
        "api_key": "k",
        "tls": True,
        "rpc_metadata": {"some-header-x": "v"},
    }


def test_a_profile_is_chosen_by_name_or_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cert.pem").write_bytes(b"CERT")
    tls = TLSConfig(domain="sn", client_cert=b"CERT", client_private_key=b"key")
    for found in (load("custom"), load(env={"TEMPORAL_PROFILE": "custom"})):
        assert found.to_client_connect_config() == {"target_host": "c:1", "tls": tls}
    assert load("default", {"TEMPORAL_PROFILE": "custom"}).address == "a:1"


def test_tls_that_is_disabled_stays_off_despite_an_api_key() -> None:
    assert load("off").to_client_connect_config() == {"target_host": "d:1", "api_key": "k", "tls": False}


def test_a_profile_that_is_asked_for_must_exist_but_the_file_need_not(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Profile 'nope' not found"):
        load("nope")
    with pytest.raises(ConfigError, match="Profile 'nope' not found"):
        load(env={"TEMPORAL_PROFILE": "nope"})
    assert load(config_source=tmp_path / "none.toml") == ClientConfigProfile()
    assert load("nope", {"TEMPORAL_ADDRESS": "q:1"}, disable_file=True).address == "q:1"


def test_the_file_is_named_by_argument_by_environment_or_lies_at_home(tmp_path: Path) -> None:
    file = tmp_path / "temporalio" / "temporal.toml"
    file.parent.mkdir()
    file.write_text(FILE)
    for found in (
        ClientConfig.load_client_connect_config(config_file=str(file), override_env_vars={}),
        ClientConfig.load_client_connect_config(override_env_vars={"TEMPORAL_CONFIG_FILE": str(file)}),
        ClientConfig.load_client_connect_config(
            override_env_vars={"XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path)}
        ),
    ):
        assert found["target_host"] == "a:1"


def test_the_environment_overrules_the_file() -> None:
    env = {
        "TEMPORAL_ADDRESS": "z:9",
        "TEMPORAL_NAMESPACE": "other",
        "TEMPORAL_API_KEY": "",
        "TEMPORAL_GRPC_META_FOO_BAR": "1",
        "TEMPORAL_GRPC_META_SOME_HEADER_X": "",
        "TEMPORAL_TLS_SERVER_NAME": "s",
    }
    found = load(env=env)
    assert (found.address, found.namespace, found.api_key) == ("z:9", "other", "")
    assert found.grpc_meta == {"foo-bar": "1"}
    assert found.tls == ClientConfigTLS(server_name="s")
    assert load(env=env, disable_env=True).address == "a:1"


@pytest.mark.parametrize(
    ("word", "disabled"),
    [("true", False), ("1", False), ("TRUE", False), ("false", True), ("0", True), ("yes", None), ("", None)],
)
def test_tls_is_switched_by_a_word(word: str, disabled: bool | None) -> None:
    assert load(env={"TEMPORAL_TLS": word}).tls == ClientConfigTLS(disabled=disabled)


@pytest.mark.parametrize("what", ["CLIENT_CERT", "CLIENT_KEY", "SERVER_CA_CERT"])
def test_a_certificate_is_a_file_or_data_and_never_both(what: str) -> None:
    path, data = f"TEMPORAL_TLS_{what}_PATH", f"TEMPORAL_TLS_{what}_DATA"
    with pytest.raises(ConfigError, match=f"Cannot specify both {path} and {data}"):
        load(env={path: "/x", data: "x"})
    for env, expected in (({path: "/x"}, Path("/x")), ({data: "x"}, b"x")):
        tls = load(env=env).tls
        assert tls is not None
        assert expected in (tls.client_cert, tls.client_private_key, tls.server_root_ca_cert)


def test_the_environment_may_not_mix_forms_with_the_file() -> None:
    with pytest.raises(
        ConfigError, match="Cannot specify cert data via TEMPORAL_TLS_CLIENT_CERT_DATA when cert path"
    ):
        load("custom", {"TEMPORAL_TLS_CLIENT_CERT_DATA": "x"})
    with pytest.raises(
        ConfigError, match="Cannot specify key path via TEMPORAL_TLS_CLIENT_KEY_PATH when key data"
    ):
        load("custom", {"TEMPORAL_TLS_CLIENT_KEY_PATH": "/x"})


@pytest.mark.parametrize(
    "text",
    [
        "[profile",
        "[profile.default]\naddress = 1",
        "[profile.default]\ntls = true",
        "[profile.default.grpc_meta]\na = 1",
        '[profile.default.tls]\ndisabled = "no"',
    ],
)
def test_a_file_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="TOML parse error|must be true or false"):
        load(config_source=text)


@pytest.mark.parametrize(
    "text", ["top = 1", "[other]\nx = 1", "[profile.default]\nfoo = 1", "[profile.default.tls]\nxx = 1"]
)
def test_unknown_keys_are_errors_only_when_asked(text: str) -> None:
    assert load(config_source=text.encode()).address is None
    with pytest.raises(ConfigError, match="unknown field"):
        load(config_source=text, config_file_strict=True)
    with pytest.raises(ConfigError, match="unknown field"):
        ClientConfig.load(config_source=text, config_file_strict=True, override_env_vars={})


def test_one_source_at_least_is_needed() -> None:
    with pytest.raises(ConfigError, match="Cannot disable both"):
        load(disable_file=True, disable_env=True)


def test_plain_values_and_back() -> None:
    config = ClientConfig.load(config_source=FILE, override_env_vars={})
    assert config.to_dict()["custom"] == {
        "address": "c:1",
        "tls": {"server_name": "sn", "client_cert": {"path": "cert.pem"}, "client_key": {"data": "key"}},
    }
    assert ClientConfig.from_dict(config.to_dict()).to_dict() == config.to_dict()
    assert ClientConfigTLS.from_dict(None) is None
    assert ClientConfigProfile().to_dict() == {}


def test_a_certificate_that_is_not_there_is_noticed_when_it_is_read() -> None:
    with pytest.raises(FileNotFoundError):
        load("custom").to_client_connect_config()
