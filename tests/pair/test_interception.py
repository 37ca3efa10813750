"""Interceptors of workflows: made in the run, where they may do what its code may."""

from typing import Any

from tenuto import workflow
from tenuto.worker import WorkflowInboundInterceptor, WorkflowOutboundInterceptor
from tests.pair.support import Play


@workflow.defn
class Listening:
    @workflow.run
    async def run(self) -> list[Any]:
        heard: list[Any] = workflow.memo_value("nothing", [])
        handler: Any = workflow.get_signal_handler("added")
        await workflow.wait_condition(lambda: bool(handler.heard))
        return [*heard, *handler.heard]


class Added:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def __call__(self, what: str) -> None:
        self.heard.append(f"{workflow.info().workflow_id} heard {what}")


class Adds(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        workflow.set_signal_handler("added", Added())
        super().init(outbound)


def test_an_interceptor_may_add_a_signal_handler_when_it_is_made() -> None:
    play = Play(Listening, interceptors=[Adds]).start()
    play.signal("added", "it")
    assert play.to_end() == ["w heard it"]
    play.replayed()


@workflow.defn
class Calls:
    @workflow.run
    async def run(self) -> int:
        await workflow.get_external_workflow_handle("another").signal("hello")
        return workflow.info().attempt


class Asked(WorkflowOutboundInterceptor):
    times = 0

    def info(self) -> workflow.Info:
        Asked.times += 1
        return super().info()


class Counts(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(Asked(outbound))


def test_interceptors_see_only_what_the_code_itself_asks() -> None:
    play = Play(Calls, interceptors=[Counts], cold=False).start()
    made = play.task()
    attributes = made.commands[0].signal_external_workflow_execution_command_attributes
    assert attributes.namespace == "default"
    assert Asked.times == 0
