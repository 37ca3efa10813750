"""What the connection adds to every call: headers, credentials, time limits, more tries."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tenuto import __version__
from tenuto.transport.base import NO_HEADERS, Headers
from tenuto.transport.config import ConnectConfig, RetryConfig
from tenuto.transport.errors import ConnectError, RPCError, RPCStatusCode
from tenuto.transport.services import ServiceClient
from tenuto.wire import Message
from tenuto.wire import workflowservice as ws
from tests.transport.raw import run, start

Answer = Message | RPCError


class Script:
    """A way to nowhere: answers from a list, the last one for ever, and keeps what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[str, float | None, dict[str, str | bytes]]] = []
        self.before: Callable[[], None] = lambda: None

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def call(
        self, method: str, request: Message, *, timeout: float | None = None, headers: Headers = NO_HEADERS
    ) -> Message:
        self.calls.append((method, timeout, dict(headers)))
        self.before()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, RPCError):
            raise answer
        return answer


def client(script: Script, **settings: Any) -> ServiceClient:
    quick = RetryConfig(initial_interval_millis=1, max_interval_millis=1)
    return ServiceClient(ConnectConfig("nowhere:1", retry_config=quick, **settings), script)


STARTED = ws.StartWorkflowExecutionResponse(run_id="r", started=True)
GONE = RPCError("gone", RPCStatusCode.UNAVAILABLE, b"")


def test_every_call_says_who_asks_and_for_which_namespace() -> None:
    async def story() -> None:
        script = Script(STARTED)
        answer = await client(script).workflow_service.start_workflow_execution(start("w", "shop"))
        assert answer.run_id == "r"
        assert script.calls == [
            (
                "StartWorkflowExecution",
                30.0,
                {
                    "client-name": "tenuto",
                    "client-version": __version__,
                    "supported-features": "follows-next-run-id",
                    "temporal-namespace": "shop",
                },
            )
        ]

    run(story())


def test_headers_of_the_connection_and_of_the_call_are_added_the_calls_own_win() -> None:
    async def story() -> None:
        script = Script(STARTED)
        asking = client(script, rpc_metadata={"A": "1", "b-bin": b"\0\1"}, api_key="secret")
        await asking.call("GetSystemInfo", ws.GetSystemInfoRequest(), metadata={"a": "2", "C": "3"})
        headers = script.calls[0][2]
        assert {name: headers[name] for name in ("a", "b-bin", "c", "authorization")} == {
            "a": "2",
            "b-bin": b"\0\1",
            "c": "3",
            "authorization": "Bearer secret",
        }
        assert "temporal-namespace" not in headers

    run(story())


def test_credentials_and_headers_change_with_the_next_call() -> None:
    async def story() -> None:
        script = Script(STARTED)
        asking = client(script, api_key="old", rpc_metadata={"x": "1"})
        await asking.call("GetSystemInfo", ws.GetSystemInfoRequest())
        asking.update_api_key("new")
        asking.update_rpc_metadata({"y": "2"})
        await asking.call("GetSystemInfo", ws.GetSystemInfoRequest())
        assert [call[2]["authorization"] for call in script.calls] == ["Bearer old", "Bearer new"]
        assert "x" not in script.calls[1][2]
        assert script.calls[1][2]["y"] == "2"
        asking.update_rpc_metadata({"Authorization": "mine"})
        await asking.call("GetSystemInfo", ws.GetSystemInfoRequest())
        assert script.calls[2][2]["authorization"] == "mine"

    run(story())


@pytest.mark.parametrize("metadata", [{"a-bin": "text"}, {"a": b"bytes"}])
def test_headers_that_cannot_be_sent_are_refused_at_once(metadata: dict[str, str | bytes]) -> None:
    with pytest.raises(ValueError, match="header 'a"):
        client(Script(STARTED), rpc_metadata=metadata)
    with pytest.raises(ValueError, match="header 'a"):
        client(Script(STARTED)).update_rpc_metadata(metadata)


def test_a_call_is_sent_once_unless_it_may_be_repeated() -> None:
    async def story() -> None:
        script = Script(GONE, STARTED)
        with pytest.raises(RPCError):
            await client(script).workflow_service.start_workflow_execution(start("w"))
        script = Script(GONE, GONE, STARTED)
        answer = await client(script).workflow_service.start_workflow_execution(start("w"), retry=True)
        assert answer.run_id == "r"
        assert len(script.calls) == 3

    run(story())


def test_polls_have_more_time_and_a_given_limit_is_kept() -> None:
    async def story() -> None:
        script = Script(ws.PollWorkflowTaskQueueResponse())
        asking = client(script)
        await asking.workflow_service.poll_workflow_task_queue(ws.PollWorkflowTaskQueueRequest())
        await asking.workflow_service.get_system_info(ws.GetSystemInfoRequest(), timeout=timedelta(seconds=3))
        assert [call[1] for call in script.calls] == [70.0, 3.0]

    run(story())


def test_further_tries_of_a_limited_call_have_only_what_is_left() -> None:
    async def story() -> None:
        script = Script(GONE, STARTED)
        limit = timedelta(seconds=3)
        await client(script).call("StartWorkflowExecution", start("w"), retry=True, timeout=limit)
        first, second = script.calls[0][1], script.calls[1][1]
        assert first == 3.0
        assert second is not None
        assert 2.0 < second < 3.0

    run(story())


def test_a_new_key_is_used_by_the_very_next_try() -> None:
    async def story() -> None:
        script = Script(GONE, STARTED)
        asking = client(script, api_key="old")
        script.before = lambda: asking.update_api_key("new")
        await asking.call("GetSystemInfo", ws.GetSystemInfoRequest(), retry=True)
        assert [call[2]["authorization"] for call in script.calls] == ["Bearer old", "Bearer new"]

    run(story())


def test_capabilities_are_asked_once_and_a_service_that_does_not_tell_has_none() -> None:
    async def story() -> None:
        told = ws.GetSystemInfoResponse()
        told.capabilities.eager_workflow_start = True
        script = Script(told)
        asking = client(script)
        assert (await asking.capabilities()).eager_workflow_start
        await asking.capabilities()
        assert len(script.calls) == 1
        mute = client(Script(RPCError("what?", RPCStatusCode.UNIMPLEMENTED, b"")))
        assert not (await mute.capabilities()).eager_workflow_start

    run(story())


def test_nobody_at_the_target_is_told_with_the_target() -> None:
    async def story() -> None:
        with pytest.raises(ConnectError, match=r"Failed client connect: .*127\.0\.0\.1:1\b") as failed:
            await ServiceClient.connect(ConnectConfig("127.0.0.1:1"))
        assert failed.value.status is RPCStatusCode.UNAVAILABLE

    run(story())


@pytest.mark.parametrize(
    "target",
    ["", "a b", "host:port", "host:99999", "ftp://x", "cassandra://x", "postgresql://x/y", "sqlite://"],
)
def test_targets_nobody_knows_are_refused_before_anything_is_dialled(target: str) -> None:
    with pytest.raises(ValueError, match="target|URL"):
        ServiceClient(ConnectConfig(target))
