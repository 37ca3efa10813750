"""Tokens by which callers name an operation that goes on: what backs it, and where. This file must never call anybody."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from enum import IntEnum
from string import ascii_letters, digits
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from tenuto.client import Client
    from tenuto.client import WorkflowHandle as ClientWorkflowHandle

OutputT = TypeVar("OutputT")

_ALPHABET = frozenset(ascii_letters + digits + "-_")


class OperationTokenType(IntEnum):
    """What backs an operation."""

    WORKFLOW = 1
    ACTIVITY = 2
    UPDATE_WORKFLOW = 3


@dataclass(frozen=True, kw_only=True)
class OperationToken:
    """A token, read. What does not belong to its type is None."""

    version: int | None = None
    type: OperationTokenType
    namespace: str
    workflow_id: str | None = None
    activity_id: str | None = None
    run_id: str | None = None
    update_id: str | None = None

    def encode(self) -> str:
        """The token as other SDKs read it."""
        told: dict[str, Any] = {"t": int(self.type), "ns": self.namespace}
        optional = {
            "wid": self.workflow_id,
            "aid": self.activity_id,
            "v": self.version,
            "rid": self.run_id,
            "uid": self.update_id,
        }
        told.update({name: value for name, value in optional.items() if value is not None})
        return _encoded(json.dumps(told, separators=(",", ":")).encode())

    @classmethod
    def decode(cls, token: str) -> OperationToken:
        """Raises TypeError: this is no token, or one of a kind that nobody knows."""
        told = _read(token)
        kind = told.get("t")
        if not isinstance(kind, int):
            raise TypeError(f"invalid token: expected token type to be an int, got {type(kind)}")
        try:
            known = OperationTokenType(kind)
        except ValueError as error:
            valid = ", ".join(f"{one.value} ({one.name})" for one in OperationTokenType)
            raise TypeError(
                f"invalid token: unknown token type, got {kind}. Valid values: {valid}"
            ) from error
        version = told.get("v")
        if version is not None and not isinstance(version, int):
            raise TypeError(f"invalid token: expected version to be an int or null, got {type(version)}")
        namespace = told.get("ns")
        if not isinstance(namespace, str):
            raise TypeError(f"invalid token: expected namespace to be a string, got {type(namespace)}")
        made = cls(
            version=version,
            type=known,
            namespace=namespace,
            workflow_id=_text(told, "wid", "workflow id to be a string"),
            activity_id=_text(told, "aid", "activity id to be a string"),
            run_id=_text(told, "rid", "run_id to be a string or None"),
            update_id=_text(told, "uid", "update_id to be a string or None"),
        )
        for name, needed in _NEEDED[known].items():
            if not getattr(made, name):
                raise TypeError(f"invalid token: expected non-empty {needed} for token type `{known.name}`")
        return made


_NEEDED: dict[OperationTokenType, dict[str, str]] = {
    OperationTokenType.WORKFLOW: {"workflow_id": "workflow id"},
    OperationTokenType.ACTIVITY: {"activity_id": "activity id"},
    OperationTokenType.UPDATE_WORKFLOW: {"workflow_id": "workflow id", "update_id": "update id"},
}


@dataclass(frozen=True)
class WorkflowHandle(Generic[OutputT]):
    """The workflow that backs an operation; what an operation's start returns. Made by ``ctx.start_workflow``."""

    namespace: str
    workflow_id: str
    version: int | None = None

    def to_token(self) -> str:
        """The operation's token."""
        return OperationToken(
            type=OperationTokenType.WORKFLOW,
            namespace=self.namespace,
            workflow_id=self.workflow_id,
            version=self.version,
        ).encode()

    @classmethod
    def from_token(cls, token: str) -> WorkflowHandle[OutputT]:
        """Raises TypeError when ``token`` is none, or none of a workflow."""
        read = OperationToken.decode(token)
        if read.type is not OperationTokenType.WORKFLOW:
            raise TypeError(
                f"invalid workflow token type: {read.type.value}, expected: {OperationTokenType.WORKFLOW.value}"
            )
        if read.version not in (None, 0):
            raise TypeError("invalid workflow token: 'v' field, if present, must be 0 or null/absent")
        return cls(namespace=read.namespace, workflow_id=read.workflow_id or "", version=read.version)

    def _to_client_workflow_handle(
        self, client: Client, result_type: type[OutputT] | None = None
    ) -> ClientWorkflowHandle[Any, OutputT]:
        """The same workflow, as the client has it. Raises ValueError when it is of another namespace."""
        if client.namespace != self.namespace:
            raise ValueError(
                f"the workflow is of namespace {self.namespace!r}, the client of {client.namespace!r}"
            )
        return client.get_workflow_handle(self.workflow_id, result_type=result_type)

    @classmethod
    def _unsafe_from_client_workflow_handle(
        cls, workflow_handle: ClientWorkflowHandle[Any, OutputT]
    ) -> WorkflowHandle[OutputT]:
        """Unsafe: whether that workflow tells the operation's caller of its end is not looked at."""
        return cls(namespace=workflow_handle._client.namespace, workflow_id=workflow_handle.id)


def _text(told: dict[str, Any], name: str, wanted: str) -> str | None:
    value: object = told.get(name)
    if value is None or isinstance(value, str):
        return value
    raise TypeError(f"invalid token: expected {wanted}, got {type(value)}")


def _read(token: str) -> dict[str, Any]:
    if not token:
        raise TypeError("invalid token: token is empty")
    if not _ALPHABET.issuperset(token):
        raise TypeError("failed to decode token as base64url")
    try:
        data = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError as error:
        raise TypeError("failed to decode token as base64url") from error
    try:
        told: object = json.loads(data)
    except ValueError as error:
        raise TypeError("failed to unmarshal operation token") from error
    if not isinstance(told, dict):
        raise TypeError(f"invalid token: expected dict, got {type(told)}")
    return told


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


__all__ = ["OperationToken", "OperationTokenType", "WorkflowHandle"]
