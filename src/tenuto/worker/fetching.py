"""The events a worker needs for a workflow task: those that came with it, and what is missing of them.

This file must never judge what the events mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from tenuto.run.history import check_ids
from tenuto.wire import workflowservice as ws

if TYPE_CHECKING:
    from tenuto.client import Client
    from tenuto.wire import common, history

    Events = list[history.HistoryEvent]


async def rest_of(
    client: Client, execution: common.WorkflowExecution, events: Events, token: bytes
) -> Events:
    """``events`` with the pages behind them. Raises `RPCError` and `HistoryGap`."""
    while token:
        page, token = await _page(client, execution, token)
        events.extend(page)
    check_ids(events)
    return events


async def whole(client: Client, execution: common.WorkflowExecution, tail: Events) -> Events:
    """All events of a run. The last of them, which may not be in the store yet, are those of ``tail``."""
    until = tail[0].event_id if tail else 0
    events: Events = []
    token = b""
    while True:
        page, token = await _page(client, execution, token)
        events.extend(page)
        if not token or (until and len(events) >= until - 1):
            break
    if until:
        del events[until - 1 :]
        events.extend(tail)
    check_ids(events, 1)
    return events


async def _page(client: Client, execution: common.WorkflowExecution, token: bytes) -> tuple[Events, bytes]:
    request = ws.GetWorkflowExecutionHistoryRequest(
        namespace=client.namespace, execution=execution, next_page_token=token
    )
    answer = cast(
        "ws.GetWorkflowExecutionHistoryResponse",
        await client.service_client.call("GetWorkflowExecutionHistory", request, retry=True),
    )
    return list(answer.history.events), answer.next_page_token
