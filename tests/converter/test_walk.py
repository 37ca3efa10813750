"""Which payloads inside messages go through codecs and storage, and which do not."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import pytest

from tenuto.converter import (
    ActivitySerializationContext,
    DataConverter,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
    WorkflowSerializationContext,
    decode_message,
    encode_message,
    payloads_in,
)
from tenuto.wire import (
    Message,
    any_pb2,
    command,
    common,
    failure,
    history,
    protocol,
    sdk_metadata,
    update,
    workflowservice,
)


def payload(text: str) -> common.Payload:
    return common.Payload(metadata={"encoding": b"json/plain"}, data=text.encode())


def payloads(*texts: str) -> common.Payloads:
    return common.Payloads(payloads=[payload(text) for text in texts])


def attributes() -> common.SearchAttributes:
    return common.SearchAttributes(indexed_fields={"sa": payload("sa")})


def header() -> common.Header:
    return common.Header(fields={"h": payload("header")})


@dataclass
class Wrapping(PayloadCodec):
    calls: list[int] = field(default_factory=list)

    async def encode(self, payloads: Sequence[common.Payload]) -> list[common.Payload]:
        self.calls.append(len(payloads))
        return [
            common.Payload(metadata={"encoding": b"wrapped"}, data=each.SerializeToString())
            for each in payloads
        ]

    async def decode(self, payloads: Sequence[common.Payload]) -> list[common.Payload]:
        self.calls.append(len(payloads))
        return [common.Payload.FromString(each.data) for each in payloads]


class Bundling(PayloadCodec):
    """Makes one payload of many."""

    async def encode(self, payloads: Sequence[common.Payload]) -> list[common.Payload]:
        data = common.Payloads(payloads=payloads).SerializeToString()
        return [common.Payload(metadata={"encoding": b"bundle"}, data=data)]

    async def decode(self, payloads: Sequence[common.Payload]) -> list[common.Payload]:
        return [inner for each in payloads for inner in common.Payloads.FromString(each.data).payloads]


def marker(name: str, **details: str) -> command.Command:
    made = command.Command()
    made.record_marker_command_attributes.marker_name = name
    for key, text in details.items():
        made.record_marker_command_attributes.details[key.replace("_", "-")].CopyFrom(payloads(text))
    return made


def completion() -> workflowservice.RespondWorkflowTaskCompletedRequest:
    made = workflowservice.RespondWorkflowTaskCompletedRequest()
    activity = made.commands.add()
    activity.schedule_activity_task_command_attributes.input.CopyFrom(payloads("a1", "a2"))
    activity.schedule_activity_task_command_attributes.header.CopyFrom(header())
    activity.user_metadata.CopyFrom(sdk_metadata.UserMetadata(summary=payload("summary")))
    child = made.commands.add().start_child_workflow_execution_command_attributes
    child.input.CopyFrom(payloads("child"))
    child.memo.fields["m"].CopyFrom(payload("memo"))
    child.search_attributes.CopyFrom(attributes())
    failed = made.commands.add().fail_workflow_execution_command_attributes.failure
    failed.encoded_attributes.CopyFrom(payload("attributes"))
    failed.application_failure_info.details.CopyFrom(payloads("detail"))
    failed.cause.canceled_failure_info.details.CopyFrom(payloads("cancelled"))
    failed.cause.cause.timeout_failure_info.last_heartbeat_details.CopyFrom(payloads("heartbeat"))
    made.commands.append(marker("core_local_activity", data="plain", result="la result"))
    made.commands.append(marker("core_patch", patch_data="plain"))
    made.commands.append(marker("SideEffect", data="side effect"))
    upsert = made.commands.add().upsert_workflow_search_attributes_command_attributes
    upsert.search_attributes.CopyFrom(attributes())
    nexus = made.commands.add().schedule_nexus_operation_command_attributes
    nexus.input.CopyFrom(payload("nexus"))
    made.query_results["q"].answer.CopyFrom(payloads("answer"))
    body = any_pb2.Any()
    body.Pack(update.Response(outcome=update.Outcome(success=payloads("updated"))))
    made.messages.append(protocol.Message(id="1", body=body))
    return made


FOUND = {
    "a1",
    "a2",
    "summary",
    "child",
    "memo",
    "attributes",
    "detail",
    "cancelled",
    "heartbeat",
    "la result",
    "side effect",
    "nexus",
    "answer",
    "updated",
}


def test_every_payload_is_found_but_search_attributes_headers_and_our_own_markers() -> None:
    found = [each.data.decode() for each in payloads_in(completion())]
    assert sorted(found) == sorted(FOUND)
    with_headers = {each.data.decode() for each in payloads_in(completion(), headers=True)}
    assert with_headers == FOUND | {"header"}


def test_a_codec_is_called_once_for_a_message_and_undone_exactly() -> None:
    codec = Wrapping()
    converter = DataConverter(payload_codec=codec)
    message = completion()
    asyncio.run(encode_message(message, converter))
    assert codec.calls == [len(FOUND)]
    assert all(each.metadata["encoding"] == b"wrapped" for each in payloads_in(message))
    assert message.commands[0].schedule_activity_task_command_attributes.header == header()
    asyncio.run(decode_message(message, converter))
    assert codec.calls == [len(FOUND)] * 2
    assert message.SerializeToString(deterministic=True) == completion().SerializeToString(deterministic=True)


def test_several_messages_share_one_call() -> None:
    codec = Wrapping()
    events = [history.HistoryEvent(event_id=index) for index in range(3)]
    for event in events[:2]:
        event.workflow_execution_signaled_event_attributes.input.CopyFrom(payloads("x"))
    asyncio.run(encode_message(events, DataConverter(payload_codec=codec)))
    assert codec.calls == [2]


def test_nothing_happens_without_a_codec_or_a_storage() -> None:
    message = completion()
    asyncio.run(encode_message(message, DataConverter.default))
    asyncio.run(decode_message(message, DataConverter.default))
    assert message == completion()


def test_a_codec_may_change_how_many_payloads_a_list_has() -> None:
    converter = DataConverter(payload_codec=Bundling())
    message = completion()
    asyncio.run(encode_message(message, converter))
    assert len(message.commands[0].schedule_activity_task_command_attributes.input.payloads) == 1
    asyncio.run(decode_message(message, converter))
    assert message.SerializeToString(deterministic=True) == completion().SerializeToString(deterministic=True)


def test_a_codec_may_open_only_what_it_has_bundled_itself() -> None:
    class Strict(Bundling):
        async def decode(self, payloads: Sequence[common.Payload]) -> list[common.Payload]:
            if len(payloads) != 1:
                raise RuntimeError("one bundle at a time")
            return await super().decode(payloads)

    converter = DataConverter(payload_codec=Strict())
    message = completion()
    asyncio.run(encode_message(message, converter))
    asyncio.run(decode_message(message, converter))
    assert message.SerializeToString(deterministic=True) == completion().SerializeToString(deterministic=True)


def test_what_a_codec_raises_for_one_list_is_told() -> None:
    class Broken(Wrapping):
        async def decode(self, payloads: Sequence[common.Payload]) -> list[common.Payload]:
            raise ValueError("no key")

    with pytest.raises(ValueError, match="no key"):
        asyncio.run(decode_message(completion(), DataConverter(payload_codec=Broken())))


def test_a_single_payload_cannot_become_two() -> None:
    class Doubling(Wrapping):
        async def encode(self, payloads: Sequence[common.Payload]) -> list[common.Payload]:
            return [*payloads, *payloads]

    memo = common.Memo(fields={"m": payload("x")})
    with pytest.raises(RuntimeError, match="2 payloads"):
        asyncio.run(encode_message(memo, DataConverter(payload_codec=Doubling())))


@pytest.mark.parametrize(
    "message",
    [payload("x"), payloads("x"), common.Memo(fields={"m": payload("x")})],
    ids=["one", "list", "memo"],
)
def test_payloads_and_their_holders_may_be_given_themselves(message: Message) -> None:
    converter = DataConverter(payload_codec=Wrapping())
    asyncio.run(encode_message(message, converter))
    assert next(payloads_in(message)).metadata["encoding"] == b"wrapped"


def test_messages_without_payloads_and_wrapped_strangers_are_left_alone() -> None:
    stranger = protocol.Message(body=any_pb2.Any(type_url="type.googleapis.com/no.such.Type", value=b"\xff"))
    message = workflowservice.RespondWorkflowTaskCompletedRequest(messages=[stranger])
    converter = DataConverter(payload_codec=Wrapping())
    asyncio.run(encode_message([message, workflowservice.GetSystemInfoRequest()], converter))
    assert message.messages[0] == stranger


class Contextual(Wrapping, WithSerializationContext):
    context: SerializationContext | None = None

    def with_context(self, context: SerializationContext) -> Self:
        told = type(self)(self.calls)
        told.context = context
        return told

    async def encode(self, payloads: Sequence[common.Payload]) -> list[common.Payload]:
        coded = await super().encode(payloads)
        for each in coded:
            each.metadata["for"] = repr(self.context).encode()
        return coded


def test_parts_of_a_message_are_coded_in_their_own_context() -> None:
    workflow = WorkflowSerializationContext("ns", "wf")
    activity = ActivitySerializationContext("ns", "1", "act", "tq", "wf", "type", False)

    def context_of(message: Message) -> SerializationContext | None:
        is_command = isinstance(message, command.Command)
        return (
            activity if is_command and message.HasField("schedule_activity_task_command_attributes") else None
        )

    converter = DataConverter(payload_codec=Contextual()).with_context(workflow)
    message = completion()
    asyncio.run(encode_message(message, converter, context_of=context_of))
    told = {each.metadata["for"].decode() for each in payloads_in(message.commands[0])}
    assert told == {repr(activity)}
    others = {each.metadata["for"].decode() for each in payloads_in(message.commands[1:])}
    assert others == {repr(workflow)}


def test_codecs_may_be_asked_for_one_list_or_one_failure() -> None:
    async def scenario() -> Any:
        codec = Wrapping()
        some = payloads("a", "b")
        await codec.encode_wrapper(some)
        assert {each.metadata["encoding"] for each in some.payloads} == {b"wrapped"}
        await codec.decode_wrapper(some)
        assert some == payloads("a", "b")
        failed = failure.Failure(encoded_attributes=payload("x"))
        failed.cause.application_failure_info.details.CopyFrom(payloads("y"))
        await codec.encode_failure(failed)
        assert {each.metadata["encoding"] for each in payloads_in(failed)} == {b"wrapped"}
        await codec.decode_failure(failed)
        assert failed.cause.application_failure_info.details == payloads("y")

    asyncio.run(scenario())


def test_the_data_converter_converts_codes_and_undoes_both() -> None:
    async def scenario() -> None:
        converter = DataConverter(payload_codec=Wrapping())
        coded = await converter.encode_wrapper(["a", None, {"b": 1}])
        assert {each.metadata["encoding"] for each in coded.payloads} == {b"wrapped"}
        assert await converter.decode_wrapper(coded, [str, type(None), dict]) == ["a", None, {"b": 1}]
        assert await converter.decode_wrapper(None) == []
        failed = failure.Failure()
        await converter.encode_failure(ValueError("x"), failed)
        assert str(await converter.decode_failure(failed)) == "ValueError: x"
        assert await converter.encode([]) == []

    asyncio.run(scenario())
