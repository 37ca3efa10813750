"""A request's headers: whether they are a request at all, whether gRPC, and what a call needs of them.

Pure. Heads are made once and shared by all calls whose headers came in the same bytes, so they never change.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping

from tenuto.frontend.http2.hpack import Field, literal
from tenuto.frontend.http2.status import Code, Status, http_block, refusal_block
from tenuto.limits import HOUR, MINUTE, SECOND

_UNITS = {b"H": HOUR, b"M": MINUTE, b"S": SECOND, b"m": SECOND // 1000, b"u": 1000, b"n": 1}
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_TIMEOUT_NAME = b"grpc-timeout"
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_BAD_VALUE = re.compile(rb"[\x00\r\n]|^[ \t]|[ \t]$")
_PSEUDO = {b":method", b":scheme", b":path", b":authority"}
_CONNECTION_BOUND = {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
_CONTENT_TYPE = b"application/grpc"
ACCEPTED = literal(b"grpc-accept-encoding", b"identity,gzip")


class Malformed(Exception):
    """The headers are no HTTP request (RFC 9113 section 8.1.1)."""


class Headers(Mapping[str, str]):
    """Headers by name in lower case, pseudo-headers included; the values of a repeated one joined by commas.

    Values are as sent: binary ones (names ending in ``-bin``) are base64, which ``binary`` decodes.
    """

    __slots__ = ("_fields", "_known")

    def __init__(self, fields: tuple[Field, ...]) -> None:
        self._fields = fields
        self._known: dict[str, str] | None = None

    def _all(self) -> dict[str, str]:
        known = self._known
        if known is None:
            known = {}
            for name, value in self._fields:
                key, text = name.decode("latin-1"), value.decode("utf-8", "replace")
                known[key] = f"{known[key]},{text}" if key in known else text
            self._known = known
        return known

    def __getitem__(self, name: str) -> str:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def binary(self, name: str) -> list[bytes]:
        """The decoded values of a binary header; those that are not base64 are left out."""
        found = []
        for piece in self.get(name, "").split(","):
            raw = piece.strip().encode()
            if raw:
                try:
                    found.append(base64.b64decode(raw + b"=" * (-len(raw) % 4), validate=True))
                except binascii.Error:
                    continue
        return found


class Head:
    """What a call needs of its headers.

    ``timeout_ns``: None when the caller set none. ``length``: the content-length, -1 when not said. ``answer``: the
    header block of an immediate answer, for requests that are not proper gRPC; None for those that are.
    """

    __slots__ = ("answer", "gzip", "headers", "length", "path", "timeout_ns")

    def __init__(self, fields: list[Field]) -> None:
        values = _validated(fields)
        self.headers = Headers(tuple(fields))
        self.path = values[b":path"].decode("latin-1")
        self.length = _content_length(values)
        self.gzip = False
        self.timeout_ns: int | None = None
        self.answer = _not_grpc(values) or self._read(values)

    def _read(self, values: dict[bytes, bytes]) -> bytes | None:
        said = values.get(_TIMEOUT_NAME)
        if said is not None:
            refused = self._read_timeout(said)
            if refused is not None:
                return refused
        encoding = values.get(b"grpc-encoding", b"identity")
        self.gzip = encoding == b"gzip"
        if not self.gzip and encoding != b"identity":
            name = encoding.decode("latin-1")
            text = f'grpc: Decompressor is not installed for grpc-encoding "{name}"'
            return refusal_block(Status(Code.UNIMPLEMENTED, text), ACCEPTED)
        return None

    def _read_timeout(self, said: bytes) -> bytes | None:
        match = _TIMEOUT.fullmatch(said)
        if match is None:
            text = f"malformed grpc-timeout: {said.decode('latin-1')!r}"
            return refusal_block(Status(Code.INTERNAL, text))
        self.timeout_ns = int(match[1]) * _UNITS[match[2]]
        return None

    def like(self, fields: list[Field], timeout: bytes | None) -> "Head":
        """The head of ``fields``, which differ from this one's in their timeout alone."""
        head = Head.__new__(Head)
        head.headers = Headers(tuple(fields))
        head.path, head.length, head.gzip, head.timeout_ns = self.path, self.length, self.gzip, None
        head.answer = None if timeout is None else head._read_timeout(timeout)
        return head


def recall(fields: list[Field], known: dict[tuple[Field, ...], Head]) -> Head:
    """The head of ``fields``, from ``known`` where only the timeout is new. Raises Malformed.

    Some clients count their timeout down to the microsecond, so that no two of their header blocks are equal.
    """
    rest: list[Field] = []
    timeout, at = None, 0
    for field in fields:
        if field[0] == _TIMEOUT_NAME:
            timeout, at = field[1], len(rest)
        else:
            rest.append(field)
    key = tuple(rest)
    like = known.get(key)
    if like is not None and (timeout is None or at == len(rest) or rest[at][0][:1] != b":"):
        return like.like(fields, timeout)
    head = Head(fields)
    if head.answer is None and len(fields) <= _SHORT_LIST:
        if len(known) >= _KNOWN_HEADS:
            known.clear()
        known[key] = head
    return head


_SHORT_LIST = 24
_KNOWN_HEADS = 16
_SOUND: set[Field] = set()
"""Fields already found to be sound; bounded."""
_SOUND_ENTRIES = 4096


def _check(field: Field) -> None:
    name, value = field
    if name in _CONNECTION_BOUND or (name == b"te" and value != b"trailers"):
        raise Malformed(f"{name!r} belongs to connections")
    if not _NAME.fullmatch(name) or _BAD_VALUE.search(value):
        raise Malformed(f"{name!r} or its value has characters that may not be there")
    if len(_SOUND) >= _SOUND_ENTRIES:
        _SOUND.clear()
    if len(name) + len(value) <= 256:
        _SOUND.add(field)


def _validated(fields: list[Field]) -> dict[bytes, bytes]:
    """The last value of every field. Raises Malformed."""
    values: dict[bytes, bytes] = {}
    plain = False
    sound = _SOUND
    for field in fields:
        name = field[0]
        if name[:1] == b":":
            if plain or name in values or name not in _PSEUDO or _BAD_VALUE.search(field[1]):
                raise Malformed(f"{name!r} is late, repeated or unknown")
        else:
            plain = True
            if field not in sound:
                _check(field)
        values[name] = field[1]
    if values.get(b":method") != b"CONNECT" and not (values.get(b":path") and b":scheme" in values):
        raise Malformed("a request needs :path and :scheme")
    if b":method" not in values or b":path" not in values:
        raise Malformed("a request needs :method and :path")
    return values


def check_trailers(fields: list[Field]) -> None:
    """Raises Malformed when a client's trailers are not."""
    for field in fields:
        if field[0][:1] == b":":
            raise Malformed("pseudo-header in trailers")
        _check(field)


def _content_length(values: dict[bytes, bytes]) -> int:
    said = values.get(b"content-length")
    if said is None:
        return -1
    if not said.isdigit() or len(said) > 15:
        raise Malformed("content-length is no number")
    return int(said)


def _not_grpc(values: dict[bytes, bytes]) -> bytes | None:
    kind = values.get(b"content-type", b"")
    if not kind.startswith(_CONTENT_TYPE) or kind[len(_CONTENT_TYPE) : len(_CONTENT_TYPE) + 1] not in (
        b"",
        b"+",
        b";",
    ):
        return http_block(415, f'invalid gRPC request content-type "{kind.decode("latin-1")}"')
    if values[b":method"] != b"POST":
        method = values[b":method"].decode("latin-1")
        return http_block(405, f'Received a HEADERS frame with :method "{method}" which should be POST')
    return None
