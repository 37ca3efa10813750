"""The converter of pydantic's writes what the official one writes."""

import asyncio
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import pytest
import temporalio.contrib.pydantic as official

from tenuto.common import RawValue
from tenuto.contrib.pydantic import (
    PydanticPayloadConverter,
    ToJsonOptions,
    pydantic_data_converter,
)
from tenuto.wire import common


class Cat(pydantic.BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(pydantic.BaseModel):
    kind: Literal["dog"] = "dog"
    born: date


class Zoo(pydantic.BaseModel):
    pets: list[Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]]
    opened: datetime
    price: Decimal
    hours: timedelta
    map: Path
    owner: str = pydantic.Field(alias="ownedBy", default="city")


@dataclass
class Plain:
    id: uuid.UUID
    zoo: Zoo | None = None


ZOO = Zoo(
    pets=[Cat(), Dog(born=date(2020, 1, 1))],
    opened=datetime(2020, 1, 1, tzinfo=UTC),
    price=Decimal("1.50"),
    hours=timedelta(hours=8),
    map=Path("a/b"),
)
VALUES: list[tuple[Any, Any]] = [
    (ZOO, Zoo),
    (Plain(uuid.UUID(int=1), ZOO), Plain),
    ([ZOO], list[Zoo]),
    ({"b": 1, "a": "é"}, dict[str, Any]),
    (None, type(None)),
    (b"bytes", bytes),
    ("text", str),
    (Dog(born=date(2020, 1, 1)), Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]),
]


@pytest.mark.parametrize(("value", "hint"), VALUES, ids=lambda value: str(value)[:20])
def test_payloads_are_the_same_and_come_back(value: Any, hint: Any) -> None:
    mine, theirs = PydanticPayloadConverter(), official.PydanticPayloadConverter()
    payload = mine.to_payload(value)
    assert payload == theirs.to_payload(value)
    assert mine.from_payload(payload, hint) == value


def test_unset_fields_can_be_left_out() -> None:
    converter = PydanticPayloadConverter(ToJsonOptions(exclude_unset=True), max_cached_type_adapters=2)
    assert converter.to_payload(Cat()).data == b"{}"


def test_values_that_do_not_fit_are_refused() -> None:
    converter = PydanticPayloadConverter()
    with pytest.raises(pydantic.ValidationError):
        converter.from_payload(converter.to_payload("x"), Cat)


def test_a_number_of_hints_to_keep_is_not_negative() -> None:
    with pytest.raises(ValueError, match="max_cached_type_adapters cannot be negative"):
        PydanticPayloadConverter(max_cached_type_adapters=-1)


def test_the_data_converter_is_ready() -> None:
    payloads = asyncio.run(pydantic_data_converter.encode([ZOO]))
    assert asyncio.run(pydantic_data_converter.decode(payloads, [Zoo])) == [ZOO]
    raw = RawValue(common.Payload(data=b"1"))
    assert asyncio.run(pydantic_data_converter.encode([raw])) == [raw.payload]
