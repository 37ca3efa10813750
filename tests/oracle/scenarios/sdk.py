"""The official Python SDK's client and worker: what users see, and the histories their programs leave."""

import asyncio
import json
import logging
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
)
from temporalio.common import RetryPolicy, WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from tests.oracle.registry import scenario
from tests.oracle.scenarios import sdk_programs as programs
from tests.oracle.session import Session

# Workers log every failing activity; here failures are the subject.
logging.getLogger("temporalio").setLevel(logging.CRITICAL)

Body = Callable[["Bench"], Awaitable[None]]


class Bench:
    """A connected client, a running worker, and the session that records."""

    def __init__(self, s: Session, client: Client) -> None:
        self.s = s
        self.client = client
        self.stories: list[str] = []

    async def start(
        self, workflow: Any, *args: Any, suffix: str = "", **over: Any
    ) -> WorkflowHandle[Any, Any]:
        """Starts a workflow under this scenario's id and shows it at the end."""
        options = {"id": self.s.wid(suffix), "task_queue": self.s.tq(), **over}
        handle: WorkflowHandle[Any, Any] = await self.client.start_workflow(workflow, args=args, **options)
        self.s.touch(handle.id, str(handle.result_run_id or handle.first_execution_run_id))
        return handle

    async def start_loosely(self, workflow: Any, *args: Any, **over: Any) -> WorkflowHandle[Any, Any]:
        """As `start`, but shows only which events happened: how they fall into workflow tasks is a race."""
        options = {"id": self.s.wid(), "task_queue": self.s.tq(), **over}
        handle: WorkflowHandle[Any, Any] = await self.client.start_workflow(workflow, args=args, **options)
        self.stories.append(handle.id)
        return handle

    async def tell(self) -> None:
        """Records the stories of the loosely started workflows."""
        for workflow_id in self.stories:
            history = await self.client.get_workflow_handle(workflow_id).fetch_history()
            names = _types(json.loads(history.to_json())["events"])
            self.s.record("story", [name for name in names if "WORKFLOW_TASK" not in name])

    async def show(self, label: str, awaited: Awaitable[Any]) -> Any:
        """Records what an awaitable gives, or the chain of errors it raises."""
        try:
            value = await asyncio.wait_for(awaited, 30)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001
            self.s.record(label, _chain(error))
            return None
        self.s.record(label, value)
        return value


def _chain(error: BaseException | None) -> list[str]:
    lines = []
    while error is not None:
        lines.append(f"{type(error).__name__}: {error}")
        error = error.__cause__
    return lines


def bench(body: Body) -> Callable[[Session], None]:
    """Registers `body` as a scenario that runs beside one worker."""

    def run(s: Session) -> None:
        asyncio.run(_run(s, body))

    run.__name__ = body.__name__
    scenario(run)
    return run


async def _run(s: Session, body: Body) -> None:
    client = await Client.connect(s.target.address, identity="sdk-client")
    worker = Worker(
        client,
        task_queue=s.tq(),
        workflows=programs.WORKFLOWS,
        activities=programs.ACTIVITIES,
        identity="sdk-worker",
        workflow_runner=UnsandboxedWorkflowRunner(),
        debug_mode=True,  # what it takes for deadlocks are stalls of the machine
        graceful_shutdown_timeout=timedelta(seconds=1),
        max_heartbeat_throttle_interval=timedelta(seconds=0.2),
        default_heartbeat_throttle_interval=timedelta(seconds=0.2),
    )
    async with worker:
        bench = Bench(s, client)
        await body(bench)
        await bench.tell()


@bench
async def sdk_hello(b: Bench) -> None:
    handle = await b.start(
        programs.Hello.run, "world", memo={"m": 1}, static_summary="sum", static_details="det"
    )
    await b.show("result", handle.result())
    described = await handle.describe()
    b.s.record("status", [str(described.status), await described.memo(), await described.static_summary()])


@bench
async def sdk_activity_retries(b: Bench) -> None:
    handle = await b.start(programs.Flaky.run, 3)
    await b.show("result", handle.result())


@bench
async def sdk_activity_gives_up(b: Bench) -> None:
    handle = await b.start(programs.Flaky.run, 9)
    await b.show("result", handle.result())


@bench
async def sdk_signals_queries(b: Bench) -> None:
    handle = await b.start_loosely(programs.Counter.run)
    for amount in (1, 2, 3):
        await handle.signal(programs.Counter.add, amount)
    await b.show("query", handle.query(programs.Counter.value))
    await b.show("unknown query", handle.query("nope"))
    await b.show("failing query", handle.query(programs.Counter.broken))
    await handle.signal(programs.Counter.stop)
    await b.show("result", handle.result())
    await b.show("query after close", handle.query(programs.Counter.value))
    await b.show("signal after close", handle.signal(programs.Counter.add, 1))
    b.s.record("query error type", WorkflowQueryFailedError.__name__)


@bench
async def sdk_updates(b: Bench) -> None:
    handle = await b.start_loosely(programs.Counter.run)
    await b.show("update", handle.execute_update(programs.Counter.change, 5, id="first"))
    await b.show("rejected", handle.execute_update(programs.Counter.change, -1, id="second"))
    await b.show("failed", handle.execute_update(programs.Counter.fail_update, id="third"))
    await b.show("unknown", handle.execute_update("nope", id="fourth"))
    again = handle.get_update_handle("first")
    await b.show("polled", again.result())
    await handle.signal(programs.Counter.stop)
    await b.show("result", handle.result())
    b.s.record("update error type", WorkflowUpdateFailedError.__name__)


@bench
async def sdk_update_with_start(b: Bench) -> None:
    def operation() -> WithStartWorkflowOperation[Any, Any]:
        return WithStartWorkflowOperation(
            programs.Counter.run,
            id=b.s.wid(),
            task_queue=b.s.tq(),
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )

    change = b.client.execute_update_with_start_workflow
    first = operation()
    await b.show("first", change(programs.Counter.change, 4, start_workflow_operation=first, id="a"))
    handle = await first.workflow_handle()
    b.s.touch(handle.id, str(handle.first_execution_run_id or handle.result_run_id))
    await b.show("second", change(programs.Counter.change, 5, start_workflow_operation=operation(), id="b"))
    await b.show(
        "rejected", change(programs.Counter.change, -5, start_workflow_operation=operation(), id="c")
    )
    await handle.signal(programs.Counter.stop)
    await b.show("result", handle.result())


@bench
async def sdk_child(b: Bench) -> None:
    handle = await b.start(programs.Parent.run, b.s.wid("-kid"), False)
    await b.show("result", handle.result())


@bench
async def sdk_child_fails(b: Bench) -> None:
    handle = await b.start(programs.Parent.run, b.s.wid("-kid"), True)
    await b.show("result", handle.result())


@bench
async def sdk_continue_as_new(b: Bench) -> None:
    handle = await b.start_loosely(programs.Loop.run, 2, memo={"m": 1})
    await b.show("result", handle.result())


@bench
async def sdk_timers_and_conditions(b: Bench) -> None:
    handle = await b.start(programs.Waiting.run)
    await b.show("result", handle.result())


@bench
async def sdk_cancellation(b: Bench) -> None:
    handle = await b.start(programs.Cancellable.run)
    await asyncio.sleep(1)
    await handle.cancel()
    await b.show("result", handle.result())


@bench
async def sdk_activity_heartbeat_cancel(b: Bench) -> None:
    handle = await b.start(programs.Beating.run)
    await asyncio.sleep(1)
    await handle.cancel()
    await b.show("result", handle.result())


@bench
async def sdk_local_activity(b: Bench) -> None:
    handle = await b.start(programs.Local.run, 2)
    await b.show("result", handle.result())


@bench
async def sdk_long_local_activity(b: Bench) -> None:
    handle = await b.start_loosely(programs.LongLocal.run, task_timeout=timedelta(seconds=1))
    await b.show("result", handle.result())


@bench
async def sdk_patched(b: Bench) -> None:
    handle = await b.start(programs.Patched.run)
    await b.show("result", handle.result())


@bench
async def sdk_workflow_retry(b: Bench) -> None:
    policy = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=2)
    handle = await b.start(programs.FailOnce.run, retry_policy=policy)
    await b.show("result", handle.result())


@bench
async def sdk_workflow_fails(b: Bench) -> None:
    handle = await b.start(programs.FailOnce.run)
    await b.show("result", handle.result())
    b.s.record("error types", [WorkflowFailureError.__name__, ApplicationError.__name__])


@bench
async def sdk_cron(b: Bench) -> None:
    options: dict[str, Any] = {"id": b.s.wid(), "task_queue": b.s.tq(), "cron_schedule": "@every 1s"}
    handle = await b.client.start_workflow(programs.Hello.run, "cron", **options)
    first = b.client.get_workflow_handle(handle.id, run_id=handle.result_run_id)
    await b.show("first run", first.result(follow_runs=False))
    b.s.record("first run", _types(json.loads((await first.fetch_history()).to_json())["events"]))
    await handle.terminate("enough")


@bench
async def sdk_start_delay(b: Bench) -> None:
    handle = await b.start(programs.Hello.run, "late", start_delay=timedelta(seconds=1))
    await b.show("result", handle.result())


@bench
async def sdk_async_completion(b: Bench) -> None:
    handle = await b.start(programs.Asynchronous.run)
    activity = b.client.get_async_activity_handle(workflow_id=handle.id, run_id=None, activity_id="async")
    await asyncio.sleep(1)
    await b.show("heartbeat", activity.heartbeat("alive"))
    await b.show("complete", activity.complete("from outside"))
    await b.show("result", handle.result())


@bench
async def sdk_already_started(b: Bench) -> None:
    handle = await b.start_loosely(programs.Counter.run)
    await b.show("again", b.client.start_workflow(programs.Counter.run, id=b.s.wid(), task_queue=b.s.tq()))

    async def signal_with_start() -> bool:
        other = await b.client.start_workflow(
            programs.Counter.run, id=b.s.wid(), task_queue=b.s.tq(), start_signal="stop"
        )
        return other.first_execution_run_id == handle.first_execution_run_id

    await b.show("signal with start joins the run", signal_with_start())
    await b.show("result", handle.result())


@bench
async def sdk_reset(b: Bench) -> None:
    handle = await b.start(programs.Hello.run, "again")
    await b.show("result", handle.result())
    fields = {"workflow_execution": handle.id, "reason": "oracle", "workflow_task_finish_event_id": 4}
    await asyncio.to_thread(b.s.call, "ResetWorkflowExecution", request_id=str(uuid.uuid4()), **fields)
    await b.show("result after reset", b.client.get_workflow_handle(handle.id).result())


@bench
async def sdk_terminated(b: Bench) -> None:
    handle = await b.start(programs.Counter.run, start_delay=timedelta(hours=1))
    await handle.terminate("over", reason="why")
    await b.show("result", handle.result())
    history = await handle.fetch_history()
    b.s.record("history reads as JSON", _types(json.loads(history.to_json())["events"]))


def _types(events: Sequence[dict[str, Any]]) -> list[str]:
    return [str(event["eventType"]) for event in events]
