# mypy: disallow-untyped-decorators=False, disallow-any-generics=False
"""One traced program, told in the words that both SDKs have: prints its spans as a tree of JSON.

``python -m tests.contrib.tracing_program CLIENT_SDK WORKER_SDK KIND ADDRESS``; KIND: legacy, plugin or plugin-with-spans.
"""

import asyncio
import importlib
import json
import os
import sys
import uuid
from contextlib import suppress
from datetime import timedelta
from typing import Any

import opentelemetry.trace
from opentelemetry import baggage, context
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

CLIENT_SDK, WORKER_SDK, KIND, ADDRESS = sys.argv[1:]
Line = tuple[str, list[Any]]

workflow, activity, common, exceptions = (
    importlib.import_module(f"{WORKER_SDK}.{name}")
    for name in ("workflow", "activity", "common", "exceptions")
)
own = importlib.import_module(f"{WORKER_SDK}.contrib.opentelemetry.workflow")
limits: Any = {
    "start_to_close_timeout": timedelta(seconds=20),
    "retry_policy": common.RetryPolicy(initial_interval=timedelta(milliseconds=1), maximum_attempts=2),
}
failed: set[str] = set()


@activity.defn(name="work")
async def work(succeeds_at: int) -> str:
    if activity.info().attempt < succeeds_at:
        raise RuntimeError("not yet")
    with opentelemetry.trace.get_tracer("program").start_as_current_span("at work"):
        return str(baggage.get_baggage("tenant"))


@workflow.defn(name="Child", sandboxed=False)
class Child:
    def __init__(self) -> None:
        self.signals = 0

    @workflow.run
    async def run(self, signals: int) -> str:
        await workflow.wait_condition(lambda: self.signals >= signals)
        return str(await workflow.execute_activity("work", 0, **limits))

    @workflow.signal(name="ping")
    def ping(self) -> None:
        self.signals += 1


@workflow.defn(name="Main", sandboxed=False)
class Main:
    def __init__(self) -> None:
        self.done = False

    @workflow.run
    async def run(self, what: str) -> str:
        if what == "fail":
            raise exceptions.ApplicationError("over")
        if what == "wait":
            await workflow.wait_condition(lambda: self.done and workflow.all_handlers_finished())
            return "waited"
        if what == "again":
            with opentelemetry.trace.get_tracer("program").start_as_current_span("again"):
                return str(await workflow.execute_local_activity("work", 0, **limits))
        if workflow.info().workflow_id not in failed:
            failed.add(workflow.info().workflow_id)
            raise RuntimeError("this task fails")
        own.completed_span("mine", attributes={"size": 1})
        told = str(await workflow.execute_activity("work", 2, **limits))
        child = await workflow.start_child_workflow("Child", 2, id=workflow.info().workflow_id + "-child")
        await child.signal("ping")
        await workflow.get_external_workflow_handle(child.id).signal("ping")
        assert await child == told
        raise workflow.continue_as_new("again")

    @workflow.update(name="finish")
    async def finish(self, really: bool) -> str:
        self.done = True
        return str(await workflow.execute_activity("work", 0, **limits))

    @finish.validator
    def check(self, really: bool) -> None:
        if not really:
            raise exceptions.ApplicationError("no")

    @workflow.query(name="stage")
    def stage(self) -> str:
        return "some"


def tree(spans: tuple[ReadableSpan, ...], names: dict[str, str]) -> list[Line]:
    """Each span as a line (name, kind, attributes, status, links, whether it has a length) with those below it, in order."""
    known = {span.context.span_id: span.name for span in spans if span.context}

    def told(span: ReadableSpan) -> str:
        attributes = {
            name: "a run" if name == "temporalRunID" else value
            for name, value in sorted((span.attributes or {}).items())
        }
        links = [known.get(link.context.span_id) for link in span.links]
        events = [(event.attributes or {}).get("exception.message") for event in span.events]
        line = f"{span.name} {span.kind.name} {attributes} {span.status.status_code.name} {span.status.description}"
        line += f" links={links} events={events} zero={span.start_time == span.end_time}"
        for found, name in names.items():
            line = line.replace(found, name)
        return line

    def below(parent: int | None) -> list[Line]:
        found = []
        for span in spans:
            above = span.parent.span_id if span.parent else None
            if above == parent or (parent is None and above not in known):
                found.append((told(span), below(span.context.span_id) if span.context else []))
        return sorted(found)

    return below(None)


def tracing(sdk: str) -> dict[str, Any]:
    """What a client of ``sdk`` is given."""
    found = importlib.import_module(f"{sdk}.contrib.opentelemetry")
    if KIND == "legacy":
        return {"interceptors": [found.TracingInterceptor()]}
    return {"plugins": [found.OpenTelemetryPlugin(add_temporal_spans=KIND == "plugin-with-spans")]}


async def play() -> list[Line]:
    exporter = InMemorySpanExporter()
    provider: Any = TracerProvider()
    if KIND != "legacy":
        provider = importlib.import_module(f"{WORKER_SDK}.contrib.opentelemetry").create_tracer_provider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    opentelemetry.trace.set_tracer_provider(provider)

    connect, host = (
        importlib.import_module(f"{sdk}.client").Client.connect for sdk in (CLIENT_SDK, WORKER_SDK)
    )
    client = await connect(ADDRESS, **tracing(CLIENT_SDK))
    home = await host(ADDRESS, **tracing(WORKER_SDK))
    failure = importlib.import_module(f"{CLIENT_SDK}.client").WorkflowFailureError
    refusal = importlib.import_module(f"{CLIENT_SDK}.client").WorkflowUpdateFailedError
    queue = f"tracing-{uuid.uuid4()}"
    names = {f"{queue}-{word}": word for word in ("all", "fail", "wait")}
    worker = importlib.import_module(f"{WORKER_SDK}.worker").Worker(
        home, task_queue=queue, workflows=[Main, Child], activities=[work], max_cached_workflows=20
    )
    async with worker:
        held = context.attach(baggage.set_baggage("tenant", "t-1"))
        with opentelemetry.trace.get_tracer("program").start_as_current_span("program"):
            told = await client.execute_workflow("Main", "all", id=f"{queue}-all", task_queue=queue)
            assert told == "t-1", told
            with suppress(failure):
                await client.execute_workflow("Main", "fail", id=f"{queue}-fail", task_queue=queue)
            handle = await client.start_workflow("Main", "wait", id=f"{queue}-wait", task_queue=queue)
            await handle.query("stage")
            with suppress(refusal):
                await handle.execute_update("finish", False)
            await handle.execute_update("finish", True)
            await handle.result()
        context.detach(held)
    return tree(exporter.get_finished_spans(), names)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(play())), flush=True)
    os._exit(0)  # the official package may crash an interpreter that ends in order
