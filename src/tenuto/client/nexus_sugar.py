"""A Nexus endpoint in one call: made, or pointed elsewhere. It must never offer what the operator's service cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenuto.transport.errors import RPCError, RPCStatusCode

if TYPE_CHECKING:
    from tenuto.client.client import Client


async def put(client: Client, name: str, task_queue: str) -> Any:
    """See to it that the endpoint ``name`` reaches ``task_queue`` in the client's namespace, and return it. Raises
    `RPCError`."""
    from tenuto.wire import operatorservice as ops

    made = ops.CreateNexusEndpointRequest()
    made.spec.name = name
    made.spec.target.worker.namespace = client.namespace
    made.spec.target.worker.task_queue = task_queue
    operator = client.operator_service
    try:
        return (await operator.create_nexus_endpoint(made)).endpoint
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise
    found = (await operator.list_nexus_endpoints(ops.ListNexusEndpointsRequest(name=name))).endpoints
    if not found or found[0].spec.target == made.spec.target:
        return found[0] if found else None
    changed = ops.UpdateNexusEndpointRequest(id=found[0].id, version=found[0].version, spec=found[0].spec)
    changed.spec.target.CopyFrom(made.spec.target)
    return (await operator.update_nexus_endpoint(changed)).endpoint
