"""``tenuto``: the argument tree. Commands live in their own modules and are imported when chosen."""

import argparse
import sys
from collections.abc import Sequence

from tenuto import __version__
from tenuto.cli import server


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(
        prog="tenuto", description="Durable execution: run a server, look at workflows."
    )
    root.add_argument("--version", action="version", version=f"tenuto {__version__}")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    server.add(commands)
    return root


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    arguments, rest = parser().parse_known_args(argv)
    if rest and not getattr(arguments, "lenient", False):
        parser().error(f"unknown arguments: {' '.join(rest)}")
    if rest:
        sys.stderr.write(f"tenuto: ignoring {' '.join(rest)}\n")
    code: int = arguments.run(arguments)
    return code
