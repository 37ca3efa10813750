"""``tenuto server start`` and ``start-dev``.

``start-dev`` takes the flags that SDK test environments give a Temporal dev server: this executable can stand for it.
"""

import argparse
import sys
from typing import Any

from tenuto.config import BadConfig, load


def add(commands: Any) -> None:
    server = commands.add_parser("server", help="run a server")
    kinds = server.add_subparsers(dest="kind", required=True, metavar="KIND")
    _start(kinds.add_parser("start", help="serve on a durable store"))
    _start_dev(kinds.add_parser("start-dev", help="serve for development: in memory unless given a file"))


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", "-p", type=int, help="gRPC port (default 7233)")
    parser.add_argument("--namespace", "-n", action="append", help="register this namespace; may be repeated")
    parser.add_argument(
        "--search-attribute", action="append", metavar="NAME=TYPE", help="register; may be repeated"
    )
    parser.add_argument("--log-level", help="debug, info, warn, error or never")
    parser.add_argument("--log-format", help="text or json")
    parser.add_argument("--listener", choices=("native", "grpcio"), help=argparse.SUPPRESS)


def _start(parser: argparse.ArgumentParser) -> None:
    _common(parser)
    parser.add_argument("--db", help="sqlite:///file.db, sqlite:////absolute/file.db or memory://")
    parser.add_argument("--host", "--ip", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--config", metavar="FILE", help="settings in TOML")
    parser.add_argument("--tls-cert", metavar="FILE", help="certificate, PEM")
    parser.add_argument("--tls-key", metavar="FILE", help="its key, PEM")
    parser.add_argument(
        "--tls-client-ca", metavar="FILE", help="demand client certificates of this authority, PEM"
    )
    parser.add_argument(
        "--drain-seconds", type=float, help="how long calls may take after SIGTERM (default 10)"
    )
    parser.set_defaults(run=_run_start)


def _start_dev(parser: argparse.ArgumentParser) -> None:
    _common(parser)
    parser.add_argument("--ip", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--db-filename", "-f", help="keep everything in this file")
    for flag in (
        "--ui-port",
        "--ui-ip",
        "--http-port",
        "--metrics-port",
        "--ui-asset-path",
        "--ui-codec-endpoint",
    ):
        parser.add_argument(flag, help=argparse.SUPPRESS)
    for flag in ("--sqlite-pragma", "--dynamic-config-value"):
        parser.add_argument(flag, action="append", help=argparse.SUPPRESS)
    for flag in ("--color", "--time-format", "--output", "--env", "--env-file", "--command-timeout"):
        parser.add_argument(flag, help=argparse.SUPPRESS)
    for flag in ("--headless", "--log-config", "--no-json-shorthand-payloads", "--disable-config-env"):
        parser.add_argument(flag, action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(run=_run_dev, lenient=True)


def _flags(arguments: argparse.Namespace, **more: Any) -> dict[str, Any]:
    level = (arguments.log_level or "").lower() or None
    style = arguments.log_format if arguments.log_format != "pretty" else "text"
    return {
        "port": arguments.port,
        "search_attributes": arguments.search_attribute,
        "log_level": level,
        "log_format": style,
        "listener": arguments.listener,
        **more,
    }


def _run_start(arguments: argparse.Namespace) -> int:
    flags = _flags(
        arguments,
        db=arguments.db,
        host=arguments.host,
        namespaces=arguments.namespace,
        tls_cert=arguments.tls_cert,
        tls_key=arguments.tls_key,
        tls_client_ca=arguments.tls_client_ca,
        drain_seconds=arguments.drain_seconds,
    )
    return _serve(arguments.config, flags)


def _run_dev(arguments: argparse.Namespace) -> int:
    namespaces = ["default", *(name for name in arguments.namespace or () if name != "default")]
    db = f"sqlite:///{arguments.db_filename}" if arguments.db_filename else "memory://"
    level = arguments.log_level or "warn"
    flags = _flags(arguments, db=db, host=arguments.ip, namespaces=namespaces, drain_seconds=2.0)
    flags["log_level"] = level
    return _serve(None, flags)


def _serve(file: str | None, flags: dict[str, Any]) -> int:
    from tenuto import server

    try:
        config = load(file, flags)
    except BadConfig as error:
        sys.stderr.write(f"tenuto: {error}\n")
        return 2
    return server.main(config)
