"""Messages from their schema, and mutations of messages that were accepted."""

from random import Random
from typing import Any

from google.protobuf import any_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tenuto.wire import Message, command, common, duration_pb2, failure, timestamp_pb2, update
from tests.fuzz.values import Values

ALWAYS = frozenset(
    (
        "namespace",
        "task_token",
        "task_queue",
        "workflow_type",
        "activity_type",
        "workflow_execution",
        "execution",
        "workflow_id",
        "identity",
        "update_ref",
        "request",
        "meta",
        "input",
        "name",
        "query",
        "query_type",
        "signal_name",
        "activity_id",
        "timer_id",
        "update_mask",
        "paths",
        "start_to_close_timeout",
        "start_to_fire_timeout",
        "operations",
        "message_id",
        "protocol_instance_id",
        "update_id",
        "accepted_request",
        "workflow_run_id",
    )
)
"""Fields without which a request goes nowhere: rarely left out."""
DEPTH = 7


class Messages:
    """Draws messages with the values of ``values``. ``fill`` is the share of other fields that are set."""

    def __init__(self, values: Values, fill: float) -> None:
        self.values = values
        self.chance = values.chance
        self.fill = fill

    def make(self, kind: type[Message]) -> Message:
        made = kind()
        self._fill(made, 0)
        return made

    def _fill(self, made: Any, depth: int) -> None:
        values, chance = self.values, self.chance
        match made:
            case duration_pb2.Duration():
                values.duration(made)
                return
            case timestamp_pb2.Timestamp():
                values.timestamp(made)
                return
            case common.Payload():
                values.payload(made)
                return
            case any_pb2.Any():
                self._body(made, depth)
                return
            case failure.Failure() if chance.random() < 0.02:
                self._deep(made)
                return
            case command.Command() if not values.hurts():
                self._command(made, depth)
                return
        chosen = {oneof.name: chance.choice(oneof.fields).name for oneof in made.DESCRIPTOR.oneofs}
        for field in made.DESCRIPTOR.fields:
            oneof = field.containing_oneof
            if oneof is not None and chosen[oneof.name] != field.name:
                continue
            likely = (
                0.97 if field.name in ALWAYS or (oneof is not None and len(oneof.fields) > 1) else self.fill
            )
            if chance.random() < likely / (1 + depth * 0.12):
                self._set(made, field, depth)

    def _set(self, made: Any, field: FieldDescriptor, depth: int) -> None:
        chance = self.chance
        inner = field.message_type
        if inner is not None and depth >= DEPTH:
            return
        if inner is not None and inner.GetOptions().map_entry:
            self._map(getattr(made, field.name), made.DESCRIPTOR, inner, depth)
        elif field.is_repeated:
            many = chance.choice((1, 1, 2, 3)) if not self.values.hurts() else chance.choice((0, 11, 40))
            target = getattr(made, field.name)
            for _ in range(many if depth < 3 else min(many, 2)):
                if inner is not None:
                    self._fill(target.add(), depth + 1)
                else:
                    target.append(self.values.scalar(field))
        elif inner is not None:
            child = getattr(made, field.name)
            child.SetInParent()
            self._fill(child, depth + 1)
        else:
            setattr(made, field.name, self.values.scalar(field))

    def _map(self, target: Any, owner: Descriptor, entry: Descriptor, depth: int) -> None:
        key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
        many = 120 if self.values.hurts() and self.chance.random() < 0.1 else self.chance.choice((1, 1, 2))
        for number in range(many):
            textual = key.cpp_type == FieldDescriptor.CPPTYPE_STRING
            name: str | int = self.chance.randrange(4)
            if textual:
                name = self.values.key(owner.name)[: 20 if many > 3 else None] + (
                    str(number) if many > 3 else ""
                )
            if value.message_type is not None:
                self._fill(target[name], depth + 1)
            else:
                target[name] = self.values.scalar(value)

    def _command(self, made: command.Command, depth: int) -> None:
        """A command whose type and attributes agree."""
        endings = ("workflow_execution", "workflow_execution_failed")
        fields = list(made.DESCRIPTOR.oneofs_by_name["attributes"].fields)
        field = self.chance.choice(fields)
        stem = field.name.removesuffix("_command_attributes")
        if stem.endswith(endings) and self.chance.random() < 0.7:
            field = made.DESCRIPTOR.fields_by_name[
                self.chance.choice(("schedule_activity_task", "start_timer", "record_marker"))
                + "_command_attributes"
            ]
            stem = field.name.removesuffix("_command_attributes")
        kind = made.DESCRIPTOR.fields_by_name["command_type"].enum_type
        assert kind is not None
        number = kind.values_by_name.get(f"COMMAND_TYPE_{stem.upper()}")
        made.command_type = number.number if number is not None else 0  # type: ignore[assignment]
        self._set(made, field, depth)

    def _body(self, made: any_pb2.Any, depth: int) -> None:
        """An update's protocol message."""
        if self.values.hurts():
            made.type_url = self.chance.choice(
                ("", "x", "type.googleapis.com/temporal.api.update.v1.Acceptance")
            )
            made.value = self.chance.randbytes(12)
            return
        body: Message = self.chance.choice((update.Acceptance, update.Response, update.Rejection))()
        self._fill(body, depth + 1)
        made.Pack(body)

    def _deep(self, made: failure.Failure) -> None:
        """A failure with causes almost as deep as the wire allows."""
        made.application_failure_info.SetInParent()
        at = made
        for number in range(self.chance.choice((5, 60, 85, 90, 93, 95))):
            at.message = str(number)
            at = at.cause
        at.message = "the root"


class Mutations:
    """Changes a copy of a request that was accepted."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._chance: Random = messages.chance

    def mutated(self, request: Message) -> Message:
        copy: Any = type(request)()
        copy.CopyFrom(request)
        for _ in range(self._chance.choice((1, 1, 2, 4))):
            self._once(copy)
        return copy  # type: ignore[no-any-return]

    def _once(self, made: Any) -> None:
        """One change somewhere below."""
        chance = self._chance
        present = made.ListFields()
        while present and chance.random() < 0.6:
            field, value = chance.choice(present)
            if field.message_type is None or field.message_type.GetOptions().map_entry:
                break
            if field.is_repeated:
                value = chance.choice(value)
            made, present = value, value.ListFields()
        dice = chance.random()
        if dice < 0.25 and present:
            made.ClearField(chance.choice(present)[0].name)
        elif dice < 0.4 and present:
            self._repeat(made, chance.choice(present))
        elif dice < 0.5:
            self._swap(made, present)
        elif made.DESCRIPTOR.fields:
            field = (
                chance.choice(present)[0] if present and dice < 0.8 else chance.choice(made.DESCRIPTOR.fields)
            )
            made.ClearField(field.name)
            self._messages._set(made, field, 2)

    def _repeat(self, made: Any, what: tuple[FieldDescriptor, Any]) -> None:
        field, value = what
        if not field.is_repeated or (field.message_type and field.message_type.GetOptions().map_entry):
            return
        target = getattr(made, field.name)
        for one in list(value)[:3] * self._chance.choice((1, 1, 3)):
            if field.message_type is not None:
                target.add().CopyFrom(one)
            else:
                target.append(one)

    def _swap(self, made: Any, present: list[tuple[FieldDescriptor, Any]]) -> None:
        """Exchange two values of one type."""
        plain = [(f, v) for f, v in present if f.message_type is None and not f.is_repeated]
        for first, value in plain:
            for second, other in plain:
                if (
                    first.number < second.number
                    and first.type == second.type
                    and first.enum_type is second.enum_type
                ):
                    setattr(made, first.name, other)
                    setattr(made, second.name, value)
                    return
