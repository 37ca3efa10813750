"""Search attributes: which names there are, of which types, and which values fit them.

Custom names are aliases of numbered fields, a fixed number per type and namespace. This room must never store anything.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from tenuto.limits import LIMITS, Limits
from tenuto.service.errors import Code, ServiceError, invalid
from tenuto.wire import common, enums_common

Type = enums_common.IndexedValueType
TEXT = Type.INDEXED_VALUE_TYPE_TEXT
KEYWORD = Type.INDEXED_VALUE_TYPE_KEYWORD
INT = Type.INDEXED_VALUE_TYPE_INT
DOUBLE = Type.INDEXED_VALUE_TYPE_DOUBLE
BOOL = Type.INDEXED_VALUE_TYPE_BOOL
DATETIME = Type.INDEXED_VALUE_TYPE_DATETIME
KEYWORD_LIST = Type.INDEXED_VALUE_TYPE_KEYWORD_LIST

TYPE_NAMES: dict[int, str] = {
    0: "Unspecified",
    TEXT: "Text",
    KEYWORD: "Keyword",
    INT: "Int",
    DOUBLE: "Double",
    BOOL: "Bool",
    DATETIME: "Datetime",
    KEYWORD_LIST: "KeywordList",
}
FIELDS: dict[int, int] = {TEXT: 3, KEYWORD: 10, INT: 3, DOUBLE: 3, BOOL: 3, DATETIME: 3, KEYWORD_LIST: 3}
"""How many custom attributes of a type a namespace may have."""

SYSTEM: dict[str, int] = {
    "WorkflowId": KEYWORD,
    "RunId": KEYWORD,
    "WorkflowType": KEYWORD,
    "TaskQueue": KEYWORD,
    "ExecutionStatus": KEYWORD,
    "StartTime": DATETIME,
    "ExecutionTime": DATETIME,
    "CloseTime": DATETIME,
    "ExecutionDuration": INT,
    "HistoryLength": INT,
    "HistorySizeBytes": INT,
    "StateTransitionCount": INT,
    "ParentWorkflowId": KEYWORD,
    "ParentRunId": KEYWORD,
    "RootWorkflowId": KEYWORD,
    "RootRunId": KEYWORD,
}
"""What every run has; nobody can set them."""

PREDEFINED: dict[str, int] = {
    "BatcherNamespace": KEYWORD,
    "BatcherUser": KEYWORD,
    "BinaryChecksums": KEYWORD_LIST,
    "BuildIds": KEYWORD_LIST,
    "TemporalChangeVersion": KEYWORD_LIST,
    "TemporalExternalPayloadCount": INT,
    "TemporalExternalPayloadSizeBytes": INT,
    "TemporalNamespaceDivision": KEYWORD,
    "TemporalPauseInfo": KEYWORD_LIST,
    "TemporalReportedProblems": KEYWORD_LIST,
    "TemporalScheduledById": KEYWORD,
    "TemporalScheduledStartTime": DATETIME,
    "TemporalSchedulePaused": BOOL,
    "TemporalUsedWorkerDeploymentVersions": KEYWORD_LIST,
    "TemporalWorkerDeployment": KEYWORD,
    "TemporalWorkerDeploymentVersion": KEYWORD,
    "TemporalWorkflowVersioningBehavior": KEYWORD,
}
"""What the platform itself writes; some of it users may set."""

SETTABLE = frozenset(PREDEFINED) - {
    "TemporalExternalPayloadCount",
    "TemporalExternalPayloadSizeBytes",
    "TemporalUsedWorkerDeploymentVersions",
    "TemporalWorkerDeployment",
    "TemporalWorkerDeploymentVersion",
    "TemporalWorkflowVersioningBehavior",
}
_RESERVED = frozenset({"NamespaceId", "Memo", "MemoEncoding", "VisibilityTaskKey"})
_FIELD = re.compile(r"([A-Za-z]+)(\d\d)")
_TYPE_BY_NAME = {name: number for number, name in TYPE_NAMES.items() if number}
_DATETIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d([.,]\d{1,9})?([Zz]|[+-]\d\d:\d\d)$")
EMPTY = (b"", b"null", b"[]")


class TooLarge(ServiceError):
    """Attributes that no later try can make fit: a workflow whose command asks for them is closed."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.INVALID_ARGUMENT, message)


def reserved(name: str) -> bool:
    return name in SYSTEM or name in PREDEFINED or name in _RESERVED or name.startswith("Temporal")


def field_type(field: str) -> int:
    """Type of a numbered field; 0 when it is none."""
    match = _FIELD.fullmatch(field)
    return _TYPE_BY_NAME.get(match[1], 0) if match else 0


def custom_types(aliases: Mapping[str, str]) -> dict[str, int]:
    """Name -> type, from a namespace's field -> name."""
    return {name: field_type(field) for field, name in aliases.items()}


def free_field(aliases: Mapping[str, str], kind: int) -> str | None:
    """A field of this type that has no name yet; None when all have."""
    for number in range(1, FIELDS.get(kind, 0) + 1):
        field = f"{TYPE_NAMES[kind]}{number:02}"
        if field not in aliases:
            return field
    return None


def checked(
    given: common.SearchAttributes, custom: Mapping[str, int], namespace: str, limits: Limits = LIMITS
) -> common.SearchAttributes | None:
    """The attributes with their types added; None when nothing had to be added. Raises INVALID_ARGUMENT."""
    fields = given.indexed_fields
    if len(fields) > limits.search_attribute_keys:
        invalid(f"number of search attributes {len(fields)} exceeds limit {limits.search_attribute_keys}")
    missing: dict[str, bytes] = {}
    total = 0
    for name, payload in fields.items():
        kind = custom.get(name) or (PREDEFINED.get(name, 0) if name in SETTABLE else 0)
        if not kind:
            if name in SYSTEM or name in PREDEFINED:
                invalid(f"{name} attribute can't be set in SearchAttributes")
            invalid(f"Namespace {namespace} has no mapping defined for search attribute {name}")
        size = len(payload.data)
        if size > limits.search_attribute_value_bytes:
            raise TooLarge(
                f"search attribute {name} value size {size} exceeds size limit {limits.search_attribute_value_bytes}"
            )
        _check_value(name, kind, payload)
        total += len(name) + size
        wanted = TYPE_NAMES[kind].encode()
        if payload.metadata.get("type") != wanted:
            missing[name] = wanted
    if total > limits.search_attribute_total_bytes:
        raise TooLarge(
            f"total size of search attributes {total} exceeds size limit {limits.search_attribute_total_bytes}"
        )
    if not missing:
        return None
    typed = common.SearchAttributes()
    typed.CopyFrom(given)
    for name, wanted in missing.items():
        typed.indexed_fields[name].metadata["type"] = wanted
    return typed


def _check_value(name: str, kind: int, payload: common.Payload) -> None:
    data = payload.data
    if data in EMPTY:
        return
    complaint = f"invalid value for search attribute {name} of type {TYPE_NAMES[kind]}: "
    if payload.metadata.get("encoding") != b"json/plain":
        invalid(complaint + f"[{' '.join(str(byte) for byte in data)}]")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        invalid(complaint + f"value from <{_compact(payload)}>")
    if kind != KEYWORD_LIST and isinstance(value, list) and len(value) == 1:
        fits = _fits(kind, value[0])
    else:
        fits = _fits(kind, value)
    if not fits:
        invalid(complaint + _shown(value))


def _fits(kind: int, value: Any) -> bool:
    match kind:
        case Type.INDEXED_VALUE_TYPE_INT:
            return isinstance(value, int) and not isinstance(value, bool)
        case Type.INDEXED_VALUE_TYPE_DOUBLE:
            return isinstance(value, int | float) and not isinstance(value, bool)
        case Type.INDEXED_VALUE_TYPE_BOOL:
            return isinstance(value, bool)
        case Type.INDEXED_VALUE_TYPE_DATETIME:
            return isinstance(value, str) and _DATETIME.match(value) is not None
        case Type.INDEXED_VALUE_TYPE_KEYWORD_LIST:
            return isinstance(value, list) and all(isinstance(one, str) for one in value)
    return isinstance(value, str)


def _shown(value: Any) -> str:
    """A JSON value the way the protocol's errors show it."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list):
        return f"[{' '.join(_shown(one) for one in value)}]"
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{_shown(one)}' for key, one in sorted(value.items()))}]"
    # JSON can spell half a surrogate pair, which no answer can carry.
    return str(value).encode("utf-8", "replace").decode()


def _compact(payload: common.Payload) -> str:
    metadata = "".join(
        f'metadata:{{key:"{key}"  value:"{value.decode("utf-8", "replace")}"}}  '
        for key, value in sorted(payload.metadata.items())
    )
    return f'{metadata}data:"{payload.data.decode("utf-8", "replace")}"'
