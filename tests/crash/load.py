"""Clients and a canned worker that keep calling a server which keeps dying. Every acknowledgement goes to the journal.

A workflow schedules one activity, expects `SIGNALS` signals, and completes when it has seen all of that.
"""

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import grpc
from temporalio.api.workflowservice.v1 import request_response_pb2 as wire

from bench import raw
from bench.raw import NAMESPACE, Raw
from tests.crash.journal import ACTIVITY_COMPLETED, SIGNALED, Journal

SIGNALS = 2
_AGAIN = {
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "CANCELLED",
    "RESOURCE_EXHAUSTED",
    "ABORTED",
    "UNKNOWN",
    "INTERNAL",
}


class Load:
    """Runs until `finish`. `lanes` clients each keep one workflow at a time; so many polls of each kind stay open."""

    def __init__(self, address: str, journal: Journal, lanes: int = 6, pollers: int = 6) -> None:
        self._address = address
        self._journal = journal
        self._queue = f"crash-{uuid.uuid4().hex[:8]}"
        self._starting = threading.Event()
        self._working = threading.Event()
        self._starting.set()
        self._working.set()
        self._threads = [
            threading.Thread(target=self._client, args=(number,), daemon=True) for number in range(lanes)
        ]
        self._workers = [
            threading.Thread(target=self._poll, args=slot, daemon=True)
            for slot in [
                ("PollWorkflowTaskQueue", self._workflow_task),
                ("PollActivityTaskQueue", self._activity_task),
            ]
            for _ in range(pollers)
        ]

    def begin(self) -> None:
        """Starts clients and worker."""
        for thread in self._threads + self._workers:
            thread.start()

    def stop_clients(self) -> None:
        """No new workflows; those begun get their signals. Returns when every client has its acknowledgements."""
        self._starting.clear()
        for thread in self._threads:
            thread.join(60)
            if thread.is_alive():
                self._journal.fault("a client never got its acknowledgement")

    def stop_worker(self) -> None:
        """Ends the polls."""
        self._working.clear()
        for thread in self._workers:
            thread.join(10)

    # ---- clients

    def _insist(self, server: Raw, method: str, request: Any) -> bytes | None:
        """Repeats the same request until it is acknowledged or refused; a refusal is a fault."""
        while self._working.is_set():
            try:
                return server.call(method, request, timeout=5)
            except grpc.RpcError as error:
                code, text = error.code().name, error.details()
                if code not in _AGAIN and "amespace" not in text:
                    self._journal.fault(f"{method} refused: {code} {text}")
                    return None
                time.sleep(0.02)
        return None

    def _client(self, lane: int) -> None:
        with Raw(self._address) as server:
            turn = 0
            while self._starting.is_set():
                workflow_id = f"{self._queue}-{lane}-{turn}"
                turn += 1
                self._one(server, workflow_id)

    def _one(self, server: Raw, workflow_id: str) -> None:
        request = raw.start_request(workflow_id, "crash", self._queue)
        request.workflow_task_timeout.FromSeconds(2)
        answer = self._insist(server, "StartWorkflowExecution", request)
        if answer is None:
            return
        self._journal.started(workflow_id, wire.StartWorkflowExecutionResponse.FromString(answer).run_id)
        for number in range(SIGNALS):
            signal = wire.SignalWorkflowExecutionRequest(
                namespace=NAMESPACE,
                signal_name=f"s{number}",
                request_id=f"{workflow_id}-s{number}",
                identity="crash",
            )
            signal.workflow_execution.workflow_id = workflow_id
            if self._insist(server, "SignalWorkflowExecution", signal) is not None:
                self._journal.signaled(workflow_id, f"s{number}")

    # ---- the canned worker

    def _poll(self, method: str, serve: Callable[[Raw, bytes], None]) -> None:
        request = getattr(wire, f"{method}Request")(
            namespace=NAMESPACE, identity="crash", task_queue=raw.queue(self._queue)
        )
        with Raw(self._address) as server:
            while self._working.is_set():
                try:
                    serve(server, server.call(method, request, timeout=4))
                except grpc.RpcError as error:
                    text = f"{error.code().name} {error.details()}"
                    # Lost tasks (NOT_FOUND) and refused closes (UnhandledCommand) are the protocol's own way of saying so.
                    if error.code().name not in _AGAIN | {"NOT_FOUND"} and "UnhandledCommand" not in text:
                        self._journal.fault(f"worker: {text}")
                    time.sleep(0.02)

    def _workflow_task(self, server: Raw, answer: bytes) -> None:
        task = wire.PollWorkflowTaskQueueResponse.FromString(answer)
        if not task.task_token:
            return
        events = task.history.events
        signals = sum(event.event_type == SIGNALED for event in events)
        done = any(event.event_type == ACTIVITY_COMPLETED for event in events)
        completion = wire.RespondWorkflowTaskCompletedRequest(
            namespace=NAMESPACE, identity="crash", task_token=task.task_token
        )
        if task.previous_started_event_id == 0:
            activity = raw.schedule_activity(1, self._queue)
            attributes = activity.schedule_activity_task_command_attributes
            attributes.start_to_close_timeout.FromSeconds(2)
            attributes.retry_policy.initial_interval.FromMilliseconds(100)
            completion.commands.append(activity)
        closes = done and signals >= SIGNALS
        if closes:
            completion.commands.append(raw.complete_workflow())
        server.call("RespondWorkflowTaskCompleted", completion, timeout=5)
        self._journal.task_completed(task.workflow_execution.workflow_id, task.started_event_id, closes)

    def _activity_task(self, server: Raw, answer: bytes) -> None:
        task = wire.PollActivityTaskQueueResponse.FromString(answer)
        if not task.task_token:
            return
        result = f'"{task.attempt}-{uuid.uuid4().hex[:8]}"'
        completion = wire.RespondActivityTaskCompletedRequest(
            namespace=NAMESPACE, identity="crash", task_token=task.task_token
        )
        completion.result.payloads.add(metadata={"encoding": b"json/plain"}, data=result.encode())
        server.call("RespondActivityTaskCompleted", completion, timeout=5)
        self._journal.activity_completed(task.workflow_execution.workflow_id, result)
