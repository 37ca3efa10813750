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
