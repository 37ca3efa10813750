"""The address of a caller in this service, as the callback of what backs its operation carries it.

Only this service writes and reads a token. It is not secret: without the request id in it nothing can be completed.
"""

import base64
import binascii

import msgspec

URL = "temporal://system"
"""Where callbacks to callers in this service go."""
TOKEN_HEADER = "temporal-callback-token"


class Caller(msgspec.Struct, frozen=True, array_like=True):
    """What a callback's token says."""

    namespace_id: str
    workflow_id: str
    run_id: str
    scheduled_id: int
    request_id: str


class _Envelope(msgspec.Struct, frozen=True):
    v: int
    d: str


def encode_token(caller: Caller) -> str:
    packed = base64.b64encode(msgspec.msgpack.encode(caller)).decode()
    return msgspec.json.encode(_Envelope(1, packed)).decode()


def decode_token(text: str) -> Caller | None:
    """None for what is no token."""
    try:
        envelope = msgspec.json.decode(text, type=_Envelope)
        return msgspec.msgpack.decode(base64.b64decode(envelope.d, validate=True), type=Caller)
    except (msgspec.MsgspecError, binascii.Error, UnicodeError, ValueError):
        return None
