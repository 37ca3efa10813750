"""What the official kit refuses or loses, and this one takes."""

from __future__ import annotations

import asyncio
import collections
import enum
import ipaddress
import types
import uuid
from collections.abc import Callable
from dataclasses import InitVar, dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Generic, Literal, NamedTuple, Required, TypedDict, TypeVar, get_args

import attrs
import hypothesis
import msgspec
import pydantic
import pytest
import typing_extensions
from hypothesis import given
from hypothesis import strategies as st

from tenuto.common import RawValue
from tenuto.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
    JSONProtoPayloadConverter,
    JSONTypeConverter,
    PayloadConverter,
    TransferTypeConverter,
    create_payload_validation_error,
    transfer_type_convertible,
    value_to_type,
)
from tenuto.converter.scalars import parse_duration
from tenuto.wire import common, sdk_storage

converter = PayloadConverter.default
T = TypeVar("T")


def there_and_back(value: Any, hint: Any) -> Any:
    return converter.from_payload(converter.to_payload(value), hint)


def json_of(value: Any) -> str:
    return converter.to_payload(value).data.decode()


class Plain(enum.Enum):
    ONE = "one"
    PAIR = (1, 2)


class Flags(enum.Flag):
    A = 1
    B = 2


class Point(NamedTuple):
    x: int
    when: date


@dataclass
class Box(Generic[T]):
    item: T
    rest: list[T] = field(default_factory=list)


@dataclass
class Money:
    amount: Decimal
    due: date
    at: time
    grace: timedelta
    file: Path
    kind: Plain


@dataclass(frozen=True)
class Frozen:
    a: int
    doubled: int = field(init=False, default=0)
    seed: InitVar[int] = 1


@attrs.define
class Attr:
    name: str
    due: date
    _secret: int = 0


class Struct(msgspec.Struct, rename="camel", tag=True):
    some_name: str
    raw: bytes
    due: date
    inner: Attr | None = None


class Model(pydantic.BaseModel):
    number: int
    when: datetime
    price: Decimal
    link: pydantic.HttpUrl | None = None
    named: int = pydantic.Field(default=0, alias="aliased")


@pydantic.dataclasses.dataclass
class Checked:
    number: int
    link: pydantic.HttpUrl


class Visit(typing_extensions.TypedDict):
    place: str
    day: date


class Address(TypedDict, total=False):
    street: Required[str]
    since: date


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1.50"), '"1.50"'),
        (date(2020, 1, 2), '"2020-01-02"'),
        (time(1, 2, 3), '"01:02:03"'),
        (timedelta(days=1, hours=2, microseconds=5), '"P1DT2H0.000005S"'),
        (timedelta(), '"PT0S"'),
        (timedelta(seconds=-90), '"-PT1M30S"'),
        (PurePosixPath("/a/b"), '"/a/b"'),
        (Plain.ONE, '"one"'),
        (Plain.PAIR, "[1,2]"),
        (ipaddress.ip_network("10.0.0.0/8"), '"10.0.0.0/8"'),
        (Fraction(1, 3), '"1/3"'),
        (types.MappingProxyType({"a": 1}), '{"a":1}'),
        ({uuid.UUID(int=1): date(2020, 1, 1)}, '{"00000000-0000-0000-0000-000000000001":"2020-01-01"}'),
        ({1: "a", "b": 2, None: 3}, '{"1":"a","b":2,"null":3}'),
        ({date(2020, 1, 1): (number for number in range(2))}, '{"2020-01-01":[0,1]}'),
        (Box(Box(Plain.ONE)), '{"item":{"item":"one","rest":[]},"rest":[]}'),
    ],
)
def test_json_of_more_types(value: Any, text: str) -> None:
    assert json_of(value) == text


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (Decimal("1.50"), Decimal),
        (date(2020, 1, 2), date),
        (time(1, 2, 3, 4), time),
        (Path("/a/b"), Path),
        (Plain.ONE, Plain),
        (Plain.PAIR, Plain),
        (Flags.A | Flags.B, Flags),
        (ipaddress.ip_address("::1"), ipaddress.IPv6Address),
        (Fraction(1, 3), Fraction),
        (Point(1, date(2020, 1, 1)), Point),
        (Money(Decimal("1"), date(2020, 1, 1), time(1), timedelta(hours=30), Path("x"), Plain.ONE), Money),
        (Box(date(2020, 1, 1), [date(2020, 1, 2)]), Box[date]),
        (Box(Box(1)), Box[Box[int]]),
        ({date(2020, 1, 1): {1: 2}}, dict[date, dict[int, int]]),
        ({5: 2}, dict[int | None, int]),
        (collections.OrderedDict(a=1), collections.OrderedDict[str, int]),
        (collections.Counter("aab"), collections.Counter[str]),
        (1.5, int | float),
        (date(2020, 1, 1), Annotated[date, "kept"]),
        ([date(2020, 1, 1)], list[Annotated[date, ["no key"]]]),
        (Address(street="x", since=date(2020, 1, 1)), Address),
        (Frozen(1), Frozen),
        (Attr("n", date(2020, 1, 1), 5), Attr),
        ([Attr("n", date(2020, 1, 1))], list[Attr]),
        (Struct("n", b"\x00\xff", date(2020, 1, 1), Attr("a", date(2020, 1, 1))), Struct),
        ({"k": [Struct("n", b"", date(2020, 1, 1))]}, dict[str, list[Struct]]),
        (Model(number=1, when=datetime(2020, 1, 1), price=Decimal("2.5"), aliased=4), Model),
        (Model(number=1, when=datetime(2020, 1, 1), price=Decimal(2), link="https://x.y/"), Model),  # type: ignore[arg-type]
        (Checked(1, "https://x.y/"), Checked),  # type: ignore[arg-type]
        ([Checked(1, "https://x.y/")], list[Checked | Model]),  # type: ignore[arg-type]
        (Plain.ONE, Literal[Plain.ONE]),
        ("anything", object),
        ({1, 2}, collections.abc.Set[int]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_more_types_come_back(value: Any, hint: Any) -> None:
    back = there_and_back(value, hint)
    assert back == value
    assert type(back) is type(value)


@given(st.timedeltas())
def test_durations_come_back_exactly_whatever_their_length(value: timedelta) -> None:
    assert there_and_back(value, timedelta) == value


@pytest.mark.parametrize(
    ("text", "seconds"), [("PT1.5S", 1.5), ("P1W", 604_800), ("-P1DT1H", -90_000), (90, 90), (0.5, 0.5)]
)
def test_durations_are_read_in_iso_8601_or_in_seconds(text: str | float, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "P", "PT", "1D", "P1", "P1S", True, None, []])
def test_what_is_no_duration_is_refused(text: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        parse_duration(text)


def test_a_text_is_not_taken_for_a_list_of_letters() -> None:
    with pytest.raises(TypeError):
        value_to_type(list[str], "abc")
    assert value_to_type(list[str] | str, "abc") == "abc"  # type: ignore[arg-type]


def test_an_iterator_that_cannot_be_read_twice_is_read_once() -> None:
    assert json_of({"b": iter([1, 2]), "a": {uuid.UUID(int=0): iter("xy")}}) == (
        '{"a":{"00000000-0000-0000-0000-000000000000":["x","y"]},"b":[1,2]}'
    )


def test_what_json_cannot_hold_is_refused_by_its_type() -> None:
    with pytest.raises(TypeError, match="Object of type Nothing is not JSON serializable"):
        json_of({"a": [type("Nothing", (), {})()]})
    with pytest.raises(TypeError):
        json_of({1: "a", "1": "b"})


def test_a_value_that_holds_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ValueError, match="Circular"):
        json_of(loop)
    with pytest.raises((ValueError, TypeError)):
        json_of({date(2020, 1, 1): loop})


def test_a_failed_conversion_leaves_nothing_behind() -> None:
    shared = [1]
    for _ in range(2):
        with pytest.raises(TypeError):
            json_of([shared, object()])
    assert json_of([shared, shared]) == "[[1],[1]]"


@dataclass
class Node:
    value: int
    next: Node | None = None
    children: list[Node] = field(default_factory=list)


def test_types_that_hold_themselves_are_read() -> None:
    tree = Node(1, Node(2), [Node(3, None, [Node(4)])])
    assert there_and_back(tree, Node) == tree


@dataclass
class Broken:
    children: list[Broken]
    odd: Callable[[], int] = print  # type: ignore[assignment]


def test_a_type_that_cannot_be_read_is_refused_again_and_again() -> None:
    for hint in (Broken, list[Broken], Broken):
        with pytest.raises(TypeError, match="Unserializable type"):
            value_to_type(hint, [{"children": []}] if hint is not Broken else {"children": []})


def test_the_error_says_which_payload_and_which_field() -> None:
    with pytest.raises(TypeError, match="Failed converting field value on dataclass") as caught:
        converter.from_payloads(converter.to_payloads([1, {"value": "x"}]), [int, Node])
    assert any("payload 1" in note for note in caught.value.__notes__)


def test_more_payloads_than_hints_are_read_as_they_are() -> None:
    assert converter.from_payloads(converter.to_payloads([1, {"value": 1}]), [int]) == [1, {"value": 1}]


def test_raw_values_pass_through() -> None:
    payload = common.Payload(metadata={"encoding": b"odd"}, data=b"1")
    assert converter.to_payloads([RawValue(payload)]) == [payload]
    assert converter.from_payload(payload, RawValue) == RawValue(payload)


def test_unknown_encodings_are_named() -> None:
    with pytest.raises(KeyError, match="Unknown payload encoding odd"):
        converter.from_payload(common.Payload(metadata={"encoding": b"odd"}))
    with pytest.raises(
        RuntimeError, match="Payload at index 0 with encoding json/plain could not be converted"
    ):
        converter.from_payload(common.Payload(metadata={"encoding": b"json/plain"}, data=b"{"))


class Coin:
    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Coin) and other.cents == self.cents

    def __hash__(self) -> int:
        return self.cents


class CoinConverter(TransferTypeConverter[Coin, int]):
    transfer_type = int

    def to_transfer_type(self, value: Coin) -> int:
        return value.cents

    def from_transfer_type(self, value: int, type_hint: type[Coin]) -> Coin:
        return type_hint(value)


transfer_type_convertible(CoinConverter)(Coin)


class BigCoin(Coin):
    pass


def test_types_travel_as_others_even_inside_others() -> None:
    assert json_of(Coin(5)) == "5"
    assert there_and_back(Coin(5), Coin) == Coin(5)
    assert type(there_and_back(BigCoin(5), BigCoin)) is BigCoin
    assert there_and_back([Coin(5)], list[Coin]) == [Coin(5)]
    assert there_and_back(Coin(5), Coin | None) == Coin(5)
    with pytest.raises(TypeError, match="already has"):
        transfer_type_convertible(CoinConverter)(Coin)


@dataclass
class Casket(Generic[T]):
    content: T


class CasketConverter(TransferTypeConverter[Casket[Any], str]):
    transfer_type = str

    def to_transfer_type(self, value: Casket[Any]) -> str:
        return str(value.content)

    def from_transfer_type(self, value: str, type_hint: type[Casket[Any]]) -> Casket[Any]:
        return Casket(*(kind(value) for kind in get_args(type_hint)))


transfer_type_convertible(CasketConverter)(Casket)


def test_typed_dicts_of_typing_extensions_are_read_by_field() -> None:
    assert there_and_back({"place": "x", "day": date(2024, 1, 2)}, Visit) == {
        "place": "x",
        "day": date(2024, 1, 2),
    }


def test_a_reference_to_a_stored_payload_is_read_only_as_itself() -> None:
    json_proto = JSONProtoPayloadConverter()
    reference = json_proto.to_payload(sdk_storage.ExternalStorageReference(driver_name="d"))
    assert reference is not None
    reference.external_payloads.add().size_bytes = 5
    assert json_proto.from_payload(reference, sdk_storage.ExternalStorageReference).driver_name == "d"
    with pytest.raises(RuntimeError, match="TMPRL1105"):
        json_proto.from_payload(reference)


def test_generic_types_that_travel_as_others_are_told_of_what() -> None:
    assert there_and_back(Casket(5), Casket[int]) == Casket(5)
    assert there_and_back(Casket("5"), Casket[str]) == Casket("5")


def test_an_error_of_validation_has_only_the_details_it_is_given() -> None:
    assert create_payload_validation_error(None).details == ()
    assert create_payload_validation_error({"path": "x"}).details == ({"path": "x"},)


class Odd(PayloadConverter):
    """Knows nothing of types that travel as others."""

    def to_payloads(self, values: Any) -> list[common.Payload]:
        return [common.Payload(data=str(value).encode()) for value in values]

    def from_payloads(self, payloads: Any, type_hints: list[type] | None = None) -> list[Any]:
        return [int(payload.data) for payload in payloads]


def test_types_travel_as_others_with_any_converter() -> None:
    odd = DataConverter(payload_converter_class=Odd)
    payloads = asyncio.run(odd.encode([Coin(5), 6]))
    assert [payload.data for payload in payloads] == [b"5", b"6"]
    assert asyncio.run(odd.decode(payloads, [Coin, int])) == [Coin(5), 6]


class Celsius:
    def __init__(self, degrees: float) -> None:
        self.degrees = degrees


class CelsiusConverter(JSONTypeConverter):
    def to_typed_value(self, hint: type, value: Any) -> Any:
        return Celsius(value) if hint is Celsius else JSONTypeConverter.Unhandled


class WithCelsius(CompositePayloadConverter):
    def __init__(self) -> None:
        super().__init__(
            *DefaultPayloadConverter.default_encoding_payload_converters[:-1],
            JSONPlainPayloadConverter(custom_type_converters=[CelsiusConverter()]),
        )


def test_custom_type_converters_are_asked_at_every_depth() -> None:
    own = WithCelsius()
    payload = own.to_payload({"a": [1.5]})
    read = own.from_payload(payload, dict[str, list[Celsius]])
    assert read["a"][0].degrees == 1.5
    assert own.from_payload(own.to_payload([1]), list[int]) == [1]


@hypothesis.settings(max_examples=300, deadline=None)
@given(st.text(alphabet='0123456789.-+eE"\\u[]{},:truefalsnNaI \ud800é', max_size=14))
def test_json_is_read_as_the_standard_library_reads_it(text: str) -> None:
    import json

    from tenuto.converter.encodings import loads

    data = text.encode("utf-8", "surrogatepass")
    try:
        expected = repr(json.loads(data))
    except ValueError:
        with pytest.raises(ValueError):
            loads(data)
        return
    assert repr(loads(data)) == expected
