"""What both kits convert is the same, byte by byte, in both directions."""

from __future__ import annotations

import collections
import enum
import inspect
import math
import uuid
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NewType, Optional, TypedDict, Union

import hypothesis
import pytest
import temporalio.common
import temporalio.converter
import temporalio.exceptions
from hypothesis import given
from hypothesis import strategies as st

import tenuto.common
import tenuto.converter
import tenuto.exceptions
from tenuto.wire import common

ours = tenuto.converter.PayloadConverter.default
theirs = temporalio.converter.PayloadConverter.default


class Colour(str, enum.Enum):  # noqa: UP042 - the older way is also in use
    RED = "red"
    BLUE = "blue"


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


class Mode(enum.StrEnum):
    FAST = "fast"


@dataclass
class Leaf:
    number: int
    text: str = "none"
    when: datetime | None = None


@dataclass
class Tree:
    leaves: list[Leaf]
    by_name: dict[str, Leaf]
    colour: Colour
    size: Size
    key: uuid.UUID
    note: str | None = None
    parts: list[Tree] = field(default_factory=list)


class Options(TypedDict, total=False):
    depth: int
    label: str


UserId = NewType("UserId", int)

numbers = st.integers(min_value=-(2**70), max_value=2**70)
floats = st.floats(allow_nan=True, allow_infinity=True)
instants = st.datetimes(timezones=st.sampled_from([None, UTC]))
plain = st.recursive(
    st.none() | st.booleans() | numbers | floats | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
leaves = st.builds(Leaf, st.integers(), st.text(), st.none() | instants)
trees = st.recursive(
    st.builds(
        Tree,
        st.lists(leaves, max_size=2),
        st.dictionaries(st.text(), leaves, max_size=2),
        st.sampled_from(Colour),
        st.sampled_from(Size),
        st.uuids(),
        st.none() | st.text(),
    ),
    lambda inner: st.builds(
        Tree,
        st.lists(leaves, max_size=1),
        st.just({}),
        st.sampled_from(Colour),
        st.sampled_from(Size),
        st.uuids(),
        st.none(),
        st.lists(inner, max_size=2),
    ),
    max_leaves=3,
)
values = st.one_of(
    plain,
    st.binary(),
    instants,
    st.uuids(),
    st.sampled_from([Colour.RED, Size.LARGE, Mode.FAST]),
    leaves,
    trees,
    st.sets(st.integers()),
    st.frozensets(st.text(max_size=3)),
    st.lists(st.integers()).map(collections.deque),
    st.tuples(st.integers(), st.text(), leaves),
    st.dictionaries(st.integers() | st.booleans() | floats, plain, max_size=3),
    st.dictionaries(st.sampled_from(Colour), leaves),
    st.lists(st.binary(max_size=5), max_size=2),
    st.binary().map(bytearray),
    st.builds(common.WorkflowExecution, workflow_id=st.text(), run_id=st.text()),
    st.integers(max_value=20).map(range),
)


def encoded(converter: Any, value: Any) -> Any:
    try:
        return converter.to_payload(value)
    except (TypeError, ValueError) as error:
        return type(error)


@hypothesis.settings(max_examples=400, deadline=None)
@given(values)
def test_values_become_the_same_payloads(value: Any) -> None:
    official = encoded(theirs, value)
    hypothesis.assume(not isinstance(official, type))  # what it refuses, ours may take
    assert encoded(ours, value) == official


def same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)


@hypothesis.settings(max_examples=400, deadline=None)
@given(plain | st.binary())
def test_payloads_without_hints_become_the_same_values(value: Any) -> None:
    payload = theirs.to_payload(value)
    assert same(ours.from_payload(payload), theirs.from_payload(payload))


@hypothesis.settings(max_examples=200, deadline=None)
@given(trees)
def test_nested_dataclasses_come_back_from_either_kit(tree: Tree) -> None:
    assert ours.from_payload(theirs.to_payload(tree), Tree) == tree
    assert theirs.from_payload(ours.to_payload(tree), Tree) == tree


HINTS: list[Any] = [
    int,
    float,
    bool,
    str,
    bytes,
    type(None),
    Any,
    datetime,
    uuid.UUID,
    Leaf,
    Tree,
    Colour,
    Size,
    Mode,
    UserId,
    Options,
    Literal["red", 1],
    Optional[int],  # noqa: UP045
    Union[Leaf, str],  # noqa: UP007
    Union[str, dict],  # noqa: UP007
    Leaf | None,
    list,
    dict,
    set,
    tuple,
    list[int],
    list[Leaf],
    Sequence[str],
    set[int],
    frozenset[str],
    collections.deque[int],
    tuple[int, ...],
    tuple[int, str],
    dict[str, int],
    dict[int, str],
    dict[float, Any],
    dict[bool, int],
    dict[Size, int],
    dict[Colour, Leaf],
    dict[uuid.UUID, int],
    dict[datetime, int],
    Mapping[str, Leaf],
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 300)
    | st.sampled_from([0.5, 2.0])
    | st.sampled_from(["red", "1", "true", "x", "2020-01-01T00:00:00Z", str(uuid.UUID(int=7))]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["number", "text", "when", "1", "red", "true", str(uuid.UUID(int=7)), "2020-01-01"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@hypothesis.settings(max_examples=1500, deadline=None)
@given(st.sampled_from(HINTS), JSON)
def test_hints_read_json_alike(hint: Any, value: Any) -> None:
    try:
        official = temporalio.converter.value_to_type(hint, value)
    except Exception:  # noqa: BLE001
        with pytest.raises(Exception):  # noqa: B017
            tenuto.converter.value_to_type(hint, value)
        return
    text_or_keys_as_list = isinstance(value, str | dict) and isinstance(
        official, list | set | frozenset | tuple
    )
    hypothesis.assume(not text_or_keys_as_list and not isinstance(official, collections.deque))
    try:
        mine = tenuto.converter.value_to_type(hint, value)
    except TypeError:
        assert contains_text_read_as_list(value)
        return
    assert mine == official
    assert type(mine) is type(official)


def contains_text_read_as_list(value: Any) -> bool:
    """Texts and dicts are no lists here: the official kit takes them apart."""
    return isinstance(value, list | dict) and any(
        isinstance(item, str | dict) for item in (value.values() if isinstance(value, dict) else value)
    )


FAILURES: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("ApplicationError", ("m",), {}),
    (
        "ApplicationError",
        ("m", 1, None, {"a": b"x"}),
        {"type": "T", "non_retryable": True, "next_retry_delay": timedelta(seconds=2)},
    ),
    ("CancelledError", (), {}),
    ("CancelledError", ("x", 1), {}),
    ("TerminatedError", ("m", 2), {}),
    ("TimeoutError", ("m",), {"type": 4, "last_heartbeat_details": [1]}),
    ("ServerError", ("m",), {"non_retryable": True}),
    (
        "ActivityError",
        ("m",),
        {
            "scheduled_event_id": 1,
            "started_event_id": 2,
            "identity": "i",
            "activity_type": "t",
            "activity_id": "d",
            "retry_state": 3,
        },
    ),
    (
        "ChildWorkflowError",
        ("m",),
        {
            "namespace": "n",
            "workflow_id": "w",
            "run_id": "r",
            "workflow_type": "t",
            "initiated_event_id": 1,
            "started_event_id": 2,
            "retry_state": None,
        },
    ),
    (
        "NexusOperationError",
        ("m",),
        {
            "scheduled_event_id": 1,
            "endpoint": "e",
            "service": "s",
            "operation": "o",
            "operation_token": "t",
        },
    ),
    ("FailureError", ("m",), {}),
    ("WorkflowAlreadyStartedError", ("id", "type"), {}),
]


def failure_of(kit: Any, error: BaseException) -> Any:
    from tenuto.wire import failure

    made = failure.Failure()
    kit.FailureConverter.default.to_failure(error, kit.PayloadConverter.default, made)
    return made


@pytest.mark.parametrize(("name", "args", "kwargs"), FAILURES, ids=lambda value: str(value)[:30])
def test_errors_become_the_same_failures_and_come_back_alike(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    mine = getattr(tenuto.exceptions, name)(*args, **kwargs)
    official = getattr(temporalio.exceptions, name)(*args, **kwargs)
    assert (str(mine), mine.args) == (str(official), official.args)
    failure = failure_of(temporalio.converter, official)
    assert failure_of(tenuto.converter, mine) == failure
    back = tenuto.converter.FailureConverter.default.from_failure(failure, ours)
    theirs_back = temporalio.converter.FailureConverter.default.from_failure(failure, theirs)
    assert type(back).__name__ == type(theirs_back).__name__
    for key, value in vars(theirs_back).items():
        got = vars(back)[key]
        assert got == value or list(got) == list(value)


def raised() -> BaseException:
    try:
        try:
            raise ValueError("inner")
        except ValueError as error:
            raise KeyError("outer") from error
    except KeyError as error:
        return error


def test_errors_of_other_kinds_become_the_same_failures() -> None:
    error = raised()
    assert failure_of(tenuto.converter, error) == failure_of(temporalio.converter, error)
    assert failure_of(tenuto.converter, error).stack_trace


def test_encoded_attributes_are_read_by_either_kit() -> None:
    from tenuto.wire import failure

    for writer, reader in (
        (tenuto.converter, temporalio.converter),
        (temporalio.converter, tenuto.converter),
    ):
        made = failure.Failure()
        writer.DefaultFailureConverterWithEncodedAttributes().to_failure(
            raised(),
            writer.PayloadConverter.default,
            made,
        )
        assert made.message == made.cause.message == "Encoded failure"
        assert not made.stack_trace
        error = reader.FailureConverter.default.from_failure(made, reader.PayloadConverter.default)
        assert error.message == "'outer'"
        assert error.cause.message == "inner"


def search_attributes(kit: Any) -> Any:
    key = kit.SearchAttributeKey
    return kit.TypedSearchAttributes(
        [
            kit.SearchAttributePair(key.for_datetime("d"), datetime(2020, 1, 1, tzinfo=UTC)),
            kit.SearchAttributePair(key.for_keyword_list("kl"), ["a", "b"]),
            kit.SearchAttributePair(key.for_keyword("k"), "a"),
            kit.SearchAttributePair(key.for_text("t"), "a b"),
            kit.SearchAttributePair(key.for_int("i"), 7),
            kit.SearchAttributePair(key.for_float("f"), 7.5),
            kit.SearchAttributePair(key.for_bool("b"), True),
        ]
    )


def test_search_attributes_are_the_same_on_the_wire_and_back() -> None:
    mine, official = common.SearchAttributes(), common.SearchAttributes()
    tenuto.converter.encode_search_attributes(search_attributes(tenuto.common), mine)
    temporalio.converter.encode_search_attributes(search_attributes(temporalio.common), official)
    assert mine == official
    assert tenuto.converter.decode_typed_search_attributes(official) == search_attributes(tenuto.common)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert tenuto.converter.decode_search_attributes(
            official
        ) == temporalio.converter.decode_search_attributes(official)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"null", b"Int"),
        (b"[]", b"Int"),
        (b"[1]", b"Int"),
        (b"[1,2]", b"Int"),
        (b"1", b"Other"),
        (b"1.5", b"Int"),
        (b"5", b"Double"),
        (b'"5"', b"Int"),
        (b'["a"]', b"Keyword"),
        (b'["a"]', b"KeywordList"),
        (b'"2020-01-01T00:00:00.123456789Z"', b"Datetime"),
        (b"true", b"Bool"),
    ],
)
def test_odd_search_attributes_are_read_alike(data: bytes, kind: bytes) -> None:
    payload = common.Payload(metadata={"encoding": b"json/plain", "type": kind}, data=data)
    api = common.SearchAttributes(indexed_fields={"x": payload})
    assert tenuto.converter.decode_search_attributes(api) == temporalio.converter.decode_search_attributes(
        api
    )
    mine = [(pair.key.name, pair.value) for pair in tenuto.converter.decode_typed_search_attributes(api)]
    official = [(p.key.name, p.value) for p in temporalio.converter.decode_typed_search_attributes(api)]
    assert mine == official


@pytest.mark.parametrize("room", ["converter", "common", "exceptions", "types"])
def test_every_official_name_is_there_with_the_same_parameters(room: str) -> None:
    import importlib

    official = importlib.import_module(f"temporalio.{room}")
    mine = importlib.import_module(f"tenuto.{room}")
    names = getattr(official, "__all__", None) or [
        name
        for name, value in vars(official).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == official.__name__
    ]
    missing = [name for name in names if not hasattr(mine, name)]
    assert not missing
    for name in names:
        if not (inspect.isclass(getattr(official, name)) or inspect.isfunction(getattr(official, name))):
            continue
        try:
            wanted = inspect.signature(getattr(official, name)).parameters
        except (TypeError, ValueError):
            continue
        if "args" in wanted and "kwargs" in wanted:
            continue
        has = inspect.signature(getattr(mine, name)).parameters
        for parameter in wanted.values():
            if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                assert parameter.name in has, f"{room}.{name}({parameter.name})"
                assert has[parameter.name].kind == parameter.kind, f"{room}.{name}({parameter.name})"


def test_every_public_method_of_the_official_classes_is_there() -> None:
    missing = []
    for name in temporalio.converter.__all__:
        official = getattr(temporalio.converter, name)
        if inspect.isclass(official):
            mine = getattr(tenuto.converter, name)
            missing += [
                f"{name}.{member}"
                for member in dir(official)
                if not member.startswith("_") and not hasattr(mine, member)
            ]
    assert not missing
