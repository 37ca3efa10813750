"""Short words for directed tests: start, take a task, take an activity, look."""

from tenuto.wire import common, history
from tenuto.wire import operatorservice as ops
from tenuto.wire import workflowservice as ws
from tests.fuzz.campaign import SEARCH, started
from tests.fuzz.world import World

QUEUE = "q"


class Scene:
    """One world with search attributes, and a worker on the queue ``q``."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.call(
            "AddSearchAttributes",
            ops.AddSearchAttributesRequest(namespace="default", search_attributes=SEARCH),
        )

    def start_request(self, workflow_id: str) -> ws.StartWorkflowExecutionRequest:
        return started(workflow_id, QUEUE)

    def polled(self) -> bytes:
        """The token of the next workflow task."""
        poll = ws.PollWorkflowTaskQueueRequest(namespace="default")
        poll.task_queue.name = QUEUE
        response = self.world.call("PollWorkflowTaskQueue", poll).response
        assert isinstance(response, ws.PollWorkflowTaskQueueResponse) and response.task_token
        return response.task_token

    def task(self, workflow_id: str) -> bytes:
        """Start a workflow; the token of its first task."""
        assert not self.world.call("StartWorkflowExecution", self.start_request(workflow_id)).refused
        return self.polled()

    def activity(self) -> bytes:
        """The token of the next activity task."""
        poll = ws.PollActivityTaskQueueRequest(namespace="default")
        poll.task_queue.name = QUEUE
        response = self.world.call("PollActivityTaskQueue", poll).response
        assert isinstance(response, ws.PollActivityTaskQueueResponse) and response.task_token
        return response.task_token

    def describe(self, workflow_id: str) -> ws.DescribeWorkflowExecutionResponse:
        request = ws.DescribeWorkflowExecutionRequest(namespace="default", execution=named(workflow_id))
        response = self.world.call("DescribeWorkflowExecution", request).response
        assert isinstance(response, ws.DescribeWorkflowExecutionResponse)
        return response

    def history(self, workflow_id: str) -> list[history.HistoryEvent]:
        """All events, page by page."""
        request = ws.GetWorkflowExecutionHistoryRequest(namespace="default", execution=named(workflow_id))
        events: list[history.HistoryEvent] = []
        while True:
            response = self.world.call("GetWorkflowExecutionHistory", request).response
            assert isinstance(response, ws.GetWorkflowExecutionHistoryResponse)
            events.extend(response.history.events)
            request.next_page_token = response.next_page_token
            if not request.next_page_token:
                return events


def named(workflow_id: str) -> common.WorkflowExecution:
    return common.WorkflowExecution(workflow_id=workflow_id)
