"""The ``temporal`` command line, as operators use it: what it asks must be understood, what it prints must be right."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.interop.programs import QUEUE, worker
from tests.oracle.harness import our_server

BINARY = Path(sys.executable).parent / "temporal"


class Refused(Exception):
    """The command line ended with an error; its text."""


class Cli:
    """The command line, pointed at one server. Each call is one process, and answers what it printed as JSON."""

    def __init__(self, address: str) -> None:
        self._environment = {**os.environ, "TEMPORAL_ADDRESS": address}

    def __call__(self, line: str, *more: str) -> Any:
        command = [str(BINARY), *line.split(), *more, "-o", "json"]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise Refused(done.stderr or done.stdout)
        text = done.stdout.strip()
        return json.loads(text) if text.startswith(("{", "[")) else text

    def start(self, kind: str, workflow_id: str, *more: str) -> None:
        self("workflow start", "--type", kind, "--task-queue", QUEUE, "-w", workflow_id, *more)

    def ids(self, query: str) -> set[str]:
        return {row["execution"]["workflowId"] for row in self("workflow list", "--query", query)}

    def status(self, workflow_id: str) -> str:
        said: str = self("workflow describe -w", workflow_id)["workflowExecutionInfo"]["status"]
        return said.removeprefix("WORKFLOW_EXECUTION_STATUS_")

    def held(self, workflow_id: str) -> dict[str, Any]:
        """The pending activity of a ``Held``; nothing before it is scheduled."""
        found = self("workflow describe -w", workflow_id).get("pendingActivities", [])
        return dict(found[0]) if found else {}

    def is_held(self, workflow_id: str) -> bool:
        """A worker has got that activity."""
        return "lastStartedTime" in self.held(workflow_id)


@pytest.fixture(scope="module")
def cli() -> Iterator[Cli]:
    with our_server() as address, worker(address):
        yield Cli(address)


def eventually(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.05)


def test_a_workflow_runs_and_its_history_can_be_shown(cli: Cli) -> None:
    done = cli("workflow execute --type Greeting -w run-1 --input", '"you"', "--task-queue", QUEUE)
    assert (done["status"], done["result"]) == ("COMPLETED", "hello you")
    events = cli("workflow show -w run-1")["events"]
    assert [int(event["eventId"]) for event in events] == list(range(1, 12))
    assert cli("workflow result -w run-1")["result"] == "hello you"


def test_a_failure_is_told_with_its_type(cli: Cli) -> None:
    cli.start("Failing", "fails-1")
    with pytest.raises(Refused) as refused:
        cli("workflow result -w fails-1")
    assert cli.status("fails-1") == "FAILED"
    assert "workflow failed" in str(refused.value)


def test_messages_reach_a_running_workflow(cli: Cli) -> None:
    cli.start("Listening", "talk-1")
    cli("workflow signal -w talk-1 --name note --input", '"one"')
    assert cli("workflow update execute -w talk-1 --name add --update-id u --input", '"two"')["result"] == 2
    assert cli("workflow update result -w talk-1 --update-id u")["result"] == 2
    with pytest.raises(Refused, match="nothing to add"):
        cli("workflow update execute -w talk-1 --name add --input", '""')
    assert cli("workflow query -w talk-1 --name said")["queryResult"] == [["one", "two"]]
    cli("workflow signal -w talk-1 --name finish")
    assert cli("workflow result -w talk-1")["result"] == ["one", "two"]


def test_a_message_can_start_its_workflow(cli: Cli) -> None:
    begin = f"--type Listening --task-queue {QUEUE} -w begin-1"
    cli(f"workflow signal-with-start {begin} --signal-name note --signal-input", '"first"')
    line = f"workflow execute-update-with-start {begin} --id-conflict-policy UseExisting --update-name add --update-input"
    assert cli(line, '"second"')["updateResult"] == 2
    cli("workflow terminate -w begin-1 --reason why")
    assert cli.status("begin-1") == "TERMINATED"


def test_a_workflow_can_be_canceled_reset_and_deleted(cli: Cli) -> None:
    cli.start("Listening", "end-1")
    cli("workflow cancel -w end-1")
    eventually(lambda: cli.status("end-1") == "CANCELED")
    assert cli("workflow reset -w end-1 --type FirstWorkflowTask --reason why")["runId"]
    cli("workflow delete --yes -w end-1")

    def gone() -> bool:
        try:
            cli.status("end-1")
        except Refused as refused:
            return "not found" in str(refused)
        return False

    eventually(gone)


def test_lists_are_filtered_by_type_status_and_id(cli: Cli) -> None:
    cli("workflow execute --type Family -w family-1 --task-queue", QUEUE)
    cli.start("Listening", "waits-1")
    assert cli.ids('WorkflowType="Family"') == {"family-1"}
    assert "family-1-child" in cli.ids('WorkflowType="Greeting" AND ExecutionStatus="Completed"')
    assert cli.ids('WorkflowId="waits-1" AND ExecutionStatus IN ("Running", "Failed")') == {"waits-1"}
    assert cli("workflow count", "--query", 'WorkflowType="Family"')["count"] == "1"
    cli("workflow terminate -w waits-1")


def test_an_activity_is_completed_and_failed_from_outside(cli: Cli) -> None:
    for workflow_id in ("outside-1", "outside-2"):
        cli.start("Held", workflow_id, "--input", '"elsewhere"')
        eventually(partial(cli.is_held, workflow_id))
    cli("activity complete -w outside-1 --activity-id held --result", '"done"')
    assert cli("workflow result -w outside-1")["result"] == "done"
    cli("activity fail -w outside-2 --activity-id held --reason why")
    eventually(lambda: cli.status("outside-2") == "FAILED")


def test_an_operator_holds_changes_and_releases_an_activity(cli: Cli) -> None:
    cli.start("Held", "operate-1", "--input", '"hopeless"')
    eventually(lambda: cli.held("operate-1").get("attempt") == 2)
    cli("activity pause -w operate-1 --activity-id held --identity me --reason why")
    assert cli.held("operate-1")["pauseInfo"]["manual"] == {"identity": "me", "reason": "why"}
    cli("activity update-options -w operate-1 --activity-id held --retry-maximum-attempts 3")
    cli("activity unpause -w operate-1 --activity-id held")
    eventually(lambda: cli.held("operate-1").get("attempt") == 3)
    cli("activity reset -w operate-1 --activity-id held")
    cli("workflow terminate -w operate-1")


def test_namespaces_and_search_attributes_are_administered(cli: Cli) -> None:
    cli("operator namespace create -n other --retention 5d --description first")
    cli("operator namespace update -n other --description second")
    (told,) = [n for n in cli("operator namespace list") if n["namespaceInfo"]["name"] == "other"]
    assert told["namespaceInfo"]["description"] == "second"
    cli("operator namespace delete -n other --yes")
    cli("operator search-attribute create --name Colour --type Keyword")
    cli.start("Greeting", "colour-1", "--input", '"x"', "--search-attribute", 'Colour="red"')
    with pytest.raises(Refused, match="Shade"):
        cli.start("Greeting", "colour-2", "--input", '"x"', "--search-attribute", 'Shade="red"')
    cli("operator search-attribute remove --name Colour --yes")


def test_queues_workers_and_the_cluster_are_described(cli: Cli) -> None:
    pollers = cli("task-queue describe --task-queue", QUEUE)["pollers"]
    assert {(poller["identity"], poller["taskQueueType"]) for poller in pollers} == {
        ("worker", "workflow"),
        ("worker", "activity"),
    }
    nobody = cli("task-queue describe --select-all-active --task-queue", QUEUE)
    assert not nobody["pollers"]
    cli("worker list")  # who is in it depends on when workers last sent their heartbeat
    assert cli("operator cluster health")
    assert cli("operator cluster system")["serverVersion"]


def test_a_schedule_is_made_shown_changed_and_deleted(cli: Cli) -> None:
    action = (
        "--workflow-id",
        "by-the-clock",
        "--type",
        "Greeting",
        "--task-queue",
        QUEUE,
        "--input",
        '"you"',
    )
    cli("schedule create --schedule-id daily --interval 24h --notes hi", *action)
    with pytest.raises(Refused, match="schedule with this ID is already registered"):
        cli("schedule create --schedule-id daily --interval 1h", *action)
    cli("schedule trigger --schedule-id daily")

    def shown() -> dict[str, Any]:
        return dict(cli("schedule describe --schedule-id daily"))

    eventually(
        lambda: int(shown()["info"].get("actionCount", 0)) == 1 and "runningWorkflows" not in shown()["info"]
    )
    (done,) = shown()["info"]["recentActions"]
    assert cli("workflow result -w", done["startWorkflowResult"]["workflowId"])["result"] == "hello you"
    cli("schedule toggle --schedule-id daily --pause --reason because")
    assert shown()["schedule"]["state"] == {"notes": "because", "paused": True}
    cli("schedule update --schedule-id daily --calendar", '{"hour":"12"}', *action)
    assert shown()["schedule"]["spec"]["structuredCalendar"][0]["hour"] == [
        {"start": 12, "end": 12, "step": 1}
    ]
    times = ("--start-time", "2024-01-01T00:00:00Z", "--end-time", "2024-01-03T00:00:00Z")
    cli("schedule backfill --schedule-id daily --overlap-policy AllowAll", *times)
    eventually(lambda: int(shown()["info"]["actionCount"]) == 3)
    assert [entry["scheduleId"] for entry in cli("schedule list")] == ["daily"]
    assert not any(found.startswith("temporal-sys") for found in cli.ids(""))
    cli("schedule delete --schedule-id daily")
    with pytest.raises(Refused, match="schedule not found"):
        shown()
