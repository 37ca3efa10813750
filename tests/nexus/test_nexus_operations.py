"""Operations that something backs: the same whichever SDK calls and whichever handles. Tokens and links, both ways."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nexusrpc
import pytest

from tenuto import nexus
from tenuto.nexus import OperationToken, OperationTokenType, WorkflowHandle
from tenuto.nexus._link_conversion import nexus_link_to_temporal_link, temporal_link_to_nexus_link
from tenuto.wire import common, enums_event
from tests.oracle.harness import our_server, real_server

ROOT = Path(__file__).resolve().parents[2]
Event = common.Link.WorkflowEvent


@pytest.fixture(scope="module")
def real() -> Iterator[str]:
    # By default, activities and updates of that version tell nobody of their end.
    settings = ("history.enableUpdateCallbacks", "activity.enableStandalone", "activity.enableCallbacks")
    more = [word for name in settings for word in ("--dynamic-config-value", f"{name}=true")]
    with real_server(*more, "--dynamic-config-value", "history.enableCHASMSignalBacklinks=true") as address:
        yield address


LINKED = "49 is linked with workflow_event"
ENDED = ["WorkflowFailureError", "NexusOperationError: nexus operation completed unsuccessfully"]
EXPECTED = {
    "run tea": ["tea done", LINKED],
    "run forever": [*ENDED, "CancelledError: operation canceled", LINKED],
    "either at once": ["here"],
    "either workflow": ["workflow done", LINKED],
    "either twice": [
        *ENDED,
        "HandlerError: Only one async operation can be started per operation handler invocation. "
        "Use TemporalNexusClient.client for additional workflow interactions",
    ],
    "ping pinged-it": ["1 link", "50 is linked with workflow_event"],
    "on_a_thread tea": ["default"],
}
"""What comes of what workflows back, of what needs nothing, and of mistakes; on every service."""


def _played(caller: str, handler: str, address: str, *left_out: str) -> Any:
    command = [sys.executable, "-m", "tests.nexus.nexus_program", caller, handler, address, *left_out]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=120, cwd=ROOT, env=environment, check=False
    )
    assert ended.stdout, ended.stderr[-3000:]
    return json.loads(ended.stdout.splitlines()[-1])


@pytest.mark.oracle
def test_operations_come_to_the_same_whoever_calls_and_whoever_handles(real: str) -> None:
    official = _played("temporalio", "temporalio", real)
    assert official.items() >= EXPECTED.items()
    assert _played("temporalio", "tenuto", real) == official
    assert _played("tenuto", "temporalio", real) == official
    assert _played("tenuto", "tenuto", real) == official


@pytest.fixture(scope="module")
def ours() -> Iterator[str]:
    with our_server() as address:
        yield address


@pytest.mark.parametrize(
    ("caller", "handler"), [("temporalio", "temporalio"), ("temporalio", "tenuto"), ("tenuto", "temporalio")]
)
def test_operations_come_to_the_same_on_our_service(caller: str, handler: str, ours: str) -> None:
    assert _played(caller, handler, ours, "activity,update") == EXPECTED


def test_operations_come_to_the_same_on_a_service_inside_the_program() -> None:
    assert _played("tenuto", "tenuto", "memory://shop", "activity,update") == EXPECTED


# ---- tokens ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "token",
    [
        OperationToken(type=OperationTokenType.WORKFLOW, namespace="n", workflow_id="w", version=0),
        OperationToken(type=OperationTokenType.ACTIVITY, namespace="", activity_id="a", run_id="r"),
        OperationToken(
            type=OperationTokenType.UPDATE_WORKFLOW, namespace="n", workflow_id="w", update_id="u"
        ),
    ],
)
def test_a_token_is_read_as_it_was_written(token: OperationToken) -> None:
    written = token.encode()
    assert "=" not in written
    assert OperationToken.decode(written) == token


def test_a_workflows_token_is_that_of_other_sdks() -> None:
    handle: WorkflowHandle[str] = WorkflowHandle("default", "wf")
    assert handle.to_token() == "eyJ0IjoxLCJucyI6ImRlZmF1bHQiLCJ3aWQiOiJ3ZiJ9"
    assert WorkflowHandle.from_token(handle.to_token()) == handle


@pytest.mark.parametrize("token", ["", "a+b", "bm9wZQ", "WzFd", "eyJ0Ijo5fQ", "eyJ0IjoxLCJucyI6ImQifQ"])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(TypeError):
        OperationToken.decode(token)


def test_a_token_of_a_later_version_is_refused() -> None:
    later = OperationToken(type=OperationTokenType.WORKFLOW, namespace="n", workflow_id="w", version=1)
    with pytest.raises(TypeError, match="'v' field"):
        WorkflowHandle.from_token(later.encode())


# ---- links ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "url"),
    [
        (
            common.Link(
                workflow_event=Event(
                    namespace="n",
                    workflow_id="w/1",
                    run_id="r",
                    event_ref=Event.EventReference(
                        event_id=5, event_type=enums_event.EVENT_TYPE_NEXUS_OPERATION_SCHEDULED
                    ),
                )
            ),
            "temporal:///namespaces/n/workflows/w%2F1/r/history"
            "?eventID=5&eventType=NexusOperationScheduled&referenceType=EventReference",
        ),
        (
            common.Link(
                workflow_event=Event(
                    namespace="n",
                    workflow_id="w",
                    run_id="r",
                    request_id_ref=Event.RequestIdReference(
                        request_id="q", event_type=enums_event.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
                    ),
                )
            ),
            "temporal:///namespaces/n/workflows/w/r/history"
            "?referenceType=RequestIdReference&requestID=q&eventType=WorkflowExecutionSignaled",
        ),
        (
            common.Link(
                workflow=common.Link.Workflow(namespace="n", workflow_id="w", run_id="r", reason="why")
            ),
            "temporal:///namespaces/n/workflows/w/r?reason=why",
        ),
        (
            common.Link(activity=common.Link.Activity(namespace="n/", activity_id="a", run_id="r>")),
            "temporal:///namespaces/n%2F/activities/a/r%3E/details",
        ),
        (
            common.Link(nexus_operation=common.Link.NexusOperation(namespace="n", operation_id="o")),
            "temporal:///namespaces/n/nexus-operations/o//details",
        ),
    ],
)
def test_a_link_is_written_and_read(link: common.Link, url: str) -> None:
    written = temporal_link_to_nexus_link(link)
    assert written is not None
    assert written.url == url
    assert nexus_link_to_temporal_link(written) == link


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/namespaces/n/workflows/w/r/history",
        "temporal:///namespaces/n/workflows/w/r",
        "temporal:///namespaces/n/workflows/w/r/history?referenceType=EventReference&eventType=Nonsense",
        "temporal:///namespaces/n/workflows/w/r/history?referenceType=EventReference&eventID=x",
    ],
)
def test_a_link_that_cannot_be_read_is_left_out(url: str) -> None:
    link = nexusrpc.Link(url=url, type=Event.DESCRIPTOR.full_name)
    assert nexus_link_to_temporal_link(link) is None


# ---- decorators -----------------------------------------------------------------------------------------------------------


def test_types_of_an_operation_are_those_of_its_annotations() -> None:
    class Shop:
        @nexus.workflow_run_operation(name="other")
        async def run(self, ctx: nexus.WorkflowRunOperationContext, item: int) -> WorkflowHandle[str]:
            raise NotImplementedError

    found = nexusrpc.get_operation(Shop.run)
    assert found is not None
    assert (found.name, found.input_type, found.output_type) == ("other", int, str)


def test_a_context_of_another_kind_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="Expected parameter 1 .* to be WorkflowRunOperationContext"):

        class Shop:
            @nexus.workflow_run_operation  # type: ignore[arg-type]
            async def run(self, ctx: int, item: int) -> WorkflowHandle[str]:
                raise NotImplementedError


def test_what_only_operations_may_ask_is_refused_elsewhere() -> None:
    assert not nexus.in_operation()
    for ask in (nexus.info, nexus.client, nexus.metric_meter, nexus.is_worker_shutdown):
        with pytest.raises(RuntimeError, match="Not in Nexus operation context"):
            ask()
    with pytest.raises(RuntimeError):
        asyncio.run(nexus.wait_for_worker_shutdown())
