"""Schedules: their protocol form, and their life on a server of the protocol."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest

from tenuto.client import (
    Client,
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleBackfill,
    ScheduleCalendarSpec,
    ScheduleHandle,
    ScheduleInfo,
    ScheduleIntervalSpec,
    ScheduleListActionStartWorkflow,
    ScheduleListDescription,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from tenuto.common import (
    Priority,
    RetryPolicy,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
)
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.wire import enums_common, operatorservice
from tests.client.house import Desk, at_a_desk
from tests.client.programs import Sale, Two
from tests.oracle.harness import real_server

T = TypeVar("T")
COLOUR = SearchAttributeKey.for_keyword("OracleKeyword")
RED = TypedSearchAttributes([SearchAttributePair(COLOUR, "red")])


def _rich() -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            Two.run,
            1,
            "b",
            id="w",
            task_queue="q",
            execution_timeout=timedelta(hours=2),
            run_timeout=60,
            task_timeout=5,
            retry_policy=RetryPolicy(maximum_attempts=2),
            memo={"who": "me"},
            typed_search_attributes=RED,
            static_summary="short",
            static_details="long",
            priority=Priority(priority_key=4),
        ),
        spec=ScheduleSpec(
            calendars=[
                ScheduleCalendarSpec(
                    hour=(ScheduleRange(9),), day_of_week=(ScheduleRange(1, 5),), comment="work"
                )
            ],
            intervals=[ScheduleIntervalSpec(every=timedelta(days=1), offset=timedelta(hours=3))],
            skip=[ScheduleCalendarSpec(month=(ScheduleRange(8),), year=(ScheduleRange(2030, 2040, 2),))],
            start_at=datetime(2030, 1, 1, tzinfo=UTC),
            end_at=datetime(2040, 1, 1, tzinfo=UTC),
            jitter=timedelta(seconds=10),
            time_zone_name="Europe/Rome",
        ),
        policy=SchedulePolicy(
            overlap=ScheduleOverlapPolicy.BUFFER_ONE,
            catchup_window=timedelta(minutes=5),
            pause_on_failure=True,
        ),
        state=ScheduleState(note="hm", paused=True, limited_actions=True, remaining_actions=3),
    )


def test_a_range_has_an_end_and_a_step() -> None:
    assert ScheduleRange(5) == ScheduleRange(5, 5, 1)
    assert ScheduleRange(1, 9, 2).step == 2


def test_a_schedule_survives_its_protocol_form() -> None:
    async def scene(desk: Desk) -> None:
        before = _rich()
        first = await before._to_proto(desk.client)
        after = Schedule._from_proto(first)
        assert (after.spec, after.policy, after.state) == (before.spec, before.policy, before.state)
        action = after.action
        assert isinstance(action, ScheduleActionStartWorkflow)
        assert (action.workflow, action.id, action.task_queue) == ("Two", "w", "q")
        assert action.typed_search_attributes == RED
        assert action.untyped_search_attributes == {}
        assert await desk.client.data_converter.decode(action.args) == [1, "b"]
        assert await after._to_proto(desk.client) == first
        renamed = dataclasses.replace(action, id="w2")
        first.action.start_workflow.workflow_id = "w2"
        assert await dataclasses.replace(after, action=renamed)._to_proto(desk.client) == first

    at_a_desk(scene)


def test_a_count_of_actions_must_fit_its_flag() -> None:
    with pytest.raises(ValueError, match="no remaining actions set"):
        ScheduleState(limited_actions=True)._to_proto()
    with pytest.raises(ValueError, match="there are remaining actions set"):
        ScheduleState(remaining_actions=1)._to_proto()


def test_the_default_rules_are_those_that_the_service_describes() -> None:
    assert SchedulePolicy() == SchedulePolicy(catchup_window=timedelta(days=365))


def test_a_schedules_workflow_may_leave_out_id_and_queue() -> None:
    async def scene(desk: Desk) -> None:
        action = ScheduleActionStartWorkflow(Sale.run, "visa")
        made = (await action._to_proto(desk.client)).start_workflow
        assert made.workflow_id.startswith("Sale-")
        assert made.task_queue.name == "q"

    at_a_desk(scene)


async def _life(client: Client) -> None:
    handle = await client.create_schedule("s", _rich(), memo={"m": 1}, search_attributes=RED)
    with pytest.raises(ScheduleAlreadyRunningError):
        await client.create_schedule("s", _rich())
    described = await handle.describe()
    assert described.id == "s"
    assert described.schedule.spec == _rich().spec
    assert described.schedule.state == _rich().state
    assert described.typed_search_attributes[COLOUR] == "red"
    assert await described.memo() == {"m": 1}
    assert await described.memo_value("m", type_hint=int) == 1
    assert described.info.num_actions == 0
    assert described.info.created_at.tzinfo is not None

    await handle.unpause(note="go")
    assert (await handle.describe()).schedule.state.note == "go"
    await handle.pause()
    paused = (await handle.describe()).schedule.state
    assert paused.paused
    assert paused.note == "Paused via Python SDK"
    await _change(handle)
    await _act(client, handle)
    await handle.delete()
    with pytest.raises(RPCError) as caught:
        await handle.describe()
    assert caught.value.status is RPCStatusCode.NOT_FOUND


async def _change(handle: ScheduleHandle) -> None:
    def quicker(input: ScheduleUpdateInput) -> ScheduleUpdate:
        schedule = input.description.schedule
        schedule.state = ScheduleState(note="changed")
        schedule.spec = ScheduleSpec(cron_expressions=["0 12 * * MON"])
        schedule.policy.overlap = ScheduleOverlapPolicy.ALLOW_ALL
        return ScheduleUpdate(schedule=schedule)

    async def leave(_: ScheduleUpdateInput) -> None:
        return None

    await handle.update(quicker)
    await handle.update(leave)
    changed = await handle.describe()
    assert changed.schedule.state == ScheduleState(note="changed")
    assert changed.schedule.policy.overlap is ScheduleOverlapPolicy.ALLOW_ALL
    (calendar,) = changed.schedule.spec.calendars
    assert calendar.hour == (ScheduleRange(12),)
    assert changed.info.next_action_times
    action = changed.schedule.action
    assert isinstance(action, ScheduleActionStartWorkflow)
    assert action.workflow == "Two"


async def _until(ask: Callable[[], Awaitable[T]], enough: Callable[[T], bool]) -> T:
    """What the server tells sooner or later."""
    for _ in range(200):
        found = await ask()
        if enough(found):
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"still {found!r}")


async def _info(handle: ScheduleHandle) -> ScheduleInfo:
    return (await handle.describe()).info


async def _rows(client: Client) -> list[ScheduleListDescription]:
    return [row async for row in await client.list_schedules()]


async def _act(client: Client, handle: ScheduleHandle) -> None:
    await handle.trigger(overlap=ScheduleOverlapPolicy.ALLOW_ALL)
    with pytest.raises(ValueError, match="At least one backfill"):
        await handle.backfill()
    await handle.backfill(
        ScheduleBackfill(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 15, tzinfo=UTC))
    )
    info = await _until(lambda: _info(handle), lambda found: found.num_actions >= 2)
    done = info.recent_actions[0].action
    assert isinstance(done, ScheduleActionExecutionStartWorkflow)
    assert done.workflow_id.startswith("w-")
    started = await client.get_workflow_handle(done.workflow_id).describe()
    assert started.run_id == done.first_execution_run_id
    assert await started.memo_value("who") == "me"
    rows = await _until(lambda: _rows(client), bool)
    (row,) = rows
    assert row.id == "s"
    assert row.schedule is not None
    assert row.schedule.action == ScheduleListActionStartWorkflow("Two")
    assert await row.memo() == {"m": 1}


def test_a_schedule_lives_inside_the_program() -> None:
    async def scene() -> None:
        async with await Client.connect("memory://schedules") as client, asyncio.timeout(30):
            kinds = {"OracleKeyword": enums_common.INDEXED_VALUE_TYPE_KEYWORD}
            wanted = operatorservice.AddSearchAttributesRequest(namespace="default", search_attributes=kinds)
            await client.operator_service.add_search_attributes(wanted)
            await _life(client)

    asyncio.run(scene())


@pytest.mark.oracle
def test_a_schedule_lives_on_a_real_server() -> None:
    async def scene(address: str) -> None:
        async with await Client.connect(address) as client, asyncio.timeout(30):
            await _life(client)

    with real_server() as address:
        asyncio.run(scene(address))
