"""Activities on their own in the simulation: who starts and ends them, and what must be true of them whatever breaks."""

import asyncio
from typing import Any

from tenuto.engine.standalone_state import PREFIX
from tenuto.engine.standalone_view import closed_status, outcome
from tenuto.sim.caller import Caller
from tenuto.sim.checkers import CLOSING, Checker, Report
from tenuto.sim.chronicle import Chronicle
from tenuto.sim.program import QUEUE, retry
from tenuto.sim.wording import SECOND, duration, event_name, payloads
from tenuto.wire import workflowservice as ws

IDS = 3
WATCH_NS = 30 * SECOND
BEHAVIOURS = ("ok", "ok", "ok", "flaky", "fail", "final", "hang", "beat")
STARTED = 1


class Soloist(Caller):
    """A client that starts activities under a few ids, waits for some, and ends, pauses or deletes others."""

    async def run(self) -> None:
        """All operations, one after another."""
        for _ in range(self._options.operations):
            await self._operation(f"{self.name}-{self._chance.randrange(IDS)}")
            await asyncio.sleep(self._chance.uniform(0, 3))

    async def _operation(self, activity_id: str) -> None:
        kinds = ["start"] * 6 + ["watch"] * 3 + ["describe", "cancel", "terminate", "delete"]
        if self._options.pauses:
            kinds += ["pause", "unpause"]
        match self._chance.choice(kinds):
            case "start":
                await self._insist("StartActivityExecution", self._start(activity_id))
            case "watch":
                asked = ws.PollActivityExecutionRequest(activity_id=activity_id)
                await self._insist("PollActivityExecution", asked, WATCH_NS)
            case "describe":
                request = ws.DescribeActivityExecutionRequest(activity_id=activity_id, include_outcome=True)
                await self._insist("DescribeActivityExecution", request)
            case "cancel":
                cancel = ws.RequestCancelActivityExecutionRequest(activity_id=activity_id)
                await self._insist("RequestCancelActivityExecution", cancel)
            case "terminate":
                end = ws.TerminateActivityExecutionRequest(activity_id=activity_id)
                await self._insist("TerminateActivityExecution", end)
            case "delete":
                gone = ws.DeleteActivityExecutionRequest(activity_id=activity_id)
                await self._insist("DeleteActivityExecution", gone)
            case "pause":
                pause = ws.PauseActivityExecutionRequest(activity_id=activity_id)
                await self._insist("PauseActivityExecution", pause)
            case "unpause":
                unpause = ws.UnpauseActivityExecutionRequest(activity_id=activity_id)
                await self._insist("UnpauseActivityExecution", unpause)

    def _start(self, activity_id: str) -> ws.StartActivityExecutionRequest:
        chance = self._chance
        made = ws.StartActivityExecutionRequest(activity_id=activity_id, identity=self.name)
        made.activity_type.name, made.task_queue.name = "Act", QUEUE
        once, behaviour = chance.random() < 0.5, chance.choice(BEHAVIOURS)
        made.input.CopyFrom(payloads({"behaviour": behaviour, "once": once}))
        made.start_to_close_timeout.CopyFrom(duration(round(chance.uniform(1, 10) * SECOND)))
        made.schedule_to_close_timeout.CopyFrom(duration(round(chance.uniform(20, 90) * SECOND)))
        if behaviour == "beat":
            made.heartbeat_timeout.CopyFrom(duration(2 * SECOND))
        if chance.random() < 0.3:
            made.start_delay.CopyFrom(duration(round(chance.uniform(0, 10) * SECOND)))
        made.retry_policy.CopyFrom(retry(chance, 1 if once else chance.choice((0, 2, 4))))
        made.id_reuse_policy = chance.choice((1, 1, 2, 3))  # type: ignore[assignment]
        made.id_conflict_policy = chance.choice((1, 2))  # type: ignore[assignment]
        return made


class OutcomesStay(Checker):
    """What is started is durable, once for each request; and what came of it is told the same way for ever, as its history
    has it."""

    name = "outcomes never change"

    def __init__(self, chronicle: Chronicle, report: Report) -> None:
        super().__init__(chronicle, report)
        self._told: dict[str, bytes] = {}
        self._made: dict[str, str] = {}
        """Request id -> the run it has started."""

    def served(self, method: str, request: Any, response: Any) -> None:
        if method == "StartActivityExecution":
            self._started(request, response)
        elif method == "PollActivityExecution" and response.HasField("outcome"):
            self._ended(request.activity_id, response)
        elif method == "DescribeActivityExecution" and response.info.status > STARTED:
            if response.HasField("outcome"):
                self._ended(request.activity_id, response)
            self._check_status(request.activity_id, response)

    def _started(self, request: Any, response: Any) -> None:
        if self._story(request.activity_id, response.run_id) is None:
            self.fail(f"{request.activity_id} {response.run_id} is not durable")
        if response.started:
            first = self._made.setdefault(request.request_id, response.run_id)
            if first != response.run_id:
                self.fail(f"request {request.request_id} has started {first} and {response.run_id}")

    def _story(self, activity_id: str, run_id: str) -> Any:
        for key, runs in self.chronicle.runs.items():
            if key.workflow_id == PREFIX + activity_id:
                return runs.get(run_id)
        return None

    def _ended(self, activity_id: str, response: Any) -> None:
        told = response.outcome.SerializeToString(deterministic=True)
        if not told:
            self.fail(f"{activity_id} {response.run_id} has ended, and nothing is told of how")
        if self._told.setdefault(response.run_id, told) != told:
            self.fail(f"{activity_id} {response.run_id} has two outcomes")
        story = self._story(activity_id, response.run_id)
        if story is None or story.open:
            self.fail(f"{activity_id} {response.run_id} is told to have ended, and has not")
            return
        identity = response.outcome.failure.canceled_failure_info.identity
        kept = outcome(story.events[-2:], identity)
        if kept is None or kept.SerializeToString(deterministic=True) != told:
            self.fail(f"{activity_id} {response.run_id} has ended otherwise: {kept}")

    def _check_status(self, activity_id: str, response: Any) -> None:
        story = self._story(activity_id, response.run_id)
        last = CLOSING.get(event_name(story.events[-1]), 0) if story is not None else 0
        if last and closed_status(last) != response.info.status:
            self.fail(f"{activity_id} {response.run_id} is told to have status {response.info.status}")
