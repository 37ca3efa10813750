"""Interceptors that put a header on whatever is asked for, and a program whose parts say which header they got."""

from contextvars import ContextVar
from datetime import timedelta
from typing import Any

import temporalio.client
import temporalio.worker
from temporalio import activity, workflow
from temporalio.converter import PayloadConverter

from tests.interop.sdk.stage import Stage, program

SHORT = timedelta(seconds=5)
HEADER = "trace"
_seen: ContextVar[str] = ContextVar("seen", default="nothing")


def header(text: str) -> dict[str, Any]:
    return {HEADER: PayloadConverter.default.to_payloads([text])[0]}


def note(headers: Any) -> None:
    found = headers.get(HEADER)
    if found is not None:
        _seen.set(PayloadConverter.default.from_payloads([found])[0])


class Tracing(temporalio.client.Interceptor, temporalio.worker.Interceptor):
    """Of clients and of workers."""

    def intercept_client(
        self, next: temporalio.client.OutboundInterceptor
    ) -> temporalio.client.OutboundInterceptor:
        return TracingClient(next)

    def intercept_activity(
        self, next: temporalio.worker.ActivityInboundInterceptor
    ) -> temporalio.worker.ActivityInboundInterceptor:
        return TracingActivity(next)

    def workflow_interceptor_class(
        self, input: temporalio.worker.WorkflowInterceptorClassInput
    ) -> type[temporalio.worker.WorkflowInboundInterceptor] | None:
        return TracingInbound


class TracingClient(temporalio.client.OutboundInterceptor):
    async def start_workflow(self, input: Any) -> Any:
        input.headers = {**input.headers, **header(f"client starts {input.workflow}")}
        return await super().start_workflow(input)

    async def signal_workflow(self, input: Any) -> None:
        input.headers = {**input.headers, **header(f"client signals {input.signal}")}
        await super().signal_workflow(input)

    async def query_workflow(self, input: Any) -> Any:
        input.headers = {**input.headers, **header(f"client asks {input.query}")}
        return await super().query_workflow(input)

    async def start_workflow_update(self, input: Any) -> Any:
        input.headers = {**input.headers, **header(f"client updates {input.update}")}
        return await super().start_workflow_update(input)


class TracingActivity(temporalio.worker.ActivityInboundInterceptor):
    async def execute_activity(self, input: Any) -> Any:
        note(input.headers)
        return await super().execute_activity(input)


class TracingInbound(temporalio.worker.WorkflowInboundInterceptor):
    def init(self, outbound: temporalio.worker.WorkflowOutboundInterceptor) -> None:
        super().init(TracingOutbound(outbound))

    async def execute_workflow(self, input: Any) -> Any:
        note(input.headers)
        return await super().execute_workflow(input)

    async def handle_signal(self, input: Any) -> None:
        note(input.headers)
        await super().handle_signal(input)

    async def handle_query(self, input: Any) -> Any:
        note(input.headers)
        return await super().handle_query(input)

    async def handle_update_handler(self, input: Any) -> Any:
        note(input.headers)
        return await super().handle_update_handler(input)


class TracingOutbound(temporalio.worker.WorkflowOutboundInterceptor):
    def start_activity(self, input: Any) -> Any:
        input.headers = {**input.headers, **header(f"workflow asks for {input.activity}")}
        return super().start_activity(input)

    def start_local_activity(self, input: Any) -> Any:
        input.headers = {**input.headers, **header(f"workflow does {input.activity}")}
        return super().start_local_activity(input)

    async def start_child_workflow(self, input: Any) -> Any:
        input.headers = {**input.headers, **header(f"workflow starts {input.workflow}")}
        return await super().start_child_workflow(input)

    async def signal_child_workflow(self, input: Any) -> None:
        input.headers = {**input.headers, **header(f"workflow signals {input.signal}")}
        await super().signal_child_workflow(input)

    async def signal_external_workflow(self, input: Any) -> None:
        input.headers = {**input.headers, **header(f"workflow tells {input.signal}")}
        await super().signal_external_workflow(input)

    def continue_as_new(self, input: Any) -> Any:
        input.headers = {**input.headers, **header("workflow goes on")}
        super().continue_as_new(input)


@activity.defn
async def what_came() -> str:
    return _seen.get()


@workflow.defn
class Carrier:
    """Collects the headers that its parts get."""

    def __init__(self) -> None:
        self.log: list[str] = []

    @workflow.signal
    def tell(self) -> None:
        self.log.append(_seen.get())

    @workflow.query
    def ask(self) -> str:
        return _seen.get()

    @workflow.update
    async def change(self) -> str:
        return f"{_seen.get()}, {await workflow.execute_activity(what_came, start_to_close_timeout=SHORT)}"

    @workflow.run
    async def run(self, how: str, log: list[str]) -> list[str]:
        log.append(_seen.get())
        own = workflow.info().workflow_id
        if how == "first":
            log.append(await workflow.execute_activity(what_came, start_to_close_timeout=SHORT))
            child = await workflow.start_child_workflow(Carrier.run, args=["child", []], id=f"{own}-child")
            await workflow.sleep(0.5)
            await child.signal(Carrier.tell)
            await workflow.sleep(0.5)
            await workflow.get_external_workflow_handle(child.id).signal("tell")
            log.extend(await child)
            await workflow.wait_condition(lambda: len(self.log) == 1)
            workflow.continue_as_new(args=["second", [*log, *self.log]])
        if how == "child":
            await workflow.wait_condition(lambda: len(self.log) == 2)
            await workflow.sleep(0.5)
        return [*log, *self.log]


@workflow.defn
class LocalCarrier:
    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_local_activity(what_came, start_to_close_timeout=SHORT)


@program(alone="The official worker gives up local activities of runs that it cannot keep in memory.")
async def headers_of_local_activities(stage: Stage) -> Any:
    return await stage.execute(LocalCarrier.run)


@program(loose="How far the child is when it is signalled is a race.")
async def headers(stage: Stage) -> Any:
    handle = await stage.start(Carrier.run, "first", [])
    await stage.until(handle, "CHILD_WORKFLOW_EXECUTION_COMPLETED")
    await stage.idle(handle, 8)
    seen = [await handle.query(Carrier.ask), await handle.execute_update(Carrier.change)]
    await handle.signal(Carrier.tell)
    return [seen, await handle.result()]
