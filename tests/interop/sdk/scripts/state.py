"""What a run knows and keeps: patches, memo, search attributes, facts, randomness."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from temporalio import activity, workflow
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from tests.interop.sdk.stage import Stage, program

SHORT = timedelta(seconds=5)
NO_CACHE = "The official worker gives up local activities of runs that it cannot keep in memory."
KEYWORD = SearchAttributeKey.for_keyword("OracleKeyword")
TEXT = SearchAttributeKey.for_text("OracleText")
INT = SearchAttributeKey.for_int("OracleInt")
DOUBLE = SearchAttributeKey.for_float("OracleDouble")
BOOL = SearchAttributeKey.for_bool("OracleBool")
INSTANT = SearchAttributeKey.for_datetime("OracleDatetime")
WORDS = SearchAttributeKey.for_keyword_list("OracleKeywordList")


@activity.defn
async def same(value: Any) -> Any:
    return value


async def do(value: Any) -> Any:
    return await workflow.execute_activity(same, value, start_to_close_timeout=SHORT)


@workflow.defn
class Patched:
    """Takes patches: in signals, twice, deprecated, and between local activities."""

    def __init__(self) -> None:
        self.log: list[Any] = []

    @workflow.signal
    async def change(self, name: str) -> None:
        self.log.append([name, workflow.patched(name)])
        if name != "d-signal":
            self.log.append(await do(name))

    @workflow.run
    async def run(self) -> list[Any]:
        self.log.append(workflow.patched("b-first"))
        workflow.deprecate_patch("a-old")
        self.log.append(await do(1))
        self.log.append(await workflow.execute_local_activity(same, "local", start_to_close_timeout=SHORT))
        self.log.append(workflow.patched("b-first"))
        self.log.append(workflow.patched("c-second"))
        self.log.append(await workflow.execute_local_activity(same, "local", start_to_close_timeout=SHORT))
        workflow.upsert_search_attributes([INT.value_set(1)])
        await workflow.sleep(0.1)
        await workflow.wait_condition(lambda: len(self.log) > 10 and workflow.all_handlers_finished())
        return self.log


@program(alone=NO_CACHE)
async def patches(stage: Stage) -> Any:
    handle = await stage.start(Patched.run, start_delay=timedelta(milliseconds=800))
    await handle.signal(Patched.change, "d-signal")
    await stage.until(handle, "TIMER_FIRED")
    await stage.idle(handle, 3)
    await handle.signal(Patched.change, "c-second")
    await stage.until(handle, "ACTIVITY_TASK_COMPLETED", 2)
    await stage.idle(handle, 5)
    await handle.signal(Patched.change, "e-last")
    return await handle.result()


@workflow.defn
class Kept:
    """Changes its memo and its search attributes."""

    @workflow.run
    async def run(self) -> list[Any]:
        seen: list[Any] = [dict(workflow.memo()), _typed()]
        workflow.upsert_memo({"two": {"deep": 2}, "one": None})
        workflow.upsert_search_attributes(
            [
                KEYWORD.value_set("other"),
                TEXT.value_set("some text"),
                DOUBLE.value_set(2.5),
                BOOL.value_set(False),
                INSTANT.value_set(datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)),
                WORDS.value_set(["a", "b"]),
            ]
        )
        seen.append([dict(workflow.memo()), _typed()])
        await workflow.sleep(0.01)
        workflow.upsert_search_attributes([KEYWORD.value_unset(), INT.value_set(9)])
        workflow.upsert_memo({"three": "3"})
        seen.append([workflow.memo_value("three"), workflow.memo_value("one", "gone"), _typed()])
        return seen


def _typed() -> list[Any]:
    found = workflow.info().typed_search_attributes
    pairs = {pair.key.name: pair.value for pair in found}
    return [
        [name, value.isoformat() if isinstance(value, datetime) else value]
        for name, value in sorted(pairs.items())
        if name.startswith("Oracle")
    ]


@program()
async def memo_and_attributes(stage: Stage) -> Any:
    handle = await stage.start(
        Kept.run,
        memo={"one": 1, "zero": [None]},
        search_attributes=TypedSearchAttributes(
            [SearchAttributePair(KEYWORD, "first"), SearchAttributePair(INT, 1)]
        ),
    )
    result = await handle.result()
    told = await handle.describe()
    pairs = {pair.key.name: str(pair.value) for pair in told.typed_search_attributes}
    kept = {name: value for name, value in pairs.items() if name.startswith("Oracle")}
    return [result, await told.memo(), sorted(kept.items())]


@workflow.defn
class Facts:
    """Says what it knows of itself."""

    @workflow.run
    async def run(self) -> list[Any]:
        seen = [self.facts()]
        await do("one")
        seen.append(self.facts()[-2:])
        return seen

    def facts(self) -> list[Any]:
        info = workflow.info()
        return [
            info.attempt,
            info.cron_schedule,
            info.namespace,
            info.continued_run_id,
            info.parent,
            info.root,
            info.retry_policy,
            info.run_timeout and info.run_timeout.total_seconds(),
            info.execution_timeout and info.execution_timeout.total_seconds(),
            info.task_timeout.total_seconds(),
            info.workflow_id,
            info.workflow_type,
            info.run_id == info.first_execution_run_id,
            str(info.priority.priority_key),
            sorted(info.headers),
            workflow.now().tzinfo is not None,
            info.workflow_start_time <= info.start_time,
            abs(workflow.time() - workflow.time_ns() / 1e9) < 1e-6,
            info.is_continue_as_new_suggested(),
            info.get_current_history_length(),
        ]


@program()
async def facts(stage: Stage) -> Any:
    return await stage.execute(
        Facts.run, run_timeout=timedelta(seconds=40), task_timeout=timedelta(seconds=9)
    )


@workflow.defn
class Random:
    """Puts what it rolled into the names of its commands, so that a replay must roll the same."""

    @workflow.run
    async def run(self) -> list[bool]:
        first = [str(UUID(int=workflow.random().getrandbits(128))), str(workflow.uuid4())]
        await workflow.execute_activity(
            same, first, activity_id=f"roll-{first[1]}", start_to_close_timeout=SHORT
        )
        other = [str(UUID(int=workflow.random().getrandbits(128))), str(workflow.uuid4())]
        again = await workflow.execute_activity(
            same, other, activity_id=f"roll-{other[1]}", start_to_close_timeout=SHORT
        )
        await asyncio.sleep(0.01)
        third = str(workflow.uuid4())
        await workflow.execute_activity(same, None, activity_id=f"roll-{third}", start_to_close_timeout=SHORT)
        return [again == other, len({first[1], other[1], third}) == 3]


@program()
async def randomness(stage: Stage) -> Any:
    return await stage.execute(Random.run)


@workflow.defn
class Grouped:
    """Tells which of its commands belong together."""

    @workflow.run
    async def run(self) -> Any:
        one = workflow.create_event_group("one", label="first group")
        two = workflow.create_event_group("two")
        with one.scope():
            await do("in one")
            workflow.start_activity(same, "in both", start_to_close_timeout=SHORT, event_groups=[two])
            await workflow.sleep(0.1)
            await workflow.execute_local_activity(same, "local", start_to_close_timeout=SHORT)
            workflow.patched("grouped")
            workflow.upsert_memo({"grouped": True})
        await workflow.sleep(0.01, event_groups=[one, two])
        return await do("in none")


@program(alone=NO_CACHE)
async def event_groups(stage: Stage) -> Any:
    return await stage.execute(Grouped.run)
