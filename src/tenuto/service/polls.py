"""What all polls for work share: how long they may wait, and how a worker is described to matching."""

import asyncio
import contextlib

from tenuto.engine import types
from tenuto.engine.types import Rejected
from tenuto.limits import SECOND
from tenuto.matching.types import Match, Poller, QueueKey, QueueKind, Ticket
from tenuto.service import validate
from tenuto.service.core import Core
from tenuto.service.errors import Code, ServiceError, invalid
from tenuto.store.spi import ChainKey
from tenuto.wire import enums_queue
from tenuto.wire import workflowservice as ws

RETRY_PAUSE_NS = SECOND // 20
"""How long a poll waits after a shard was not available."""
STICKY = enums_queue.TASK_QUEUE_KIND_STICKY
VERSIONED = 2
"""WorkerVersioningMode VERSIONED."""

PollRequest = ws.PollWorkflowTaskQueueRequest | ws.PollActivityTaskQueueRequest | ws.PollNexusTaskQueueRequest


def poll_until(core: Core, deadline_at: int | None) -> int:
    """When an empty answer must leave. Raises when the caller leaves no time to wait."""
    if deadline_at is None:
        invalid("Context timeout is not set.")
    now = core.clock.now()
    if deadline_at - now < core.limits.task_poll_minimum_ns:
        raise ServiceError(Code.FAILED_PRECONDITION, "Context timeout is too short.")
    return min(now + core.limits.task_poll_ns, deadline_at - core.limits.poll_tailroom_ns)


_returning: set["asyncio.Task[None]"] = set()


def take_back(core: Core, match: Match, request_id: str) -> None:
    """The poll was cancelled between its match and its answer: nobody has what it got, whatever was recorded of it."""
    if match.offer is None:
        core.matching.give_back(match)
        return
    work = asyncio.ensure_future(_take_back(core, match, match.offer.ticket, request_id))
    _returning.add(work)
    work.add_done_callback(_returning.discard)


async def _take_back(core: Core, match: Match, ticket: Ticket, request_id: str) -> None:
    key = ChainKey(ticket.namespace_id, ticket.workflow_id)
    request = types.Unclaimed(ticket.run_id, ticket.scheduled_event_id, request_id)
    with contextlib.suppress(Rejected):
        await core.shards.submit(key, request)
    # If it was never recorded, the shard thinks that matching still has it.
    core.matching.give_back(match)


def poller_for(
    request: PollRequest, namespace_id: str, kind: QueueKind, poll_id: str, rate: float | None = None
) -> Poller:
    """The worker that polls. Raises INVALID_ARGUMENT."""
    validate.length(request.identity, "Identity")
    queue = validate.task_queue(request)
    # A sticky queue may come without the name of the normal one behind it; it is sticky all the same.
    normal = (queue.normal_name or queue.name) if queue.kind == STICKY else ""
    options = request.deployment_options
    return Poller(
        QueueKey(namespace_id, queue.name, kind, normal),
        request.identity,
        poll_id,
        max_tasks_per_second=rate,
        worker_instance_key=request.worker_instance_key,
        build_id=options.build_id or request.worker_version_capabilities.build_id,
        deployment=options.deployment_name,
        versioning=options.worker_versioning_mode == VERSIONED,
        details=request,
    )
