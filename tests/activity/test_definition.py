"""What makes a function an activity, and what is known of it then."""

import pickle
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from tenuto import activity
from tenuto.activity import Definition
from tenuto.common import RawValue


@activity.defn
async def fetch(url: str, times: int = 1) -> bytes:
    return url.encode() * times


@activity.defn(name="other", no_thread_cancel_exception=True)
def named(value: int) -> int:
    return value


class Shop:
    @activity.defn
    async def sell(self, what: str) -> str:
        return what

    @activity
    async def buy(self, what: str) -> str:
        return f"{self!r} {what}"


@activity.defn
class Callable_:
    def __call__(self, value: int) -> "int":
        return value + 1


@activity
async def charge(card: str, total: int = 0, currency: str = "EUR") -> str:
    return f"{card} {total} {currency}"


@activity
def plain(value: int) -> int:
    return value * 2


def test_a_marked_function_stays_what_it_is_and_says_its_types() -> None:
    found = Definition.must(fetch)
    assert (found.name, found.fn, found.is_async) == ("fetch", fetch, True)
    assert found.arg_types == [str, int]
    assert found.ret_type is bytes


def test_a_name_and_the_rest_come_from_the_decorator() -> None:
    found = Definition.must(named)
    assert (found.name, found.is_async, found.no_thread_cancel_exception) == ("other", False, True)


def test_a_bound_method_is_called_without_its_instance() -> None:
    shop = Shop()
    found = Definition.must(shop.sell)
    assert found.fn == shop.sell
    assert found.arg_types == [str]
    assert Definition.must(Shop.sell).arg_types == [str]


def test_an_instance_of_a_marked_class_is_an_activity() -> None:
    instance = Callable_()
    found = Definition.must(instance)
    assert (found.name, found.fn, found.is_async) == ("Callable_", instance, False)
    assert found.arg_types == [int]


@activity.defn
def early(value: "Later") -> None: ...


class Later:
    pass


def test_annotations_may_name_what_comes_later() -> None:
    assert Definition.must(early).arg_types == [Later]


def test_what_is_not_marked_is_refused_with_the_remedy() -> None:
    with pytest.raises(TypeError, match="decorated with @activity.defn"):
        Definition.must(lambda: None)
    assert Definition.of(len) is None


def test_a_function_is_marked_once() -> None:
    with pytest.raises(ValueError, match="already contains activity definition"):
        activity.defn(fetch)


def test_keyword_only_parameters_are_refused() -> None:
    def bad(*, value: int) -> None: ...

    with pytest.raises(TypeError, match="Activity cannot have keyword-only arguments"):
        activity.defn(bad)


def test_a_dynamic_activity_takes_raw_values() -> None:
    @activity.defn(dynamic=True)
    async def any_other(args: Sequence[RawValue]) -> int:
        return len(args)

    assert Definition.must(any_other).name is None

    def bad(value: int) -> None: ...

    with pytest.raises(TypeError, match="must accept a single Sequence"):
        activity.defn(dynamic=True)(bad)


def test_an_activity_object_keeps_its_function_name_and_defaults() -> None:
    assert charge.name == "charge"
    assert charge.__doc__ is None
    assert charge.defaults.start_to_close_timeout == timedelta(minutes=10)
    assert charge.defaults.heartbeat_timeout == timedelta(seconds=30)
    found = Definition.must(charge)
    assert found.fn is charge.fn
    assert (found.arg_types, found.ret_type) == ([str, int, str], str)


def test_options_override_and_take_seconds() -> None:
    other = charge.options(start_to_close_timeout=2.5, task_queue="q")
    assert other.defaults.start_to_close_timeout == timedelta(seconds=2.5)
    assert other.chosen == {"start_to_close_timeout": timedelta(seconds=2.5), "task_queue": "q"}
    assert other.options(task_queue="r").chosen["task_queue"] == "r"
    assert charge.chosen == {}
    with pytest.raises(TypeError, match="no such option"):
        charge.options(timeout=3)  # type: ignore[call-arg]


def test_a_step_is_local_and_durable() -> None:
    @activity.step(name="s")
    def s() -> None: ...

    assert s.defaults.local and s.defaults.durable and s.name == "s"
    assert s.defaults.heartbeat_timeout is None


def test_a_short_total_timeout_bounds_each_attempt() -> None:
    @activity(schedule_to_close_timeout=30)
    async def quick() -> None: ...

    assert quick.defaults.start_to_close_timeout == timedelta(seconds=30)


@pytest.mark.parametrize(
    ("args", "kwargs", "bound"),
    [
        (("c",), {}, ["c"]),
        (("c", 1), {}, ["c", 1]),
        (("c",), {"total": 5}, ["c", 5]),
        (("c",), {"currency": "USD"}, ["c", 0, "USD"]),
        ((), {"card": "c"}, ["c"]),
    ],
)
def test_arguments_are_bound_by_position(
    args: tuple[Any, ...], kwargs: dict[str, Any], bound: list[Any]
) -> None:
    assert charge.bind(args, kwargs) == bound


def test_arguments_that_do_not_fit_are_refused_at_the_call() -> None:
    with pytest.raises(TypeError, match="missing a required argument: 'card'"):
        charge.bind((), {})
    with pytest.raises(TypeError, match="too many positional arguments"):
        charge.bind((1, 2, 3, 4), {})
    with pytest.raises(TypeError, match="unexpected keyword argument 'wrong'"):
        charge.bind((1,), {"wrong": 2})


async def _call_all() -> tuple[str, int, str]:
    return await charge("c", total=2), await plain(4), await Shop().buy("x")


def test_outside_a_workflow_a_call_runs_the_function() -> None:
    import asyncio

    charged, doubled, bought = asyncio.run(_call_all())
    assert (charged, doubled) == ("c 2 EUR", 8)
    assert bought.endswith(" x")


def test_only_a_workflow_can_start_one() -> None:
    with pytest.raises(RuntimeError, match="Not in workflow event loop"):
        charge.start("c")


def test_activities_pickle_by_name() -> None:
    assert pickle.loads(pickle.dumps(charge)) is charge
    other = pickle.loads(pickle.dumps(charge.options(task_queue="q")))
    assert other.chosen == {"task_queue": "q"}
    assert other.fn is charge.fn


def test_a_method_pickles_with_its_instance() -> None:
    again = pickle.loads(pickle.dumps(Shop().buy))
    assert isinstance(again.fn.__self__, Shop)


def test_importing_activities_loads_no_protocol_messages() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from tenuto import activity; "
        "print([m for m in sys.modules if m.split('.')[0] in ('grpc', 'google', 'temporalio') or m == 'tenuto.wire'])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
