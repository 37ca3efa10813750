"""Links in the words of Nexus: a URL and the name of what it is, for a place in a workflow's history."""

import re
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from tenuto.wire import common, enums_event, nexus

EVENT_LINK = common.Link.WorkflowEvent.DESCRIPTOR.full_name
_PATH = re.compile(r"/namespaces/([^/]+)/workflows/([^/]+)/([^/]+)/history")
_PREFIX = "EVENT_TYPE_"


def to_nexus(event: common.Link.WorkflowEvent) -> nexus.Link:
    """A link to an event, by its number or by the request that made it."""
    parts = (quote(part, safe="") for part in (event.namespace, event.workflow_id, event.run_id))
    path = "/namespaces/{}/workflows/{}/{}/history".format(*parts)
    said: dict[str, str] = {}
    if event.WhichOneof("reference") == "request_id_ref":
        by_request = event.request_id_ref
        said = {
            "referenceType": "RequestIdReference",
            "requestID": by_request.request_id,
            "eventType": _short(by_request.event_type),
        }
    else:
        by_number = event.event_ref
        if by_number.event_id:
            said["eventID"] = str(by_number.event_id)
        said |= {"eventType": _short(by_number.event_type), "referenceType": "EventReference"}
    return nexus.Link(url=f"temporal://{path}?{urlencode(said)}", type=EVENT_LINK)


def from_nexus(link: nexus.Link) -> common.Link | None:
    """None for a link that leads elsewhere, or that cannot be read."""
    if link.type != EVENT_LINK:
        return None
    try:
        return _read(link.url)
    except ValueError:
        return None


def _read(text: str) -> common.Link | None:
    url = urlsplit(text)
    found = _PATH.fullmatch(url.path)
    if url.scheme != "temporal" or found is None:
        return None
    said = dict(parse_qsl(url.query))
    made = common.Link()
    event = made.workflow_event
    event.namespace, event.workflow_id, event.run_id = (unquote(part) for part in found.groups())
    number = _event_type(said.get("eventType", ""))
    if number is None:
        return None
    match said.get("referenceType"):
        case "EventReference":
            event.event_ref.event_type = number  # type: ignore[assignment]
            event.event_ref.event_id = int(said.get("eventID", "0"))
        case "RequestIdReference":
            event.request_id_ref.event_type = number  # type: ignore[assignment]
            event.request_id_ref.request_id = said.get("requestID", "")
        case _:
            return None
    return made


def _short(event_type: int) -> str:
    name = enums_event.EventType.Name(event_type).removeprefix(_PREFIX)  # type: ignore[arg-type]
    return "".join(word.capitalize() for word in name.split("_"))


def _event_type(text: str) -> int | None:
    if text.startswith(_PREFIX):
        name = text
    else:
        name = _PREFIX + re.sub(r"(?<!^)(?=[A-Z])", "_", text).upper()
    try:
        return enums_event.EventType.Value(name)
    except ValueError:
        return None
