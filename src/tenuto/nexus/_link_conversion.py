"""Links between an operation's caller and what backs it: as Nexus writes them (URLs), and as the service keeps them.

What cannot be read is logged and left out: a link is for people who look, and must never fail an operation.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlparse

import nexusrpc

from tenuto.wire import common, enums_event

if TYPE_CHECKING:
    from tenuto.client import WorkflowHandle

logger = logging.getLogger(__name__)

Link = common.Link
_EVENT_REFERENCE, _REQUEST_ID_REFERENCE = "EventReference", "RequestIdReference"
_PREFIX = "EVENT_TYPE_"


def _url(*segments: str, query: str = "") -> str:
    path = "/".join(quote(segment, safe="") for segment in segments)
    return f"temporal:///{path}" + (f"?{query}" if query else "")


def _path_of(link: nexusrpc.Link, *shape: str) -> tuple[dict[str, str], dict[str, list[str]]]:
    """The named segments (those in braces) of a link's path, and its query. Raises ValueError."""
    parsed = urlparse(link.url)
    if parsed.scheme != "temporal":
        raise ValueError(f"the scheme is {parsed.scheme!r}, not 'temporal'")
    segments = parsed.path.removeprefix("/").split("/")
    if len(segments) != len(shape):
        raise ValueError(f"the path is not /{'/'.join(shape)}")
    found: dict[str, str] = {}
    for segment, wanted in zip(segments, shape, strict=True):
        if wanted.startswith("{"):
            found[wanted.strip("{}?")] = unquote(segment)
            if not segment and not wanted.endswith("?}"):
                raise ValueError(f"the path is not /{'/'.join(shape)}")
        elif segment != wanted:
            raise ValueError(f"the path is not /{'/'.join(shape)}")
    return found, parse_qs(parsed.query)


def _read(link: nexusrpc.Link, read: Callable[[], Link]) -> Link | None:
    try:
        return read()
    except ValueError as error:
        logger.warning("A Nexus link is left out: %s (%s)", link, error)
        return None


def _single(query: Mapping[str, list[str]], name: str) -> str:
    values = query.get(name, [""])
    if len(values) != 1:
        raise ValueError(f"{name} is given {len(values)} times")
    return values[0]


# ---- workflows ------------------------------------------------------------------------------------------------------------


def workflow_execution_started_event_link_from_workflow_handle(
    handle: WorkflowHandle[Any, Any], request_id: str
) -> Link:
    """The start of a workflow, as a link: for services that tell none themselves."""
    return Link(
        workflow_event=Link.WorkflowEvent(
            namespace=handle._client.namespace,
            workflow_id=handle.id,
            run_id=handle.first_execution_run_id or handle.run_id or "",
            request_id_ref=Link.WorkflowEvent.RequestIdReference(
                request_id=request_id, event_type=enums_event.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED
            ),
        )
    )


def workflow_event_to_nexus_link(workflow_event: Link.WorkflowEvent) -> nexusrpc.Link:
    """An event of a history."""
    query = (
        _request_id_reference_to_query_params(workflow_event.request_id_ref)
        if workflow_event.HasField("request_id_ref")
        else _event_reference_to_query_params(workflow_event.event_ref)
    )
    return nexusrpc.Link(
        url=_url(
            "namespaces",
            workflow_event.namespace,
            "workflows",
            workflow_event.workflow_id,
            workflow_event.run_id,
            "history",
            query=query,
        ),
        type=Link.WorkflowEvent.DESCRIPTOR.full_name,
    )


def nexus_link_to_workflow_event_link(link: nexusrpc.Link) -> Link | None:
    """None, and a warning: it cannot be read. So do all functions of this kind."""

    def read() -> Link:
        found, query = _path_of(
            link, "namespaces", "{namespace}", "workflows", "{workflow_id}", "{run_id}", "history"
        )
        event = Link.WorkflowEvent(
            namespace=found["namespace"], workflow_id=found["workflow_id"], run_id=found["run_id"]
        )
        kind = _single(query, "referenceType")
        if kind == _EVENT_REFERENCE:
            event.event_ref.CopyFrom(_query_params_to_event_reference(query))
        elif kind == _REQUEST_ID_REFERENCE:
            event.request_id_ref.CopyFrom(_query_params_to_request_id_reference(query))
        else:
            raise ValueError(f"referenceType is {kind!r}")
        return Link(workflow_event=event)

    return _read(link, read)


def workflow_to_nexus_link(workflow: Link.Workflow) -> nexusrpc.Link:
    """A run as a whole."""
    return nexusrpc.Link(
        url=_url(
            "namespaces",
            workflow.namespace,
            "workflows",
            workflow.workflow_id,
            workflow.run_id,
            query=urlencode({"reason": workflow.reason}) if workflow.reason else "",
        ),
        type=Link.Workflow.DESCRIPTOR.full_name,
    )


def nexus_link_to_workflow_link(link: nexusrpc.Link) -> Link | None:
    def read() -> Link:
        found, query = _path_of(link, "namespaces", "{namespace}", "workflows", "{workflow_id}", "{run_id}")
        return Link(workflow=Link.Workflow(**found, reason=_single(query, "reason")))

    return _read(link, read)


# ---- operations, activities, callbacks ------------------------------------------------------------------------------------


def nexus_operation_to_nexus_link(op_link: Link.NexusOperation) -> nexusrpc.Link:
    """An operation that no workflow called."""
    return nexusrpc.Link(
        url=_url(
            "namespaces",
            op_link.namespace,
            "nexus-operations",
            op_link.operation_id,
            op_link.run_id,
            "details",
        ),
        type=Link.NexusOperation.DESCRIPTOR.full_name,
    )


def nexus_link_to_nexus_operation_link(nexus_link: nexusrpc.Link) -> Link | None:
    def read() -> Link:
        found, _ = _path_of(
            nexus_link,
            "namespaces",
            "{namespace}",
            "nexus-operations",
            "{operation_id}",
            "{run_id?}",
            "details",
        )
        return Link(nexus_operation=Link.NexusOperation(**found))

    return _read(nexus_link, read)


def activity_link_to_nexus_link(activity: Link.Activity) -> nexusrpc.Link:
    """An activity that no workflow called."""
    return nexusrpc.Link(
        url=_url(
            "namespaces", activity.namespace, "activities", activity.activity_id, activity.run_id, "details"
        ),
        type=Link.Activity.DESCRIPTOR.full_name,
    )


def nexus_link_to_activity_link(nexus_link: nexusrpc.Link) -> Link | None:
    def read() -> Link:
        found, _ = _path_of(
            nexus_link, "namespaces", "{namespace}", "activities", "{activity_id}", "{run_id?}", "details"
        )
        return Link(activity=Link.Activity(**found))

    return _read(nexus_link, read)


_EXECUTIONS = ("", "workflows", "activities", "nexus-operations")
"""How paths name the kinds of executions, by their numbers."""


def callback_link_to_nexus_link(callback: Link.Callback) -> nexusrpc.Link | None:
    """A callback that an execution makes. None, and a warning: the execution is of no known kind."""
    execution = callback.execution
    if not 0 < execution.type < len(_EXECUTIONS):
        logger.warning(
            "A link is left out: the callback is of an unknown kind of execution %s", execution.type
        )
        return None
    return nexusrpc.Link(
        url=_url(
            "namespaces",
            callback.namespace,
            _EXECUTIONS[execution.type],
            execution.business_id,
            execution.run_id,
            "callbacks",
            callback.request_id,
            query=urlencode([("componentPath", part) for part in callback.component_path]),
        ),
        type=Link.Callback.DESCRIPTOR.full_name,
    )


def nexus_link_to_callback_link(link: nexusrpc.Link) -> Link | None:
    def read() -> Link:
        found, query = _path_of(
            link,
            "namespaces",
            "{namespace}",
            "{kind}",
            "{business_id}",
            "{run_id}",
            "callbacks",
            "{request_id}",
        )
        kind = found.pop("kind")
        if kind not in _EXECUTIONS:
            raise ValueError(f"{kind!r} is no kind of execution")
        made = Link.Callback(
            namespace=found["namespace"],
            request_id=found["request_id"],
            component_path=query.get("componentPath", []),
        )
        made.execution.type = _EXECUTIONS.index(kind)  # type: ignore[assignment]
        made.execution.business_id, made.execution.run_id = found["business_id"], found["run_id"]
        return Link(callback=made)

    return _read(link, read)


# ---- any of them ----------------------------------------------------------------------------------------------------------

_TO_NEXUS: dict[str, Callable[[Any], nexusrpc.Link | None]] = {
    "workflow_event": workflow_event_to_nexus_link,
    "workflow": workflow_to_nexus_link,
    "nexus_operation": nexus_operation_to_nexus_link,
    "activity": activity_link_to_nexus_link,
    "callback": callback_link_to_nexus_link,
}
_FROM_NEXUS: dict[str, Callable[[nexusrpc.Link], Link | None]] = {
    Link.WorkflowEvent.DESCRIPTOR.full_name: nexus_link_to_workflow_event_link,
    Link.Workflow.DESCRIPTOR.full_name: nexus_link_to_workflow_link,
    Link.NexusOperation.DESCRIPTOR.full_name: nexus_link_to_nexus_operation_link,
    Link.Activity.DESCRIPTOR.full_name: nexus_link_to_activity_link,
    Link.Callback.DESCRIPTOR.full_name: nexus_link_to_callback_link,
}


def temporal_link_to_nexus_link(temporal_link: Link) -> nexusrpc.Link | None:
    """A link of the service as Nexus writes it. None, and a warning: there is no way to write it."""
    kind = temporal_link.WhichOneof("variant")
    write = _TO_NEXUS.get(kind or "")
    if write is None:
        logger.warning("A link is left out: nobody knows how Nexus writes one of kind %s", kind)
        return None
    return write(getattr(temporal_link, str(kind)))


def nexus_link_to_temporal_link(nexus_link: nexusrpc.Link) -> Link | None:
    """A link of Nexus as the service keeps it. None, and a warning: it cannot be read."""
    read = _FROM_NEXUS.get(nexus_link.type)
    if read is None:
        logger.warning("A Nexus link is left out: its type is unknown: %s", nexus_link)
        return None
    return read(nexus_link)


# ---- references to events -------------------------------------------------------------------------------------------------


def _event_reference_to_query_params(event_ref: Link.WorkflowEvent.EventReference) -> str:
    params: dict[str, Any] = {}
    if event_ref.event_id:
        params["eventID"] = event_ref.event_id
    params["eventType"] = _event_type_to_param(event_ref.event_type)
    params["referenceType"] = _EVENT_REFERENCE
    return urlencode(params)


def _request_id_reference_to_query_params(request_id_ref: Link.WorkflowEvent.RequestIdReference) -> str:
    params = {"referenceType": _REQUEST_ID_REFERENCE}
    if request_id_ref.request_id:
        params["requestID"] = request_id_ref.request_id
    params["eventType"] = _event_type_to_param(request_id_ref.event_type)
    return urlencode(params)


def _query_params_to_event_reference(
    query_params: Mapping[str, list[str]],
) -> Link.WorkflowEvent.EventReference:
    """Raises ValueError."""
    return Link.WorkflowEvent.EventReference(
        event_id=int(_single(query_params, "eventID") or 0), event_type=_event_type(query_params)
    )


def _query_params_to_request_id_reference(
    query_params: Mapping[str, list[str]],
) -> Link.WorkflowEvent.RequestIdReference:
    """Raises ValueError."""
    return Link.WorkflowEvent.RequestIdReference(
        request_id=_single(query_params, "requestID"), event_type=_event_type(query_params)
    )


def _event_type_to_param(event_type: enums_event.EventType.ValueType) -> str:
    name = enums_event.EventType.Name(event_type).removeprefix(_PREFIX)
    return _event_type_constant_case_to_pascal_case(name)


def _event_type(query_params: Mapping[str, list[str]]) -> enums_event.EventType.ValueType:
    name = _single(query_params, "eventType")
    if not name.startswith(_PREFIX):  # older servers write it out
        name = _PREFIX + _event_type_pascal_case_to_constant_case(name)
    return enums_event.EventType.Value(name)


def _event_type_pascal_case_to_constant_case(s: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", s).upper()


def _event_type_constant_case_to_pascal_case(s: str) -> str:
    return "".join(word.capitalize() for word in s.split("_"))
