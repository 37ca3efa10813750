"""Functions with parameters that are given by name only: what they are called with, and what they get."""

import asyncio
import pickle
from dataclasses import dataclass
from typing import Any

import pytest

import tenuto
from tenuto import activity, step, workflow
from tenuto.activity.definition import Definition
from tenuto.common.by_position import by_position
from tenuto.testing import ActivityEnvironment


@dataclass
class Card:
    number: str


@activity
async def charge(card: Card, times: int = 1, *, currency: str = "EUR", total: int) -> str:
    return f"{card.number} {times} {currency} {total}"


@activity
def weigh(*, item: Card, grams: int = 5) -> str:
    return f"{item.number} {grams}"


@step
async def digits(text: str, *, base: int = 10) -> int:
    return int(text, base)


class Shop:
    def __init__(self, name: str) -> None:
        self.name = name

    @activity
    async def buy(self, item: str, *, count: int = 1) -> str:
        return f"{self.name} {count} {item}"


@workflow
async def inner(*, card: Card, suffix: str = "!") -> str:
    return card.number + suffix


@workflow
async def order(card: Card, *, total: int, note: str = "none") -> list[Any]:
    return [
        await charge(card, total=total),
        await charge(card, 2, currency="USD", total=total),
        await weigh(item=card),
        await weigh(grams=7, item=card),
        await digits("11"),
        await digits("11", base=2),
        await inner(card=card),
        await inner(card=card, suffix="?"),
        note,
    ]


EXPECTED = ["c 1 EUR 5", "c 2 USD 5", "c 5", "c 7", 11, 3, "c!", "c?"]


@pytest.mark.parametrize("processes", [0, 1])
def test_values_given_by_name_arrive_by_name(processes: int) -> None:
    async def main() -> None:
        work: list[Any] = [charge, weigh, digits]
        worker: Any = {"activity_processes": processes}
        async with tenuto.open(workflows=[order, inner], activities=work, worker=worker) as app:
            assert await order.using(app).execute(Card("c"), total=5) == [*EXPECTED, "none"]
            assert await order.using(app.client).execute(Card("c"), note="a", total=5) == [*EXPECTED, "a"]
            handle = await order.using(app).start(card=Card("c"), total=5)
            assert await handle.result() == [*EXPECTED, "none"]
            assert await app.execute(order, Card("c"), 5, "b") == [*EXPECTED, "b"]  # as it travels

    asyncio.run(main())


def test_a_method_takes_values_by_name_too() -> None:
    @workflow
    async def shopping() -> str:
        return await Shop("any").buy("tea", count=3)

    async def main() -> str:
        async with tenuto.open(workflows=[shopping], activities=[Shop("here").buy]) as app:
            return await app.execute(shopping)

    assert asyncio.run(main()) == "here 3 tea"


def test_values_stand_behind_the_others_in_the_order_of_declaration() -> None:
    card = Card("c")
    assert charge.bind((card,), {"total": 5}) == [card, 1, "EUR", 5]
    assert charge.bind((card, 2), {"total": 5, "currency": "USD"}) == [card, 2, "USD", 5]
    assert digits.bind(("1",), {}) == ["1"]
    assert order.bind((card,), {"total": 5}) == [card, 5]
    assert order.bind((card,), {"note": "x", "total": 5}) == [card, 5, "x"]
    for wrong in ((card,), (card, 1, "EUR", 5)):
        with pytest.raises(TypeError):
            charge.bind(wrong, {})
        with pytest.raises(TypeError):
            order.bind(wrong, {})


def test_the_function_keeps_its_kind_and_its_types() -> None:
    made = Definition.must(charge)
    assert (made.is_async, made.arg_types, made.ret_type) == (True, [Card, int, str, int], str)
    assert not Definition.must(weigh).is_async
    assert Definition.must(weigh.options(summary="x")).arg_types == [Card, int]
    assert order.definition.arg_types == [Card, int, str]
    assert pickle.loads(pickle.dumps(weigh)) is weigh
    assert ActivityEnvironment().run(weigh.fn, item=Card("c")) == "c 5"
    assert asyncio.run(charge(Card("c"), total=1)) == "c 1 EUR 1"


def plain(a: int, *, b: int = 2) -> tuple[int, int]:
    return a, b


def test_an_adaptor_travels_to_other_processes_and_refuses_too_many_values() -> None:
    made = pickle.loads(pickle.dumps(by_position(plain)))
    assert (made(1), made(1, 5)) == ((1, 2), (1, 5))
    with pytest.raises(TypeError, match="1 positional argument"):
        made(1, 2, 3)


def test_nothing_is_given_by_name_behind_any_number_of_values() -> None:
    with pytest.raises(TypeError, match=r"by name only behind \*many"):

        @activity
        async def bad(*many: int, last: int) -> None: ...
