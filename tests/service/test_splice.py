"""History is answered as stored bytes; cutting and turning them round equals doing so with parsed events."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from tenuto.service import splice, tokens
from tenuto.store.spi import HistoryRow
from tenuto.wire import history


def row(first: int, count: int, size: int = 3) -> HistoryRow:
    events = [history.HistoryEvent(event_id=first + n, task_id=n) for n in range(count)]
    for event in events:
        event.workflow_execution_signaled_event_attributes.signal_name = "s" * size
    return HistoryRow(first, first + count - 1, history.History(events=events).SerializeToString())


def ids(data: bytes) -> list[int]:
    return [event.event_id for event in history.History.FromString(data).events]


@given(st.integers(1, 300), st.integers(1, 12), st.integers(0, 300), st.integers(-3, 15), st.integers(-3, 15))
def test_a_row_is_cut_at_events(first: int, count: int, size: int, left: int, right: int) -> None:
    low, high = first + left, first + right
    kept = splice.cut(row(first, count, size), low, high)
    assert ids(kept) == [n for n in range(first, first + count) if low <= n <= high]


def test_rows_concatenate_to_one_history() -> None:
    assert ids(row(1, 2).events + row(3, 4).events) == [1, 2, 3, 4, 5, 6]


def test_backwards_is_event_by_event() -> None:
    assert ids(splice.reverse([row(1, 2).events, row(3, 3).events])) == [5, 4, 3, 2, 1]


@given(st.integers(0, 2**63 - 1))
def test_a_varint_reads_back(value: int) -> None:
    data = splice.varint(value)
    assert splice.read_varint(data, 0) == (value, len(data))


def test_a_token_of_one_kind_is_not_taken_for_another() -> None:
    task = tokens.WorkflowToken("ns", "w", "r", 2, 3, 4, 1)
    assert tokens.decode_task(tokens.encode(task)) == task
    page = tokens.HistoryToken("ns", "w", "r", 5, 9, True)
    assert tokens.decode_history(tokens.encode(page)) == page
    for decode, token in (
        (tokens.decode_task, page),
        (tokens.decode_history, task),
        (tokens.decode_list, task),
    ):
        try:
            decode(tokens.encode(token))
        except tokens.Malformed:
            continue
        raise AssertionError("a token of the wrong kind was accepted")


@given(st.binary(max_size=40))
def test_noise_is_no_token(data: bytes) -> None:
    for decode in (tokens.decode_task, tokens.decode_history, tokens.decode_list, tokens.decode_name):
        with contextlib.suppress(tokens.Malformed):
            decode(data)
