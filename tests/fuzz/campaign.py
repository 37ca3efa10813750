"""A run of many requests from one seed: some drawn from the schema, some mutations of accepted ones, some broken bytes.

Between them a worker of sorts polls and completes, so that there is something to break.
"""

from collections import Counter, defaultdict
from random import Random
from typing import Any

from tenuto.limits import SECOND
from tenuto.wire import Message, common, failure, protocol, schedule, update
from tenuto.wire import operatorservice as ops
from tenuto.wire import workflowservice as ws
from tests.fuzz.messages import Messages, Mutations
from tests.fuzz.values import QUEUES, SCHEDULES, SOLOS, WORKFLOWS, Pools, Values, bent
from tests.fuzz.world import Answer, World

PATIENT_NS = SECOND + SECOND // 50
"""A deadline that leaves a poll a moment to wait."""
CORPUS = 12
"""Accepted requests kept per method."""
HOSTILE = (
    "DeleteNamespace",
    "DeprecateNamespace",
    "UpdateNamespace",
    "RegisterNamespace",
    "DeleteWorkflowExecution",
)
"""Calls that would soon leave nothing to talk to: made, but seldom."""
DEADLY = ("DeleteNamespace", "DeprecateNamespace", "UpdateNamespace")
"""Those that could take the ground away."""
BUSY = (
    "StartWorkflowExecution",
    "SignalWithStartWorkflowExecution",
    "PollWorkflowTaskQueue",
    "RespondWorkflowTaskCompleted",
    "RespondWorkflowTaskCompleted",
    "PollActivityTaskQueue",
    "RespondActivityTaskFailed",
    "RecordActivityTaskHeartbeat",
    "UpdateWorkflowExecution",
    "SignalWorkflowExecution",
    "GetWorkflowExecutionHistory",
    "ResetWorkflowExecution",
    "ExecuteMultiOperation",
    "QueryWorkflow",
    "UpdateActivityOptions",
    "DescribeWorkflowExecution",
    "TerminateWorkflowExecution",
    "RespondActivityTaskCompleted",
    "ListWorkflowExecutions",
    "PollWorkflowExecutionUpdate",
    "UpdateWorkflowExecutionOptions",
)

WAITING = ("UpdateWorkflowExecution", "QueryWorkflow", "ExecuteMultiOperation", "PollWorkflowExecutionUpdate",
           "GetWorkflowExecutionHistory")  # fmt: skip
"""Calls that wait for a worker."""


class Campaign:
    """Draws requests for ``world`` and remembers what came of them."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.chance = Random(f"campaign {seed}")
        self.pools = Pools()
        self.corpus: dict[str, list[Message]] = defaultdict(list)
        self.tally: Counter[str] = Counter()
        """Calls per method."""
        self.codes: Counter[int] = Counter()
        self.methods = sorted(world.kinds)
        self.scorch = False
        """Whether the namespace that everything is in may be deleted."""
        self._drawn = [
            Messages(Values(self.chance, self.pools, wild), fill)
            for wild, fill in ((0.0, 0.3), (0.02, 0.4), (0.1, 0.5), (0.5, 0.5))
        ]

    # ---- the valid core -------------------------------------------------------------------------------------------

    def record(self) -> None:
        """A request of every method, then valid ones, which mutations start from."""
        for method in self.methods:
            self.send(method, self._message(method))
        self.send(
            "AddSearchAttributes",
            ops.AddSearchAttributesRequest(namespace="default", search_attributes=SEARCH),
        )
        for number, name in enumerate(WORKFLOWS):
            self.send("StartWorkflowExecution", started(name, QUEUES[number % 3]))
            self.work()
        for request in recorded():
            self.meanwhile(type(request).__name__.removesuffix("Request"), request)

    def work(self, queue: str = "", sticky: float = 0.4) -> None:
        """What a worker does: poll each kind once, and do something with what comes."""
        chance = self.chance
        queue = queue or chance.choice(QUEUES)
        poll = ws.PollWorkflowTaskQueueRequest(namespace="default", identity="worker")
        poll.task_queue.name = queue
        if chance.random() < sticky:
            poll.task_queue.name, poll.task_queue.kind = f"sticky-{queue}", 2  # type: ignore[assignment]
            poll.task_queue.normal_name = queue
        task = self.send("PollWorkflowTaskQueue", poll, PATIENT_NS).response
        if isinstance(task, ws.PollWorkflowTaskQueueResponse) and task.task_token:
            if task.HasField("query"):
                said = ws.RespondQueryTaskCompletedRequest(namespace="default", task_token=task.task_token)
                said.completed_type = chance.choice((1, 1, 2))  # type: ignore[assignment]
                self.send("RespondQueryTaskCompleted", said)
            elif chance.random() < 0.9:
                self.send("RespondWorkflowTaskCompleted", self._completion(task, queue))
        hunt = ws.PollActivityTaskQueueRequest(namespace="default", identity="worker")
        hunt.task_queue.name = queue
        job = self.send("PollActivityTaskQueue", hunt, PATIENT_NS).response
        if isinstance(job, ws.PollActivityTaskQueueResponse) and job.task_token:
            self.pools.keep(
                "activity of workflow", (job.workflow_execution.workflow_id, job.activity_id), chance
            )
            done = ws.RespondActivityTaskCompletedRequest(namespace="default", task_token=job.task_token)
            if chance.random() < 0.4:
                self.send("RespondActivityTaskCompleted", done)

    def _completion(
        self, task: ws.PollWorkflowTaskQueueResponse, queue: str
    ) -> ws.RespondWorkflowTaskCompletedRequest:
        chance = self.chance
        made = ws.RespondWorkflowTaskCompletedRequest(
            namespace="default", task_token=task.task_token, identity="worker"
        )
        if chance.random() < 0.4:
            made.sticky_attributes.worker_task_queue.name = f"sticky-{queue}"
            made.sticky_attributes.worker_task_queue.kind = 2  # type: ignore[assignment]
            made.sticky_attributes.worker_task_queue.normal_name = queue
            made.sticky_attributes.schedule_to_start_timeout.seconds = 2
        for query_id in task.queries:
            made.query_results[query_id].result_type = 1  # type: ignore[assignment]
        for message in task.messages:
            _answer_update(made, message, chance.random())
        number = task.started_event_id
        for position in range(chance.choice((0, 1, 1, 2))):
            command = made.commands.add()
            if chance.random() < 0.6:
                command.command_type = 1  # type: ignore[assignment]
                wanted = command.schedule_activity_task_command_attributes
                wanted.activity_id = f"{number}.{position}"
                wanted.activity_type.name, wanted.task_queue.name = "A", queue
                wanted.start_to_close_timeout.seconds = 60
                wanted.heartbeat_timeout.seconds = chance.choice((0, 30))
            else:
                command.command_type = 3  # type: ignore[assignment]
                timer = command.start_timer_command_attributes
                timer.timer_id = f"{number}.{position}"
                timer.start_to_fire_timeout.seconds = chance.choice((1, 5, 3600))
        if chance.random() < 0.04:
            made.commands.add(command_type=4).complete_workflow_execution_command_attributes.SetInParent()
        return made

    def meanwhile(self, method: str, request: Message) -> None:
        """A call that a worker must help to its answer."""
        waiting = self.world.begin(method, request)
        for queue in QUEUES:
            self.work(queue, 0)
            self.work(queue, 1)
        answer = self.world.run(waiting)
        self._note(method, answer)
        if not answer.refused:
            self._keep(method, request)

    # ---- steps ----------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """One hostile request, or one of the worker's."""
        chance = self.chance
        dice = chance.random()
        if dice < 0.4:
            method = self._method()
            self.send(method, self._message(method))
        elif dice < 0.75:
            method = self._method(known=True)
            mutation = Mutations(self._drawn[chance.choice((1, 2, 3))])
            self.send(method, mutation.mutated(chance.choice(self.corpus[method])))
        elif dice < 0.85:
            self._bytes()
        elif dice < 0.87:
            self._waiting()
        elif dice < 0.875:
            self.world.pass_time(chance.choice((SECOND, 10 * SECOND, 100 * SECOND, 4000 * SECOND)))
        elif dice < 0.9:
            self.send("StartWorkflowExecution", started(chance.choice(WORKFLOWS), chance.choice(QUEUES)))
        else:
            self.work()

    def _waiting(self) -> None:
        """A call that waits, while a worker works."""
        method = self.chance.choice(WAITING)
        if self.corpus[method] and self.chance.random() < 0.7:
            request = Mutations(self._drawn[1]).mutated(self.chance.choice(self.corpus[method]))
        else:
            request = self._drawn[self.chance.choice((0, 1))].make(self.world.kinds[method])
        self.meanwhile(method, request)

    def _method(self, known: bool = False) -> str:
        chance = self.chance
        method = chance.choice(BUSY if chance.random() < 0.4 else self.methods)
        if method in HOSTILE and chance.random() < 0.8:
            return self._method(known)
        return self._method(known) if known and not self.corpus[method] else method

    def _message(self, method: str) -> Message:
        made = self.chance.choice(self._drawn).make(self.world.kinds[method])
        if self.chance.random() < 0.6:
            _aimed(made, self.pools, self.chance)
        return made

    def _bytes(self) -> None:
        """Broken bytes of an accepted request, or of a drawn one, or of another method's."""
        chance = self.chance
        method = self._method()
        if method in DEADLY and not self.scorch:
            return
        if self.corpus[method] and chance.random() < 0.6:
            raw = chance.choice(self.corpus[method]).SerializeToString(deterministic=True)
        else:
            raw = self._message(method if chance.random() < 0.8 else self._method()).SerializeToString(
                deterministic=True
            )
        for _ in range(chance.choice((1, 1, 3))):
            raw = bent(raw[:200_000], chance)
        self._note(method, self.world.call_raw(method, raw))

    def send(self, method: str, request: Message, deadline_ns: int = 0) -> Answer:
        """One call; what it offers is learnt, and if it was accepted it is kept."""
        if method in DEADLY and not self.scorch:
            _spare(request, self.world.namespaces.named("default").id)
        answer = self.world.call(method, request, deadline_ns or self.chance.choice((0, SECOND, PATIENT_NS)))
        self._note(method, answer)
        if not answer.refused:
            self._keep(method, request)
        return answer

    def _keep(self, method: str, request: Message) -> None:
        kept = self.corpus[method]
        if request.ByteSize() > 20_000:
            return
        if len(kept) < CORPUS:
            kept.append(request)
        elif self.chance.random() < 0.1:
            kept[self.chance.randrange(CORPUS)] = request

    def _note(self, method: str, answer: Answer) -> None:
        self.tally[method] += 1
        self.codes[answer.code] += 1
        if answer.response is not None:
            self.pools.learn(answer.response, self.chance)


def _aimed(made: Any, pools: Pools, chance: Random) -> None:
    """Make what a request names fit together: an activity with its workflow, an update with its start."""
    fields = made.DESCRIPTOR.fields_by_name
    if isinstance(made, ws.ExecuteMultiOperationRequest):
        start, change = ws.StartWorkflowExecutionRequest(), ws.UpdateWorkflowExecutionRequest()
        for operation in made.operations:
            start.MergeFrom(operation.start_workflow)
            change.MergeFrom(operation.update_workflow)
        del made.operations[:]
        start.ClearField("namespace")
        change.ClearField("namespace")
        made.operations.add().start_workflow.CopyFrom(start)
        change.workflow_execution.workflow_id = start.workflow_id
        made.operations.add().update_workflow.CopyFrom(change)
    pair = pools.any("activity of workflow", chance, None)
    if pair is None:
        return
    if "activity_id" in fields and "workflow_id" in fields:
        made.workflow_id, made.activity_id = pair
        made.run_id = ""
    elif "execution" in fields and "id" in fields:
        made.execution.workflow_id, made.id = pair
        made.execution.run_id = ""


def _spare(request: Any, default: str) -> None:
    """Turn a request that would end the namespace of all others on another one."""
    if isinstance(request, ops.DeleteNamespaceRequest) and request.namespace_id == default:
        request.namespace_id = ""
    if isinstance(request, ws.UpdateNamespaceRequest):
        request.update_info.state = 0  # type: ignore[assignment]
    elif request.namespace == "default":
        request.namespace = "other"


def _answer_update(
    made: ws.RespondWorkflowTaskCompletedRequest, asked: protocol.Message, dice: float
) -> None:
    """Reject an update, accept it, or accept and complete it."""
    update_id = asked.protocol_instance_id
    accepted = update.Acceptance(
        accepted_request_message_id=asked.id, accepted_request_sequencing_event_id=asked.event_id
    )
    asked.body.Unpack(accepted.accepted_request)
    bodies: list[Message] = [accepted]
    if dice < 0.2:
        bodies = [update.Rejection(rejected_request_message_id=asked.id)]
    elif dice < 0.7:
        response = update.Response()
        response.outcome.success.SetInParent()
        bodies.append(response)
    for number, body in enumerate(bodies):
        message = made.messages.add(id=f"{update_id}/{number}", protocol_instance_id=update_id)
        message.body.Pack(body)
        command = made.commands.add(command_type=14)
        command.protocol_message_command_attributes.message_id = message.id


SEARCH: Any = {"Word": 2, "Number": 3, "Real": 4, "Flag": 5, "When": 6, "Words": 7, "Sentence": 1}


def started(workflow_id: str, queue: str) -> ws.StartWorkflowExecutionRequest:
    """A start as an SDK sends it."""
    made = ws.StartWorkflowExecutionRequest(namespace="default", workflow_id=workflow_id, identity="client")
    made.workflow_id_reuse_policy = 1  # type: ignore[assignment]
    made.workflow_type.name, made.task_queue.name = "T", queue
    made.input.payloads.add(data=b"1").metadata["encoding"] = b"json/plain"
    made.workflow_task_timeout.seconds = 60
    made.memo.fields["a"].data = b"1"
    word = made.search_attributes.indexed_fields["Word"]
    word.data = b'"x"'
    word.metadata["encoding"] = b"json/plain"
    return made


def recorded() -> list[Message]:
    """A valid request of each kind that a client sends about a workflow."""
    run = common.WorkflowExecution(workflow_id=WORKFLOWS[0])
    change = ws.UpdateWorkflowExecutionRequest(namespace="default", workflow_execution=run)
    change.request.meta.update_id, change.request.input.name = "u", "set"
    change.wait_policy.lifecycle_stage = 2  # type: ignore[assignment]
    both = ws.ExecuteMultiOperationRequest(namespace="default")
    both.operations.add().start_workflow.CopyFrom(started(WORKFLOWS[0], QUEUES[0]))
    both.operations[0].start_workflow.workflow_id_conflict_policy = 2  # type: ignore[assignment]
    both.operations.add().update_workflow.CopyFrom(change)
    both.operations[1].update_workflow.request.meta.update_id = "v"
    query = ws.QueryWorkflowRequest(namespace="default", execution=run)
    query.query.query_type = "state"
    poll = ws.PollWorkflowExecutionUpdateRequest(namespace="default")
    poll.update_ref.workflow_execution.CopyFrom(run)
    poll.update_ref.update_id = "u"
    again = ws.SignalWithStartWorkflowExecutionRequest(
        namespace="default", workflow_id="w-1", signal_name="s"
    )
    again.workflow_type.name, again.task_queue.name = "T", QUEUES[0]
    options = ws.UpdateWorkflowExecutionOptionsRequest(namespace="default", workflow_execution=run)
    options.workflow_execution_options.priority.priority_key = 2
    options.update_mask.paths.append("priority")
    activity = ws.UpdateActivityOptionsRequest(namespace="default", execution=run, match_all=True)
    activity.activity_options.start_to_close_timeout.seconds = 90
    activity.update_mask.paths.append("start_to_close_timeout")
    limit = ws.UpdateTaskQueueConfigRequest(namespace="default", task_queue="q-0")
    limit.task_queue_type = 2  # type: ignore[assignment]
    limit.update_queue_rate_limit.rate_limit.requests_per_second = 1000
    beat = ws.RecordWorkerHeartbeatRequest(namespace="default", identity="worker")
    beat.worker_heartbeat.add(worker_instance_key="k")
    report = ws.RespondActivityTaskFailedByIdRequest(
        namespace="default", workflow_id="w-0", activity_id="3.0"
    )
    report.failure.CopyFrom(failure.Failure(message="no"))
    report.failure.application_failure_info.SetInParent()
    return [
        ws.SignalWorkflowExecutionRequest(namespace="default", workflow_execution=run, signal_name="s"),
        ws.GetWorkflowExecutionHistoryRequest(namespace="default", execution=run, maximum_page_size=1),
        ws.GetWorkflowExecutionHistoryReverseRequest(namespace="default", execution=run, maximum_page_size=1),
        ws.ListWorkflowExecutionsRequest(namespace="default", page_size=1),
        ws.ListNamespacesRequest(page_size=1),
        *(change, both, query, poll, again, options, activity, limit, beat, report),
        ws.ResetWorkflowExecutionRequest(
            namespace="default",
            workflow_execution=run,
            workflow_task_finish_event_id=4,
            request_id="r",
            reason="x",
        ),
        ws.RequestCancelWorkflowExecutionRequest(namespace="default", workflow_execution=run),
        ws.PauseActivityRequest(namespace="default", execution=run, type="A"),
        ws.ResetActivityRequest(namespace="default", execution=run, match_all=True),
        *scheduled(),
        *standing_alone(),
    ]


def standing_alone() -> list[Message]:
    """A valid request of each kind about an activity without a workflow."""
    about: Any = {"namespace": "default", "activity_id": SOLOS[0]}

    def start(name: str) -> ws.StartActivityExecutionRequest:
        made = ws.StartActivityExecutionRequest(namespace="default", activity_id=name)
        made.activity_type.name, made.task_queue.name = "A", QUEUES[0]
        made.start_to_close_timeout.seconds = 60
        return made

    later = start(SOLOS[2])
    later.start_delay.seconds = 3600
    change = ws.UpdateActivityExecutionOptionsRequest(**about)
    change.activity_options.start_to_close_timeout.seconds = 90
    change.update_mask.paths.append("start_to_close_timeout")
    return [
        *(start(SOLOS[0]), start(SOLOS[1]), later, change),
        ws.DescribeActivityExecutionRequest(**about, include_input=True, include_outcome=True),
        ws.PauseActivityExecutionRequest(**about),
        ws.UnpauseActivityExecutionRequest(**about),
        ws.ResetActivityExecutionRequest(**about),
        ws.ListActivityExecutionsRequest(namespace="default", page_size=1),
        ws.CountActivityExecutionsRequest(namespace="default", query="GROUP BY ExecutionStatus"),
        ws.RequestCancelActivityExecutionRequest(**about),
        ws.PollActivityExecutionRequest(**about),
        ws.TerminateActivityExecutionRequest(namespace="default", activity_id=SOLOS[1]),
        ws.DeleteActivityExecutionRequest(namespace="default", activity_id=SOLOS[1]),
        start(SOLOS[1]),
    ]


def scheduled() -> list[Message]:
    """A valid request of each kind about a schedule, whose workflows have ids that others use."""
    plan = schedule.Schedule()
    plan.spec.interval.add().interval.seconds = 600
    plan.action.start_workflow.workflow_id = WORKFLOWS[0]
    plan.action.start_workflow.workflow_type.name, plan.action.start_workflow.task_queue.name = "T", QUEUES[0]
    about: Any = {"namespace": "default", "schedule_id": SCHEDULES[0]}
    patch = ws.PatchScheduleRequest(**about, request_id="p")
    patch.patch.trigger_immediately.overlap_policy = 6  # type: ignore[assignment]
    times = ws.ListScheduleMatchingTimesRequest(**about)
    times.start_time.seconds, times.end_time.seconds = 5, 500
    gone = ws.DeleteScheduleRequest(namespace="default", schedule_id=SCHEDULES[1])
    return [
        ws.CreateScheduleRequest(**about, schedule=plan, request_id="c"),
        ws.CreateScheduleRequest(
            namespace="default", schedule_id=SCHEDULES[1], schedule=plan, request_id="c"
        ),
        ws.DescribeScheduleRequest(**about),
        ws.UpdateScheduleRequest(**about, schedule=plan, request_id="u"),
        *(patch, times, gone),
        ws.ListSchedulesRequest(namespace="default", maximum_page_size=1),
        ws.CountSchedulesRequest(namespace="default"),
    ]
