"""The conformance kit: what every store must pass, for adapters here and elsewhere.

An adapter's test makes a `Medium` for each check and runs it::

    @pytest.mark.parametrize("check", CHECKS, ids=name_of)
    def test_my_store_keeps_the_promise(check, tmp_path):
        asyncio.run(check(MyMedium(tmp_path)))

Needs no test framework: checks fail by AssertionError, and name the promise in their docstring.
"""

from types import ModuleType

from tenuto.store.conformance import atomicity, crash, due, fence, history, records, visibility
from tenuto.store.conformance.kit import Check, Medium

__all__ = ["CHECKS", "FAMILIES", "Check", "Medium", "name_of"]


def _checks_of(module: ModuleType) -> tuple[Check, ...]:
    return tuple(value for name, value in vars(module).items() if name.startswith("check_"))


FAMILIES: dict[str, tuple[Check, ...]] = {
    module.__name__.rpartition(".")[2]: _checks_of(module)
    for module in (fence, atomicity, history, due, records, crash, visibility)
}
"""Promise family -> its checks."""

CHECKS: tuple[Check, ...] = tuple(check for checks in FAMILIES.values() for check in checks)
"""Every check, each to be given an empty medium of its own."""


def name_of(check: Check) -> str:
    """The sentence a check stands for."""
    return getattr(check, "__name__", repr(check)).removeprefix("check_").replace("_", " ")
