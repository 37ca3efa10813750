"""The settings that programs are played in, and what came of each, played once however many tests ask."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence

from tests.interop.sdk.coding import coded
from tests.interop.sdk.loading import MAKES, Make, names, program_of
from tests.interop.sdk.playing import Played, Setting, play_all
from tests.oracle.harness import our_server, real_server

Results = dict[str, Played]
EMBEDDED = "memory://"


class Targets:
    """Servers that are started when first asked for, and what was played on them."""

    def __init__(self, stack: contextlib.ExitStack, chosen: Sequence[str]) -> None:
        self._stack = stack
        self._chosen = chosen
        self._addresses: dict[str, str] = {"embedded": EMBEDDED}
        self._played: dict[tuple[str, str], Results] = {}

    def address(self, where: str) -> str:
        """Of ``embedded``, ``ours`` or ``real``."""
        if where not in self._addresses:
            server = our_server() if where == "ours" else real_server()
            self._addresses[where] = self._stack.enter_context(server)
        return self._addresses[where]

    def played(self, who: str, where: str) -> Results:
        """Every chosen program that suits, by workers of one make, or of ``both`` at once, with a codec (``coded``,
        ``coded official``), or by one after the other (``official, then tenuto``)."""
        key = (who, where)
        if key not in self._played:
            setting = self._setting(who, where)
            chosen = [name for name in self._chosen if _suits(setting, name)]
            self._played[key] = asyncio.run(play_all(setting, chosen))
        return self._played[key]

    def again(self, who: str, where: str, name: str) -> Played:
        """One program once more, with nothing else going on."""
        played = asyncio.run(play_all(self._setting(who, where), [name]))[name]
        self._played[who, where][name] = played
        return played

    def _setting(self, who: str, where: str) -> Setting:
        address = self.address(where)
        if who in MAKES:
            make: Make = "official" if who == "official" else "tenuto"
            return Setting(address=address, client=make, workers=(make,))
        if who == "both":
            return Setting(address=address, client="tenuto", workers=MAKES)
        if who.startswith("coded"):
            workers: tuple[Make, ...] = ("official",) if who == "coded official" else MAKES
            return Setting(address=address, client="official", workers=workers, connect=coded())
        first: Make = "official" if who == "official, then tenuto" else "tenuto"
        second: Make = "tenuto" if first == "official" else "official"
        return Setting(address=address, client=second, workers=(first, second), takeover=True)


def _suits(setting: Setting, name: str) -> bool:
    program = program_of("official", name)
    if setting.takeover:
        return program.takeover
    return len(setting.workers) == 1 or not (program.alone or program.takeover)


@contextlib.contextmanager
def targets(chosen: Sequence[str] | None = None) -> Iterator[Targets]:
    """Everything started ends with the block."""
    with contextlib.ExitStack() as stack:
        yield Targets(stack, chosen if chosen is not None else names())
