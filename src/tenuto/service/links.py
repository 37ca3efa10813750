"""Links to events of workflows, as answers carry them."""

from tenuto.wire import common, enums_event

STARTED = enums_event.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED
SIGNALED = enums_event.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
ACCEPTED = enums_event.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED


def _to(namespace: str, workflow_id: str, run_id: str) -> common.Link:
    link = common.Link()
    event = link.workflow_event
    event.namespace, event.workflow_id, event.run_id = namespace, workflow_id, run_id
    return link


def first_event(namespace: str, workflow_id: str, run_id: str) -> common.Link:
    """To a run's first event."""
    link = _to(namespace, workflow_id, run_id)
    link.workflow_event.event_ref.event_id = 1
    link.workflow_event.event_ref.event_type = STARTED
    return link


def by_request(
    namespace: str, workflow_id: str, run_id: str, request_id: str, event_type: int
) -> common.Link:
    """To the event that a request made, by the request's id."""
    link = _to(namespace, workflow_id, run_id)
    reference = link.workflow_event.request_id_ref
    reference.request_id = request_id
    reference.event_type = event_type  # type: ignore[assignment]
    return link
