# mypy: disallow-untyped-decorators=False
"""A workflow of one SDK calls operations that another SDK handles; prints what came of each as JSON.

``python -m tests.nexus.nexus_program CALLER_SDK HANDLER_SDK ADDRESS [KINDS_LEFT_OUT]``
"""

import asyncio
import importlib
import json
import logging
import os
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import nexusrpc
import nexusrpc.handler
from temporalio.api.nexus.v1 import EndpointSpec, EndpointTarget
from temporalio.api.operatorservice.v1 import CreateNexusEndpointRequest

CALLER_SDK, HANDLER_SDK, ADDRESS = sys.argv[1:4]
LEFT_OUT = sys.argv[4].split(",") if sys.argv[4:] else []
HOUSE = uuid.uuid4().hex

here: Any = importlib.import_module(f"{CALLER_SDK}.workflow")
workflow: Any = importlib.import_module(f"{HANDLER_SDK}.workflow")
activity: Any = importlib.import_module(f"{HANDLER_SDK}.activity")
nexus: Any = importlib.import_module(f"{HANDLER_SDK}.nexus")
client: Any = importlib.import_module(f"{HANDLER_SDK}.client")


@activity.defn(name="weigh")
async def weigh(item: str) -> str:
    return f"{item} weighs 3"


@workflow.defn(name="Backing", sandboxed=False)
class Backing:
    def __init__(self) -> None:
        self.pinged = False

    @workflow.run
    async def run(self, item: str) -> str:
        if item == "forever":
            await workflow.wait_condition(lambda: False)
        if item == "until pinged":
            await workflow.wait_condition(lambda: self.pinged and workflow.all_handlers_finished())
        return f"{item} done"

    @workflow.signal(name="ping")
    def ping(self) -> None:
        self.pinged = True

    @workflow.update(name="change")
    async def change(self, to: str) -> str:
        await workflow.sleep(0.05)
        self.pinged = True
        return f"changed to {to}"


@nexusrpc.handler.service_handler(name="Shop")
class Shop:
    @nexus.workflow_run_operation
    async def run(self, ctx: nexus.WorkflowRunOperationContext, item: str) -> nexus.WorkflowHandle[str]:
        assert nexus.in_operation()
        assert nexus.info().task_queue == f"handler-{HOUSE}"
        return await ctx.start_workflow("Backing", item, id=f"backing-{item}-{HOUSE}")

    @nexus.temporal_operation
    async def either(
        self, ctx: nexus.TemporalStartOperationContext, start: nexus.TemporalNexusClient, item: str
    ) -> nexus.TemporalOperationResult[str]:
        if item == "at once":
            return nexus.TemporalOperationResult.sync("here")
        if item == "activity":
            limit = timedelta(seconds=5)
            return await start.start_activity(weigh, "tea", id=f"weigh-{HOUSE}", start_to_close_timeout=limit)
        if item == "update":
            accepted = client.WorkflowUpdateStage.ACCEPTED
            target = f"target-{HOUSE}"
            return await start.start_workflow_update(target, "change", "blue", wait_for_stage=accepted)
        if item == "twice":
            # What ended before the second start is refused would end the operation.
            await start.start_workflow("Backing", "forever", id=f"first-{HOUSE}")
        return await start.start_workflow("Backing", item, id=f"either-{item}-{HOUSE}")

    @nexusrpc.handler.sync_operation
    async def ping(self, ctx: nexusrpc.handler.StartOperationContext, whom: str) -> str:
        await nexus.client().get_workflow_handle(whom).signal("ping")
        return f"{len(ctx.outbound_links)} link"

    @nexusrpc.handler.sync_operation
    def on_a_thread(self, ctx: nexusrpc.handler.StartOperationContext, item: str) -> str:
        return str(nexus.info().namespace)


@here.defn(name="Caller", sandboxed=False)
class Caller:
    @here.run
    async def run(self, operation: str, item: str) -> str:
        shop = here.create_nexus_client(service="Shop", endpoint=f"shop-{HOUSE}")
        handle = await shop.start_operation(operation, item, output_type=str)
        if item == "forever":
            handle.cancel()
        return str(await handle)


async def main() -> dict[str, Any]:
    callers, handlers = (importlib.import_module(f"{sdk}.client") for sdk in (CALLER_SDK, HANDLER_SDK))
    calling, handling = await callers.Client.connect(ADDRESS), await handlers.Client.connect(ADDRESS)
    worker = EndpointTarget.Worker(namespace="default", task_queue=f"handler-{HOUSE}")
    spec = EndpointSpec(name=f"shop-{HOUSE}", target=EndpointTarget(worker=worker))
    await handling.operator_service.create_nexus_endpoint(CreateNexusEndpointRequest(spec=spec))
    await asyncio.sleep(1)  # endpoints are told to the real server's parts after a while
    one = importlib.import_module(f"{CALLER_SDK}.worker").Worker(
        calling,
        task_queue=f"caller-{HOUSE}",
        workflows=[Caller],
        debug_mode=True,  # what is taken for deadlocks are stalls of the machine
    )
    other = importlib.import_module(f"{HANDLER_SDK}.worker").Worker(
        handling,
        task_queue=f"handler-{HOUSE}",
        workflows=[Backing],
        activities=[weigh],
        nexus_service_handlers=[Shop()],
        nexus_task_executor=ThreadPoolExecutor(10),
        debug_mode=True,
    )
    found: dict[str, Any] = {}
    async with one, other:
        targets = []
        for name in (f"target-{HOUSE}", f"pinged-{HOUSE}"):
            queue = f"handler-{HOUSE}"
            targets.append(
                await handling.start_workflow("Backing", "until pinged", id=name, task_queue=queue)
            )
        for operation, item in (
            ("run", "tea"),
            ("run", "forever"),
            ("either", "at once"),
            ("either", "activity"),
            ("either", "workflow"),
            ("either", "update"),
            ("either", "twice"),
            ("ping", f"pinged-{HOUSE}"),
            ("on_a_thread", "tea"),
        ):
            if item in LEFT_OUT:
                continue
            name = f"{operation} {item}".replace(HOUSE, "it")
            found[name] = await outcome(calling, operation, item)
        for target in targets:
            if target.id.startswith("pinged") or "update" not in LEFT_OUT:
                await target.result()
    return found


async def outcome(calling: Any, operation: str, item: str) -> list[str]:
    """The result or the errors, and the kinds of links that the operation's events have."""
    handle = await calling.start_workflow(
        "Caller",
        args=[operation, item],
        id=f"call-{operation}-{item}-{HOUSE}",
        task_queue=f"caller-{HOUSE}",
        run_timeout=timedelta(seconds=15),
    )
    told = []
    try:
        told.append(await handle.result())
    except Exception as error:  # noqa: BLE001 - whatever it is, it is compared
        inner: BaseException | None = error
        while inner is not None:
            told.append(f"{type(inner).__name__}: {inner}" if inner is not error else type(inner).__name__)
            inner = inner.__cause__
    async for event in handle.fetch_history_events():
        told += [f"{event.event_type} is linked with {link.WhichOneof('variant')}" for link in event.links]
    return told


if __name__ == "__main__":
    logging.disable()
    print(json.dumps(asyncio.run(main())), flush=True)
    os._exit(0)  # the official package may crash an interpreter that ends in order
