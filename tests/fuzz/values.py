"""Values for fields, by what the field is: now and then right, often wrong, sometimes monstrous."""

import base64
import math
import uuid
from collections import defaultdict
from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from tenuto.limits import MIB, YEAR
from tenuto.wire import Message, common, duration_pb2, timestamp_pb2

KEPT = 24
QUEUES = ("q-0", "q-1", "q-2")
WORKFLOWS = tuple(f"w-{n}" for n in range(8))
SCHEDULES = ("s-0", "s-1")
SOLOS = ("solo-0", "solo-1", "solo-2")
"""Ids of activities on their own."""
QUERIES = (
    "",
    "WorkflowId = 'w-1'",
    "WorkflowType = 'T' AND ExecutionStatus = 'Running'",
    "ExecutionStatus IN ('Running', 'Completed')",
    "ExecutionStatus = 99999999999999999999999",
    "ExecutionStatus = '²'",
    "StartTime > '2024-01-01T00:00:00Z'",
    "((((",
    "WorkflowId = 'a' and WorkflowId = 'b'",
    "`` = ''",
    "x in ()",
    " and " * 50,
)
CRONS = (
    "* * * * *",
    "@every 1h",
    "0 0 31 2 *",
    "@every 999999999h",
    "@every -1s",
    "CRON_TZ=Mars/X 1 * * * *",
    "x",
    "@yearly",
)
MONSTERS = (
    "",
    "\0",
    "x" * 1001,
    "\U0001f4a5" * 251,
    "é" * 1000,
    "%s%n{}",
    "\ud7ff￿",
    "/_sys/x",
    " ",
    "'",
    "\n" * 40,
)
WIDE = (0, 1, -1, 2, 5, 100, 2**31 - 1, -(2**31))
WIDER = (*WIDE, 2**63 - 1, -(2**63), 2**53, 10**18)
FLOATS = (0.0, 1.0, -1.0, math.nan, math.inf, -math.inf, 1e308, 5e-324, 0.5, 1000.0)
JSONS = (b'"text"', b"1", b"null", b"[]", b'["a","b"]', b"true", b"1.5", b'"2024-01-01T00:00:00Z"', b"{}")
BAD_JSONS = (
    b"",
    b"{",
    b"\xff\xfe",
    b"[" * 1500,
    b"9" * 5000,
    b"NaN",
    b'"\\ud800"',
    b'["\\ud800"]',
    b"1e999",
    b"\x00" * 9,
    b'{"a":' * 400,
)
PATHS = (
    "priority", "priority.priority_key", "priority.fairnessWeight", "versioning_override", "versioningOverride.x",
    "task_queue.name", "taskQueue", "start_to_close_timeout", "startToCloseTimeout", "retry_policy",
    "retryPolicy.maximumAttempts", "retry_policy.initial_interval", "heartbeat_timeout", "schedule_to_close_timeout", "",
    ".", "a.b.c", "priority.", "retry_policy.x.y", "taskQueue.name.x", "retryPolicy.nonRetryableErrorTypes", "é",
)  # fmt: skip
ATTRIBUTES = (
    "CustomKeywordField",
    "Word",
    "Number",
    "Real",
    "Flag",
    "When",
    "Words",
    "Sentence",
    "BuildIds",
    "WorkflowId",
    "Nope",
)
METADATA: tuple[dict[str, bytes], ...] = (
    {"encoding": b"json/plain"},
    {},
    {"encoding": b"binary/null"},
    {"encoding": b"json/plain", "type": b"Keyword"},
    {"type": b"\xff"},
)
_DATA = common.Payload.DESCRIPTOR.fields_by_name["data"]


class Pools:
    """What the service has handed out lately, by field name: tokens, ids, event numbers."""

    def __init__(self) -> None:
        self.kept: dict[str, list[Any]] = defaultdict(list)

    def learn(self, message: Message, chance: Random) -> None:
        """Remember what an answer offers."""
        for field, value in message.ListFields():
            if field.message_type is not None:
                if field.message_type.GetOptions().map_entry:
                    continue
                several = value if field.is_repeated else (value,)
                for one in several[:4]:
                    self.learn(one, chance)
            elif field.name.endswith(("_id", "token")) and value:
                self.keep(field.name, value, chance)
                if field.name == "task_token":
                    self.keep(
                        "activity" if "Activity" in message.DESCRIPTOR.name else "workflow", value, chance
                    )

    def keep(self, name: str, value: Any, chance: Random) -> None:
        kept = self.kept[name]
        if value in kept:
            return
        if len(kept) < KEPT:
            kept.append(value)
        else:
            kept[chance.randrange(KEPT)] = value

    def any(self, name: str, chance: Random, otherwise: Any) -> Any:
        kept = self.kept.get(name)
        return chance.choice(kept) if kept else otherwise


class Values:
    """Draws values. ``wild`` is the share of values that are meant to hurt."""

    def __init__(self, chance: Random, pools: Pools, wild: float) -> None:
        self.chance = chance
        self.pools = pools
        self.wild = wild

    def hurts(self) -> bool:
        return self.chance.random() < self.wild

    def scalar(self, field: FieldDescriptor) -> Any:
        kind = field.cpp_type
        if kind == FieldDescriptor.CPPTYPE_STRING:
            return self.octets(field) if field.type == FieldDescriptor.TYPE_BYTES else self.text(field)
        if kind == FieldDescriptor.CPPTYPE_BOOL:
            return self.chance.random() < 0.5
        if kind == FieldDescriptor.CPPTYPE_ENUM:
            assert field.enum_type is not None
            if self.hurts():
                return self.chance.choice((99, -1, 2**31 - 1, -(2**31)))
            return self.chance.choice(field.enum_type.values).number
        if kind in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
            return self.chance.choice(FLOATS) if self.hurts() else self.chance.random() * 10
        return self.number(field)

    def number(self, field: FieldDescriptor) -> int:
        chance = self.chance
        if not self.hurts():
            if "event_id" in field.name and chance.random() < 0.5:
                return int(self.pools.any(field.name, chance, 1))
            return chance.choice((0, 1, 1, 2, 3, 3, 4, 5, 8, 10))
        number = chance.choice(WIDE)
        if field.cpp_type in (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64):
            number = chance.choice(WIDER)
        unsigned = (FieldDescriptor.CPPTYPE_UINT64, FieldDescriptor.CPPTYPE_UINT32)
        return abs(number) % 2**31 if field.cpp_type in unsigned else number

    def text(self, field: FieldDescriptor) -> str:
        chance = self.chance
        if self.hurts():
            if chance.random() < 0.004:
                return "long" * (MIB // 8)
            return chance.choice(MONSTERS)
        name = field.name
        owner = field.containing_type.name if field.containing_type is not None else ""
        if owner == "TaskQueue" or name in ("task_queue", "sticky_task_queue"):
            return chance.choice(QUEUES)
        match name:
            case "namespace" | "workflow_namespace":
                return "default" if chance.random() < 0.95 else chance.choice(("other", "nowhere"))
            case "schedule_id":
                return chance.choice(SCHEDULES)
            case "workflow_id":
                return chance.choice(WORKFLOWS)
            case "run_id" | "first_execution_run_id" | "from_run_id" | "original_execution_run_id":
                dice = chance.random()
                if dice < 0.45:
                    return ""
                if dice < 0.9:
                    return str(self.pools.any("run_id", chance, ""))
                return str(uuid.UUID(int=chance.getrandbits(128)))
            case "query":
                return chance.choice(QUERIES)
            case "cron_schedule":
                return chance.choice(CRONS) if chance.random() < 0.3 else ""
            case "activity_id" if chance.random() < 0.3:
                return chance.choice(SOLOS)
            case "activity_id" if chance.random() < 0.7:
                return str(self.pools.any(name, chance, "0"))
            case "activity_id" | "timer_id" | "update_id" | "protocol_instance_id":
                return str(chance.randrange(6))
            case "request_id":
                return f"r-{chance.randrange(12)}"
            case "paths":
                return chance.choice(PATHS)
            case "url":
                return chance.choice(("http://x", "temporal://system", "x"))
        if name.endswith(("_id", "token")):
            return str(self.pools.any(name, chance, "some"))
        return chance.choice(("", "T", "name", "éß", "a b"))

    def octets(self, field: FieldDescriptor) -> bytes:
        chance = self.chance
        name = field.name
        if name.endswith("token"):
            if name == "task_token" and field.containing_type is not None and chance.random() < 0.9:
                name = "activity" if "Activity" in field.containing_type.name else "workflow"
            token = bytes(self.pools.any(name, chance, b"") if chance.random() < 0.9 else b"")
            return bent(token, chance) if self.hurts() else token
        if self.hurts():
            if chance.random() < 0.01:
                return bytes(2 * MIB + 1)
            return chance.choice(BAD_JSONS)
        return chance.choice(JSONS)

    def duration(self, made: duration_pb2.Duration) -> None:
        chance = self.chance
        if self.hurts():
            made.seconds = chance.choice((*WIDER, YEAR // 10**9 * 100, YEAR // 10**9 * 300))
            made.nanos = chance.choice(WIDE)
        else:
            made.seconds = chance.choice((0, 1, 2, 10, 60, 3600, 86400))
            made.nanos = chance.choice((0, 0, 1, 999_999_999))

    def timestamp(self, made: timestamp_pb2.Timestamp) -> None:
        chance = self.chance
        if self.hurts():
            made.seconds, made.nanos = chance.choice(WIDER), chance.choice(WIDE)
        else:
            made.seconds = chance.choice((0, 1_767_225_600, 1_767_225_700, 1_800_000_000))

    def payload(self, made: common.Payload) -> None:
        made.data = self.octets(_DATA)
        for key, value in self.chance.choice(METADATA).items():
            made.metadata[key] = value

    def key(self, owner: str) -> str:
        """A map's key."""
        if self.hurts():
            return self.chance.choice(MONSTERS)
        return (
            self.chance.choice(ATTRIBUTES)
            if owner == "SearchAttributes"
            else self.chance.choice(("a", "b", "1"))
        )


def bent(raw: bytes, chance: Random) -> bytes:
    """The same bytes with something wrong: bits flipped, cut, grown, doubled, or in another alphabet."""
    if not raw:
        return chance.randbytes(chance.randrange(40))
    match chance.randrange(7):
        case 0:
            return raw[: chance.randrange(len(raw))]
        case 1:
            return raw + chance.randbytes(chance.randrange(1, 9))
        case 2:
            return base64.b64encode(raw)
        case 3:
            at = chance.randrange(len(raw))
            return raw[:at] + raw[at + 1 :]
        case 4:
            at = chance.randrange(len(raw) + 1)
            return raw[:at] + chance.randbytes(4) + raw[at:]
    flipped = bytearray(raw)
    for _ in range(chance.choice((1, 1, 1, 2, 8))):
        flipped[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    return bytes(flipped)
