"""What workflow code asks of its run. Every function raises `NotInWorkflowError` elsewhere, unless it says otherwise."""

from __future__ import annotations

import random as _random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tenuto.common import UNSET
from tenuto.workflow._runtime import current, current_update, find
from tenuto.workflow.event_groups import EventGroup, scoped

if TYPE_CHECKING:
    import uuid

    from tenuto.common import MetricMeter, SearchAttributes, SearchAttributeUpdate
    from tenuto.converter import PayloadConverter
    from tenuto.workflow.facts import Info, UpdateInfo

_SECOND = 1_000_000_000


def in_workflow() -> bool:
    """Whether this is workflow code. Never raises."""
    return find() is not None


def info() -> Info:
    """Facts about the running workflow."""
    return current().info()


def instance() -> Any:
    """The object of the workflow class, or of the class made for a function workflow."""
    return current().instance()


def current_update_info() -> UpdateInfo | None:
    """The update whose handler is running, here or in a task made by it. Never raises."""
    return current_update.get()


def now() -> datetime:
    """The time of the current workflow task, in UTC. It stands still while code runs, and is the same in a replay."""
    return datetime.fromtimestamp(current().time_ns() / _SECOND, UTC)


def time() -> float:
    """`now` in seconds since 1970."""
    return current().time_ns() / _SECOND


def time_ns() -> int:
    """`now` in nanoseconds since 1970."""
    return current().time_ns()


def random() -> _random.Random:
    """The run's own chance: the same in every replay. Not for secrets."""
    return current().random()


def new_random(name: str | None = None) -> _random.Random:
    """A stream of chance of its own: what others draw does not change it.

    Args:
        name: The stream is derived from the run's seed and this; None: it is drawn from `random`.
    """
    return current().new_random(name)


def random_seed() -> int:
    """The seed of `random`. A reset changes it."""
    return current().random_seed()


def register_random_seed_callback(callback: Callable[[int], object]) -> None:
    """Have ``callback`` called with the new seed when a reset changes it."""
    current().on_random_seed(callback)


def uuid4() -> uuid.UUID:
    """A random UUID, the same in every replay."""
    return current().uuid4()


def uuid7() -> uuid.UUID:
    """A UUID that sorts by time, the same in every replay."""
    return current().uuid7()


def patched(id: str, *, event_groups: Sequence[EventGroup] | None = None) -> bool:
    """Whether to take the new path of a change: True unless this run passed here before the change was made.

    Args:
        id: Name of the change.
        event_groups: Groups of the marker.
    """
    with scoped(event_groups):
        return current().patch(id, False)


def deprecate_patch(id: str, *, event_groups: Sequence[EventGroup] | None = None) -> None:
    """Say that only the new path of a change is left, so that runs from before `patched` was removed still replay."""
    with scoped(event_groups):
        current().patch(id, True)


def upsert_search_attributes(
    attributes: SearchAttributes | Sequence[SearchAttributeUpdate[Any]],
    *,
    event_groups: Sequence[EventGroup] | None = None,
) -> None:
    """Change search attributes: with a sequence of ``key.value_set(...)`` and ``key.value_unset()``.

    A mapping of names to lists is accepted for older programs.
    """
    with scoped(event_groups):
        current().upsert_search_attributes(attributes)


def upsert_memo(updates: Mapping[str, Any], *, event_groups: Sequence[EventGroup] | None = None) -> None:
    """Change the memo; a value of None removes the key."""
    with scoped(event_groups):
        current().upsert_memo(updates)


def memo() -> Mapping[str, Any]:
    """The memo, with values converted without type hints."""
    return current().memo()


def memo_value(key: str, default: Any = UNSET, *, type_hint: type | None = None) -> Any:
    """One value of the memo.

    Args:
        key: Its name.
        default: What to return when there is none.
        type_hint: What to convert it to.

    Raises:
        KeyError: There is none, and no default.
    """
    return current().memo_value(key, default, type_hint)


def all_handlers_finished() -> bool:
    """Whether no handler of a signal or update is at work. Wait for it before the workflow ends:
    ``await wait_condition(all_handlers_finished)``."""
    return current().all_handlers_finished()


def has_last_completion_result() -> bool:
    """Whether an earlier run of this cron schedule left a result."""
    return current().has_last_completion_result()


def get_last_completion_result(type_hint: type | None = None) -> Any | None:
    """The result of the last run of this cron schedule that completed, or None."""
    return current().last_completion_result(type_hint)


def get_last_failure() -> BaseException | None:
    """Why the last run of this cron schedule, or the last attempt, failed; None when it did not."""
    return current().last_failure()


def get_current_details() -> str:
    """The text last given to `set_current_details`."""
    return current().current_details()


def set_current_details(description: str) -> None:
    """Set a text, possibly of several lines of Markdown, that tools show while the workflow runs."""
    current().set_current_details(description)


def cancellation_reason() -> str | None:
    """Why cancellation of this workflow was asked for; None when it was not."""
    return current().cancellation_reason()


def is_failure_exception(err: BaseException) -> bool:
    """Whether ``err`` would fail the workflow, rather than the workflow task."""
    return current().is_failure_exception(err)


def metric_meter() -> MetricMeter:
    """A meter that counts nothing while code is replayed."""
    return current().metric_meter()


def payload_converter() -> PayloadConverter:
    """The converter of this workflow's values."""
    return current().payload_converter()


def extern_functions() -> Mapping[str, Callable[..., Any]]:
    """Functions that interceptors brought along, which run outside of the determinism guard."""
    return current().extern_functions()
