"""What a type checker makes of calls on a client. Checked with mypy; never run."""

from typing import Any, assert_type

from tenuto.client import (
    ActivityHandle,
    Client,
    ScheduleActionStartWorkflow,
    WithStartWorkflowOperation,
    WorkflowHandle,
    WorkflowUpdateHandle,
    WorkflowUpdateStage,
)
from tests.client.programs import Idle, Receipt, Sale, Two, charge


async def starts(client: Client) -> None:
    """Starting and waiting."""
    handle = await client.start_workflow(Sale.run, "visa", id="x", task_queue="q", run_timeout=5)
    assert_type(handle, WorkflowHandle[Sale, Receipt])
    assert_type(await handle.result(), Receipt)
    assert_type(await client.execute_workflow(Sale.run, "visa"), Receipt)
    assert_type(await client.start_workflow(Idle.run), WorkflowHandle[Idle, None])
    assert_type(await client.start_workflow(Two.run, 1, "b"), WorkflowHandle[Two, bool])
    assert_type(await client.start_workflow(Two.run, args=[1, "b"], id="t"), WorkflowHandle[Two, bool])
    assert_type(await client.start_workflow("T", 1, 2, id="t"), WorkflowHandle[Any, Any])
    assert_type(client.get_workflow_handle("w"), WorkflowHandle[Any, Any])
    assert_type(client.get_workflow_handle_for(Sale.run, "w"), WorkflowHandle[Sale, Receipt])
    await client.start_workflow(Sale.run, 5)  # type: ignore[call-arg, misc]
    await client.start_workflow(Two.run, 1, 2)  # type: ignore[arg-type]
    await client.start_workflow(Idle.run, "too much")  # type: ignore[call-arg, arg-type]
    await client.start_workflow(Idle.run, no_such_option=1)  # type: ignore[call-overload]


async def messages(handle: WorkflowHandle[Sale, Receipt]) -> None:
    """Signals, queries, updates."""
    await handle.signal(Sale.hurry)
    await handle.signal(Sale.add_tip, 3)
    await handle.signal(Sale.split, 2, True)
    await handle.signal(Sale.split, args=[2, True])
    await handle.signal("name", 1, 2)
    await handle.signal(Sale.add_tip, "three")  # type: ignore[call-arg, arg-type]
    assert_type(await handle.query(Sale.total), int)
    assert_type(await handle.query(Sale.share, "me"), Receipt)
    assert_type(await handle.query(Sale.between, 1, 2), list[int])
    assert_type(await handle.query(Sale.between, args=[1, 2]), list[int])
    assert_type(await handle.query("name", result_type=int), Any)
    assert_type(await handle.execute_update(Sale.pay, 5), Receipt)
    assert_type(await handle.execute_update(Sale.close, id="u"), bool)
    assert_type(await handle.execute_update(Sale.move, 1, True), str)
    assert_type(await handle.execute_update(Sale.move, args=[1, True]), str)
    assert_type(
        await handle.start_update(Sale.pay, 5, wait_for_stage=WorkflowUpdateStage.ACCEPTED),
        WorkflowUpdateHandle[Receipt],
    )
    assert_type(handle.get_update_handle_for(Sale.pay, "u"), WorkflowUpdateHandle[Receipt])
    await handle.execute_update(Sale.pay, "five")  # type: ignore[call-arg, misc]


async def with_start(client: Client) -> None:
    """Update with start."""
    starting = WithStartWorkflowOperation(Sale.run, "visa", id="w")
    assert_type(
        await client.execute_update_with_start_workflow(Sale.pay, 5, start_workflow_operation=starting),
        Receipt,
    )
    assert_type(await starting.workflow_handle(), WorkflowHandle[Sale, Receipt])


async def others(client: Client) -> None:
    """Activities and schedules."""
    assert_type(
        await client.start_activity(charge, "visa", id="a", start_to_close_timeout=5), ActivityHandle[Receipt]
    )
    assert_type(await client.execute_activity(charge, "visa", id="a", start_to_close_timeout=5), Receipt)
    ScheduleActionStartWorkflow(Sale.run, "visa", id="w", task_queue="q")
