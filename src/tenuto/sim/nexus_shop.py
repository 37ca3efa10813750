"""What the storm's workers do for Nexus callers. Loaded only where the package ``nexusrpc`` is needed.

This file must never know about faults.
"""
# mypy: disallow-untyped-decorators=False

import asyncio

import nexusrpc
import nexusrpc.handler

from tenuto import nexus
from tenuto.sim.errands import notebook
from tenuto.sim.nexus_errands import SERVICE


@nexusrpc.handler.service_handler(name=SERVICE)
class Shop:
    """Operations that end at once, that a workflow backs, that are to be cancelled, and that fail."""

    @nexusrpc.handler.sync_operation
    async def now(self, ctx: nexusrpc.handler.StartOperationContext, key: str) -> str:
        await asyncio.sleep(0.1)
        notebook.get().do(key)
        return key

    @nexusrpc.handler.sync_operation
    async def broken(self, ctx: nexusrpc.handler.StartOperationContext, key: str) -> str:
        raise nexusrpc.OperationError(f"{key} is broken", state=nexusrpc.OperationErrorState.FAILED)

    @nexus.workflow_run_operation
    async def flow(self, ctx: nexus.WorkflowRunOperationContext, key: str) -> nexus.WorkflowHandle[str]:
        return await ctx.start_workflow("small_errand", key, id=key, result_type=str)

    @nexus.workflow_run_operation
    async def stopped(self, ctx: nexus.WorkflowRunOperationContext, key: str) -> nexus.WorkflowHandle[str]:
        return await ctx.start_workflow("long_errand", key, id=key, result_type=str)
