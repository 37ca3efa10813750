"""What a message between chains carries, by kind; and how one is owed. What becomes of it is `outgoing`'s."""

import hashlib
import uuid

import msgspec

from tenuto.engine.chain import Outgoing, RootLink
from tenuto.engine.draft import Draft
from tenuto.engine.types import Rejected
from tenuto.wire import errordetails

TERMINATE, ABANDON, REQUEST_CANCEL = 1, 2, 3
"""Values of ParentClosePolicy."""
SYSTEM = "history-service"
"""Identity of what the service does on a workflow's behalf."""


def namespace_missing(refusal: Rejected) -> bool:
    return isinstance(refusal.detail, errordetails.NamespaceNotFoundFailure)


# ---- payloads ----------------------------------------------------------------------------------------------


class ChildStart(msgspec.Struct, frozen=True, array_like=True):
    """Of START_CHILD. ``request`` is a serialized StartWorkflowExecutionRequest."""

    request: bytes
    root: RootLink
    policy: int
    """The parent-close policy, for the case that the parent closes before the answer."""
    control: str = ""


class ExternalCall(msgspec.Struct, frozen=True, array_like=True):
    """Of SIGNAL and CANCEL. ``request`` is the serialized public request."""

    request: bytes
    child_only: bool = False


class ChildClose(msgspec.Struct, frozen=True, array_like=True):
    """Of CHILD_CLOSED. ``event`` is the child's serialized close event."""

    child_type: str
    event: bytes


class ParentClose(msgspec.Struct, frozen=True, array_like=True):
    """Of PARENT_CLOSED. ``started`` is False when it is not known whether the child exists at all."""

    policy: int
    started: bool = True


# ---- sending -----------------------------------------------------------------------------------------------


def owe(
    draft: Draft,
    kind: int,
    run_id: str,
    reference: int,
    target: tuple[str, str, str],
    payload: msgspec.Struct | None = None,
    request_id: str = "",
) -> Outgoing:
    """Owe the run ``target`` (namespace id, workflow id, run id or "") a message of ``kind`` on behalf of
    ``run_id``."""
    return draft.send(
        Outgoing(
            out_id=0,
            kind=kind,
            run_id=run_id,
            reference=reference,
            namespace_id=target[0],
            workflow_id=target[1],
            target_run_id=target[2],
            request_id=request_id or f"{run_id}:{reference}:{kind}",
            payload=b"" if payload is None else msgspec.msgpack.encode(payload),
        )
    )


def event_uuid(run_id: str, event_id: int) -> str:
    """A UUID that names one event of one run for ever: the request id of what the event asks for."""
    digest = hashlib.blake2b(f"{run_id}:{event_id}".encode(), digest_size=16).digest()
    return str(uuid.UUID(bytes=digest, version=4))
