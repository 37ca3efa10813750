"""The official Python SDK's further features: eager starts, replay without a cache, eviction, restarts, and more."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from temporalio.client import Client, WorkflowHandle, WorkflowUpdateStage
from temporalio.common import (
    Priority,
    RetryPolicy,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.worker import PollerBehaviorAutoscaling, Replayer, UnsandboxedWorkflowRunner, Worker

from tests.oracle.registry import scenario
from tests.oracle.scenarios import sdk_feature_programs as programs
from tests.oracle.scenarios.sdk import Bench
from tests.oracle.session import Session

Body = Callable[[Bench], Awaitable[None]]


def worker_of(b: Bench, **over: Any) -> Worker:
    """A worker on this scenario's queue."""
    options: dict[str, Any] = {
        "task_queue": b.s.tq(),
        "workflows": programs.WORKFLOWS,
        "activities": programs.ACTIVITIES,
        "activity_executor": ThreadPoolExecutor(8),
        "identity": "sdk-worker",
        "workflow_runner": UnsandboxedWorkflowRunner(),
        "debug_mode": True,  # what it takes for deadlocks are stalls of the machine
        "graceful_shutdown_timeout": timedelta(seconds=1),
        "max_heartbeat_throttle_interval": timedelta(seconds=0.2),
        "default_heartbeat_throttle_interval": timedelta(seconds=0.2),
    }
    return Worker(b.client, **{**options, **over})


def feature(**over: Any) -> Callable[[Body], Callable[[Session], None]]:
    """Registers a body as a scenario beside one worker with these options; without a worker when `alone`."""

    def register(body: Body) -> Callable[[Session], None]:
        async def work(s: Session) -> None:
            options = dict(over)
            b = Bench(s, await Client.connect(s.target.address, identity="sdk-client"))
            if options.pop("alone", False):
                await body(b)
            else:
                async with worker_of(b, **options):
                    await body(b)
            await b.tell()

        def run(s: Session) -> None:
            asyncio.run(work(s))

        run.__name__ = body.__name__
        scenario(run)
        return run

    return register


async def begin(
    b: Bench, workflow: Any, *args: Any, suffix: str = "", **over: Any
) -> WorkflowHandle[Any, Any]:
    """Starts without recording anything: many at once, or in no order worth comparing."""
    options = {"id": b.s.wid(suffix), "task_queue": b.s.tq(), **over}
    handle: WorkflowHandle[Any, Any] = await b.client.start_workflow(workflow, args=list(args), **options)
    return handle


async def replays(b: Bench, *handles: WorkflowHandle[Any, Any]) -> None:
    """Records whether the histories replay without a non-determinism."""
    replayer = Replayer(
        workflows=programs.WORKFLOWS, workflow_runner=UnsandboxedWorkflowRunner(), debug_mode=True
    )
    failures = []
    for handle in handles:
        result = await replayer.replay_workflow(await handle.fetch_history(), raise_on_replay_failure=False)
        failures.append(str(result.replay_failure) if result.replay_failure else "")
    b.s.record("replay failures", [failure for failure in failures if failure])


@feature()
async def sdk_every_end_of_an_activity(b: Bench) -> None:
    handle = await b.start_loosely(programs.ManyActivities.run)
    await b.show("result", handle.result())
    await replays(b, handle)


@feature()
async def sdk_cancellation_types(b: Bench) -> None:
    handle = await begin(b, programs.Cancels.run, b.s.wid("-kid"))
    await b.show("result", handle.result())
    await replays(b, handle)


@feature()
async def sdk_family(b: Bench) -> None:
    handle = await begin(b, programs.Family.run, b.s.wid("-kid"))
    await b.show("result", handle.result())
    kept = b.client.get_workflow_handle(b.s.wid("-kid-kept"))
    asked = b.client.get_workflow_handle(b.s.wid("-kid-asked"))
    ended = b.client.get_workflow_handle(b.s.wid("-kid-ended"))
    await b.show("asked to cancel", asked.result())
    await b.show("terminated", ended.result())
    await kept.signal("stop")
    await b.show("kept", kept.result())
    await replays(b, handle, kept)


@feature()
async def sdk_describing(b: Bench) -> None:
    attributes = TypedSearchAttributes([SearchAttributePair(programs.KEYWORD, "first")])
    handle = await begin(
        b,
        programs.Describing.run,
        memo={"a": 1},
        search_attributes=attributes,
        static_summary="summary",
        static_details="details",
        priority=Priority(priority_key=2, fairness_key="f", fairness_weight=2.0),
    )
    await asyncio.sleep(1)
    await b.show("metadata", _metadata(handle))
    await handle.signal("finish")
    await b.show("result", handle.result())
    described = await handle.describe()
    b.s.record("memo", await described.memo())
    b.s.record("number", described.typed_search_attributes.get(programs.NUMBER))
    b.s.record("keyword", described.typed_search_attributes.get(programs.KEYWORD))
    await replays(b, handle)


async def _metadata(handle: WorkflowHandle[Any, Any]) -> Any:
    from temporalio.api.sdk.v1 import WorkflowMetadata

    found = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    names = sorted(signal.name for signal in found.definition.signal_definitions)
    return [found.definition.type, names, found.current_details]


@feature()
async def sdk_dynamic_handlers(b: Bench) -> None:
    handle = await begin(b, programs.Mailbox.run)
    await handle.signal("surprise", args=[1, 2])
    await b.show("query", handle.query("how many"))
    await b.show("update", handle.execute_update("do it", id="one"))
    started = await handle.start_update("again", id="two", wait_for_stage=WorkflowUpdateStage.ACCEPTED)
    await b.show("started update", started.result())
    await b.show("same id", handle.execute_update("again", id="two"))
    await b.show("stack trace", _is_text(handle.query("__stack_trace")))
    await handle.signal("stop")
    await b.show("result", handle.result())
    await b.show("query of the closed", handle.query("how many"))
    await replays(b, handle)


async def _is_text(awaited: Awaitable[Any]) -> bool:
    return isinstance(await awaited, str)


@feature()
async def sdk_local_activity_retries(b: Bench) -> None:
    # Not replayed: with a cancelled local activity the SDK's own replay goes astray, whatever the server.
    handle = await begin(b, programs.LocalRetries.run)
    await b.show("result", handle.result())


@feature()
async def sdk_continues_with_other_terms(b: Bench) -> None:
    handle = await begin(b, programs.Chain.run, 2, memo={"first": 1})
    await b.show("result", handle.result())


@feature()
async def sdk_broken_workflow_is_mended(b: Bench) -> None:
    programs.Broken.failures = 0
    handle = await begin(b, programs.Broken.run)
    await b.show("result", handle.result())


@feature()
async def sdk_activities_ended_from_outside(b: Bench) -> None:
    handle = await begin(b, programs.Outside.run)

    def outside(name: str) -> Any:
        return b.client.get_async_activity_handle(workflow_id=handle.id, run_id=None, activity_id=name)

    await asyncio.sleep(0.7)
    await b.show("heartbeat", outside("completed").heartbeat(1))
    await b.show("complete", outside("completed").complete("from outside"))
    await asyncio.sleep(0.7)
    await b.show("fail", outside("failed").fail(ApplicationError("from outside", type="Outside")))
    await asyncio.sleep(1.5)
    await b.show("heartbeat of the cancelled", outside("canceled").heartbeat(1))
    await b.show("cancel", outside("canceled").report_cancellation("details"))
    await b.show("too late", outside("canceled").complete("late"))
    await b.show("result", handle.result())
    await replays(b, handle)


@feature()
async def sdk_eager_start(b: Bench) -> None:
    handle = await begin(b, programs.Fan.run, 3, request_eager_start=True)
    await b.show("result", handle.result())
    events = json.loads((await handle.fetch_history()).to_json())["events"]
    first = events[0]["workflowExecutionStartedEventAttributes"]
    b.s.record("eager", [first.get("eagerExecutionAccepted"), events[2]["eventType"]])
    await replays(b, handle)


@feature(alone=True)
async def sdk_eager_start_without_worker(b: Bench) -> None:
    handle = await begin(b, programs.Fan.run, 2, request_eager_start=True)
    async with worker_of(b):
        await b.show("result", handle.result())


@feature(max_cached_workflows=0)
async def sdk_without_cache(b: Bench) -> None:
    chance = await begin(b, programs.Chance.run, 8, suffix="-chance")
    mailbox = await begin(b, programs.Mailbox.run, suffix="-mail")
    for number in range(3):
        await mailbox.signal("put", number)
    await b.show("update", _first(mailbox.execute_update("u", id="u")))
    await b.show("query", _first(mailbox.query("q")))
    await mailbox.signal("stop")
    await b.show("mail", _length(mailbox))
    await b.show("chance", chance.result())
    await replays(b, chance, mailbox)


@feature(max_cached_workflows=5, max_concurrent_workflow_tasks=5)
async def sdk_cache_eviction(b: Bench) -> None:
    count = 50
    handles = await asyncio.gather(
        *(begin(b, programs.Mailbox.run, suffix=f"-{number}") for number in range(count))
    )
    await asyncio.gather(*(handle.signal("put", handle.id) for handle in handles))
    answers = await asyncio.gather(*(handle.query("q") for handle in handles))
    b.s.record("answers", sorted(set(answers)) in (["q 0"], ["q 0", "q 1"], ["q 1"]))
    changed = await asyncio.gather(*(handle.execute_update("u", id="u") for handle in handles))
    b.s.record("updates", sorted({text[:2] for text in changed}))
    await asyncio.gather(*(handle.signal("stop") for handle in handles))
    results = await asyncio.gather(*(handle.result() for handle in handles))
    b.s.record(
        "complete",
        all(
            sorted(mail) == sorted([handle.id, "update u"])
            for mail, handle in zip(results, handles, strict=True)
        ),
    )
    await replays(b, *handles[:10])


@feature(max_cached_workflows=3)
async def sdk_many_at_once(b: Bench) -> None:
    handles = await asyncio.gather(
        *(begin(b, programs.Chance.run, 4, suffix=f"-{number}") for number in range(20))
    )
    b.s.record("results", list(await asyncio.gather(*(handle.result() for handle in handles))))
    await replays(b, *handles[:5])


@feature(alone=True)
async def sdk_worker_restarts(b: Bench) -> None:
    handle = await begin(b, programs.Mailbox.run)
    for number in range(3):
        async with worker_of(b):
            await handle.signal("put", number)
            await b.show("query", _first(handle.query("q")))
            await b.show("update", _first(handle.execute_update(f"u{number}", id=f"u{number}")))
    await handle.signal("stop")
    async with worker_of(b):
        await b.show("length", _length(handle))
    await replays(b, handle)


async def _first(awaited: Awaitable[str]) -> str:
    """Only the name: how many signals were handled before is a race."""
    return (await awaited).split()[0]


async def _length(handle: WorkflowHandle[Any, Any]) -> int:
    return len(await handle.result())


@feature(
    workflow_task_poller_behavior=PollerBehaviorAutoscaling(initial=2),
    activity_task_poller_behavior=PollerBehaviorAutoscaling(initial=2),
)
async def sdk_autoscaling_pollers(b: Bench) -> None:
    handles = await asyncio.gather(*(begin(b, programs.Fan.run, 5, suffix=f"-{n}") for n in range(8)))
    b.s.record("results", list(await asyncio.gather(*(handle.result() for handle in handles))))


@feature(max_cached_workflows=0)
async def sdk_long_history_in_pages(b: Bench) -> None:
    handle = await begin(b, programs.Long.run, 70)
    await b.show("result", handle.result())
    events = [event.event_id async for event in handle.fetch_history_events(page_size=50)]
    b.s.record("pages", events == list(range(1, len(events) + 1)))
    await replays(b, handle)


@feature()
async def sdk_retry_and_cron_results(b: Bench) -> None:
    policy = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=2)
    handle = await begin(b, programs.Chain.run, 0, cron_schedule="@every 1s", retry_policy=policy)
    first = b.client.get_workflow_handle(handle.id, run_id=handle.result_run_id)
    await b.show("one run", first.result(follow_runs=False))
    await b.client.get_workflow_handle(handle.id).cancel()
    await b.show("canceled", b.client.get_workflow_handle(handle.id).result())


@feature(alone=True)
async def sdk_id_policies(b: Bench) -> None:
    first = await begin(b, programs.Mailbox.run)
    conflict = WorkflowIDConflictPolicy
    used = await begin(b, programs.Mailbox.run, id_conflict_policy=conflict.USE_EXISTING)
    b.s.record("used", used.result_run_id == first.result_run_id)
    replaced = await begin(b, programs.Mailbox.run, id_conflict_policy=conflict.TERMINATE_EXISTING)
    b.s.record("replaced", replaced.result_run_id != first.result_run_id)
    await replaced.terminate()
    reuse = WorkflowIDReusePolicy
    await b.show("rejected", begin(b, programs.Mailbox.run, id_reuse_policy=reuse.REJECT_DUPLICATE))
    await begin(b, programs.Mailbox.run, id_reuse_policy=reuse.ALLOW_DUPLICATE_FAILED_ONLY)
    await b.client.get_workflow_handle(b.s.wid()).terminate()


@feature()
async def sdk_lists(b: Bench) -> None:
    handles = [await begin(b, programs.Fan.run, 1, suffix=f"-{number}") for number in range(3)]
    await asyncio.gather(*(handle.result() for handle in handles))
    for handle in handles:
        query = f"WorkflowId = '{handle.id}' AND ExecutionStatus = 'Completed'"
        found: list[Any] = []
        for _ in range(40):
            found = [each async for each in b.client.list_workflows(query)]
            if found:
                break
            await asyncio.sleep(0.25)
        b.s.record("found", [[each.workflow_type, str(each.status)] for each in found])
        b.s.record("count", (await b.client.count_workflows(query)).count)


@feature()
async def sdk_errors_of_clients(b: Bench) -> None:
    missing = b.client.get_workflow_handle(f"missing-{uuid.uuid4()}")
    for label, awaited in {
        "signal": missing.signal("s"),
        "query": missing.query("q"),
        "update": missing.execute_update("u"),
        "cancel": missing.cancel(),
        "terminate": missing.terminate(),
        "result": missing.result(),
    }.items():
        await b.show(label, _status(awaited))


async def _status(awaited: Awaitable[Any]) -> Any:
    try:
        return await awaited
    except RPCError as error:
        return error.status.name
