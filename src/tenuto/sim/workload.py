"""Clients of the simulation: each makes a seeded row of calls on a few workflow ids, and repeats what got lost.

A call that was lost is repeated under the same request id, as the protocol's clients do; so nothing may happen twice.
"""

import asyncio
import contextlib
from collections.abc import Callable
from random import Random
from typing import Any

from tenuto.engine.chain import Chain
from tenuto.sim import schedules
from tenuto.sim.chronicle import Chronicle
from tenuto.sim.network import CallFailed
from tenuto.sim.options import Options
from tenuto.sim.program import QUEUE, retry
from tenuto.sim.wording import SECOND, duration, payloads
from tenuto.sim.worker import CALL_NS, NAMESPACE, Ask, execution
from tenuto.wire import update as wire_update
from tenuto.wire import workflowservice as ws

TRIES = 8


class Auditor:
    """Reads everything once more at the end: what each run became, and its whole history."""

    def __init__(self, chronicle: Chronicle, ask: Ask) -> None:
        self._chronicle = chronicle
        self._ask = ask

    async def run(self) -> None:
        """The checkers listen to the answers."""
        for story in self._chronicle.stories():
            if story.key.workflow_id in self._chronicle.pruned:
                continue
            asked = execution(story.key.workflow_id, story.run_id)
            await self._read(
                "DescribeWorkflowExecution", ws.DescribeWorkflowExecutionRequest(execution=asked)
            )
            request = ws.GetWorkflowExecutionHistoryRequest(execution=asked)
            await self._read("GetWorkflowExecutionHistory", request)

    async def _read(self, method: str, request: Any) -> None:
        request.namespace = NAMESPACE
        for _ in range(TRIES):
            try:
                await self._ask("auditor", method, request, CALL_NS)
                return
            except CallFailed:
                await asyncio.sleep(1)


class Janitor:
    """Ends after healing what would go on for ever by itself: cron workflows, schedules, and activities that somebody
    paused."""

    def __init__(self, chains: Callable[[], list[Chain]], ask: Ask) -> None:
        self._chains = chains
        self._ask = ask
        self._count = 0

    async def round(self) -> None:
        """Look at every chain once."""
        for chain in self._chains():
            state = chain.current
            if not state.run.open:
                continue
            asked = execution(chain.key[1])
            self._count += 1
            if schedules.is_schedule(chain):
                call = schedules.ending(chain, self._count)
                if call is not None:
                    await self._call(*call)
                continue
            if state.terms.cron:
                request = ws.TerminateWorkflowExecutionRequest(
                    workflow_execution=asked, reason=f"janitor {self._count}"
                )
                await self._call("TerminateWorkflowExecution", request)
                continue
            for activity in state.activities.values():
                if activity.paused is not None:
                    unpause = ws.UnpauseActivityRequest(execution=asked, id=activity.activity_id)
                    await self._call("UnpauseActivity", unpause)

    async def _call(self, method: str, request: Any) -> None:
        request.namespace = NAMESPACE
        with contextlib.suppress(CallFailed):
            await self._ask("janitor", method, request, CALL_NS)


class Client:
    """One client process. Clients do not die; they give up."""

    def __init__(
        self, name: str, chance: Random, options: Options, workflow_ids: list[str], ask: Ask
    ) -> None:
        self.name = name
        self._chance = chance
        self._options = options
        self._ids = workflow_ids
        self._ask = ask
        self._count = 0
        self._runs: list[tuple[str, str]] = []

    async def run(self) -> None:
        """All operations, one after another."""
        for _ in range(self._options.operations):
            await self._operation()
            await asyncio.sleep(self._chance.expovariate(1) * self._options.pause_ns / SECOND)

    async def _operation(self) -> None:
        kinds = ["start"] * 5 + ["signal"] * 4 + ["signal_with_start"] * 2
        kinds += ["describe", "history", "watch", "query", "query", "cancel", "terminate", "list"]
        if self._options.updates:
            kinds += ["update"] * 4 + ["update_with_start"] * 2
        if self._options.resets:
            kinds += ["reset"]
        if self._options.deletes:
            kinds += ["delete"]
        if self._options.pauses:
            kinds += ["pause", "pause", "unpause"]
        kind = self._chance.choice(kinds)
        self._count += 1
        name = f"{self.name}.{self._count}"
        await getattr(self, f"_{kind}")(name, self._chance.choice(self._ids))

    async def _insist(self, method: str, request: Any, timeout: int = CALL_NS) -> Any:
        """Call until answered; None when refused, or when it is given up."""
        request.namespace = NAMESPACE
        for _ in range(TRIES):
            wait = timeout
            if self._chance.random() < self._options.abandon:
                wait = round(timeout * self._chance.random() / 20) + 1
            try:
                return await self._ask(self.name, method, request, wait)
            except CallFailed as failed:
                if not failed.worth_retrying:
                    return None
            await asyncio.sleep(self._chance.uniform(0.01, 0.5))
        return None

    def _input(self, name: str) -> dict[str, Any]:
        options = self._options
        return {
            "token": name,
            "seed": self._chance.getrandbits(32),
            "targets": self._ids,
            "children": options.children,
            "guard": options.resets,
            "eager": options.eager,
        }

    def _fill(self, request: Any, workflow_id: str, name: str) -> None:
        """What every start needs."""
        chance = self._chance
        request.workflow_id = workflow_id
        request.request_id = name
        request.identity = self.name
        request.workflow_type.name = "Flow"
        request.task_queue.name = QUEUE
        request.input.CopyFrom(payloads(self._input(name)))
        if chance.random() < 0.2:
            request.retry_policy.CopyFrom(retry(chance, 2))
        if chance.random() < 0.2:
            request.workflow_run_timeout.CopyFrom(duration(round(chance.uniform(1, 60) * SECOND)))
        if chance.random() < 0.1:
            request.workflow_execution_timeout.CopyFrom(duration(round(chance.uniform(1, 60) * SECOND)))
        if chance.random() < 0.15:
            request.workflow_start_delay.CopyFrom(duration(round(chance.uniform(0.1, 5) * SECOND)))
        elif self._options.cron and chance.random() < 0.3:
            request.cron_schedule = chance.choice(("@every 3s", "* * * * *"))

    async def _start(self, name: str, workflow_id: str) -> None:
        request = ws.StartWorkflowExecutionRequest()
        self._fill(request, workflow_id, name)
        if self._chance.random() < 0.3:
            request.workflow_id_reuse_policy = 3  # type: ignore[assignment]
        else:
            request.workflow_id_conflict_policy = self._chance.choice((0, 1, 2, 3))  # type: ignore[assignment]
        answer = await self._insist("StartWorkflowExecution", request)
        if answer is not None:
            self._runs.append((workflow_id, answer.run_id))

    async def _signal(self, name: str, workflow_id: str) -> None:
        request = ws.SignalWorkflowExecutionRequest(signal_name="s", request_id=name, identity=self.name)
        request.workflow_execution.workflow_id = workflow_id
        request.input.CopyFrom(payloads(name))
        await self._insist("SignalWorkflowExecution", request)

    async def _signal_with_start(self, name: str, workflow_id: str) -> None:
        request = ws.SignalWithStartWorkflowExecutionRequest(signal_name="s")
        self._fill(request, workflow_id, name)
        request.signal_input.CopyFrom(payloads(name))
        await self._insist("SignalWithStartWorkflowExecution", request)

    async def _cancel(self, name: str, workflow_id: str) -> None:
        request = ws.RequestCancelWorkflowExecutionRequest(request_id=name, identity=self.name)
        request.workflow_execution.workflow_id = workflow_id
        await self._insist("RequestCancelWorkflowExecution", request)

    async def _terminate(self, name: str, workflow_id: str) -> None:
        request = ws.TerminateWorkflowExecutionRequest(reason=name, identity=self.name)
        request.workflow_execution.workflow_id = workflow_id
        # It has no request id, so a repetition may end a second run: it is asked for once.
        request.namespace = NAMESPACE
        try:
            await self._ask(self.name, "TerminateWorkflowExecution", request, CALL_NS)
        except CallFailed:
            return

    async def _query(self, name: str, workflow_id: str) -> None:
        request = ws.QueryWorkflowRequest(execution=execution(workflow_id))
        request.query.query_type = "q"
        await self._insist("QueryWorkflow", request)

    async def _update(self, name: str, workflow_id: str) -> None:
        request = ws.UpdateWorkflowExecutionRequest(workflow_execution=execution(workflow_id))
        request.request.meta.update_id = name
        request.request.meta.identity = self.name
        request.request.input.name = "u"
        request.request.input.args.CopyFrom(payloads(self._chance.choice(("now", "now", "later", "reject"))))
        request.wait_policy.lifecycle_stage = self._chance.choice((2, 3))  # type: ignore[assignment]
        answer = await self._insist("UpdateWorkflowExecution", request, 2 * CALL_NS)
        if answer is not None and not answer.HasField("outcome"):
            poll = ws.PollWorkflowExecutionUpdateRequest(
                update_ref=wire_update.UpdateRef(workflow_execution=execution(workflow_id), update_id=name)
            )
            poll.wait_policy.lifecycle_stage = 3  # type: ignore[assignment]
            await self._insist("PollWorkflowExecutionUpdate", poll, 2 * CALL_NS)

    async def _update_with_start(self, name: str, workflow_id: str) -> None:
        request = ws.ExecuteMultiOperationRequest()
        start = request.operations.add().start_workflow
        self._fill(start, workflow_id, name)
        start.ClearField("workflow_start_delay")
        start.ClearField("cron_schedule")
        start.namespace = NAMESPACE
        start.workflow_id_conflict_policy = self._chance.choice((1, 2, 2))  # type: ignore[assignment]
        update = request.operations.add().update_workflow
        update.namespace = NAMESPACE
        update.workflow_execution.workflow_id = workflow_id
        update.request.meta.update_id = name
        update.request.input.name = "u"
        update.request.input.args.CopyFrom(payloads(self._chance.choice(("now", "later", "reject"))))
        update.wait_policy.lifecycle_stage = self._chance.choice((2, 3))  # type: ignore[assignment]
        await self._insist("ExecuteMultiOperation", request, 2 * CALL_NS)

    async def _delete(self, name: str, workflow_id: str) -> None:
        asked = execution(*self._chance.choice(self._runs)) if self._runs else execution(workflow_id)
        request = ws.DeleteWorkflowExecutionRequest(workflow_execution=asked)
        await self._insist("DeleteWorkflowExecution", request)

    async def _pending(self, workflow_id: str) -> str:
        """The id of some pending activity; empty when there is none."""
        asked = ws.DescribeWorkflowExecutionRequest(execution=execution(workflow_id))
        found = await self._insist("DescribeWorkflowExecution", asked)
        ids = [activity.activity_id for activity in found.pending_activities] if found is not None else []
        return self._chance.choice(ids) if ids else ""

    async def _pause(self, name: str, workflow_id: str) -> None:
        activity_id = await self._pending(workflow_id)
        if activity_id:
            asked = execution(workflow_id)
            request = ws.PauseActivityRequest(
                execution=asked, id=activity_id, identity=self.name, reason=name
            )
            await self._insist("PauseActivity", request)

    async def _unpause(self, name: str, workflow_id: str) -> None:
        activity_id = await self._pending(workflow_id)
        if activity_id:
            request = ws.UnpauseActivityRequest(execution=execution(workflow_id), id=activity_id)
            await self._insist("UnpauseActivity", request)

    async def _describe(self, name: str, workflow_id: str) -> None:
        if self._runs and self._chance.random() < 0.5:
            workflow_id, run_id = self._chance.choice(self._runs)
            asked = execution(workflow_id, run_id)
        else:
            asked = execution(workflow_id)
        await self._insist("DescribeWorkflowExecution", ws.DescribeWorkflowExecutionRequest(execution=asked))

    async def _history(self, name: str, workflow_id: str) -> None:
        asked = execution(*self._chance.choice(self._runs)) if self._runs else execution(workflow_id)
        size = self._chance.choice((0, 1, 3))
        if self._chance.random() < 0.3:
            back = ws.GetWorkflowExecutionHistoryReverseRequest(execution=asked, maximum_page_size=size)
            await self._pages("GetWorkflowExecutionHistoryReverse", back)
        else:
            request = ws.GetWorkflowExecutionHistoryRequest(execution=asked, maximum_page_size=size)
            await self._pages("GetWorkflowExecutionHistory", request)

    async def _watch(self, name: str, workflow_id: str) -> None:
        """Wait for the end of a run, as a client that wants its result does."""
        asked = execution(*self._chance.choice(self._runs)) if self._runs else execution(workflow_id)
        request = ws.GetWorkflowExecutionHistoryRequest(execution=asked, wait_new_event=True)
        request.history_event_filter_type = self._chance.choice((1, 2))  # type: ignore[assignment]
        await self._pages("GetWorkflowExecutionHistory", request, 10)

    async def _pages(self, method: str, request: Any, most: int = 40) -> None:
        for _ in range(most):
            page = await self._insist(method, request)
            if page is None or not page.next_page_token:
                return
            request.next_page_token = page.next_page_token

    async def _list(self, name: str, workflow_id: str) -> None:
        await self._insist("ListWorkflowExecutions", ws.ListWorkflowExecutionsRequest(page_size=5))

    async def _reset(self, name: str, workflow_id: str) -> None:
        read = ws.GetWorkflowExecutionHistoryRequest(execution=execution(workflow_id))
        page = await self._insist("GetWorkflowExecutionHistory", read)
        points = [event.event_id for event in page.history.events if event.event_type == 7] if page else []
        if not points:
            return
        request = ws.ResetWorkflowExecutionRequest(
            workflow_execution=execution(workflow_id), reason=name, request_id=name
        )
        request.workflow_task_finish_event_id = self._chance.choice(points)
        await self._insist("ResetWorkflowExecution", request)
