"""HPACK against the examples of RFC 7541, and against another implementation where one is installed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenuto.frontend.http2.frames import ConnectionFault, ErrorCode
from tenuto.frontend.http2.hpack import Decoder, Field, literal, unhuffman

FIRST = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"www.example.com")]
SECOND = [*FIRST, (b"cache-control", b"no-cache")]
THIRD = [
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":path", b"/index.html"),
    (b":authority", b"www.example.com"),
    (b"custom-key", b"custom-value"),
]


def blocks(*texts: str) -> list[list[Field]]:
    decoder = Decoder()
    return [decoder.decode(bytes.fromhex(text)) for text in texts]


def fault_of(block: bytes, decoder: Decoder | None = None) -> ErrorCode:
    with pytest.raises(ConnectionFault) as caught:
        (decoder or Decoder()).decode(block)
    return caught.value.code


def test_requests_without_huffman_decode_as_in_the_rfc() -> None:
    assert blocks(
        "828684410f7777772e6578616d706c652e636f6d",
        "828684be58086e6f2d6361636865",
        "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
    ) == [FIRST, SECOND, THIRD]


def test_requests_with_huffman_decode_as_in_the_rfc() -> None:
    assert blocks(
        "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        "828684be5886a8eb10649cbf",
        "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
    ) == [FIRST, SECOND, THIRD]


def test_a_smaller_table_forgets_its_oldest_entries() -> None:
    decoder = Decoder()
    decoder.decode(b"\x40\x01a\x01b\x40\x01c\x01d")
    assert decoder.decode(b"\xbf\xbe") == [(b"a", b"b"), (b"c", b"d")]
    assert decoder.decode(b"\x3f\x03\xbe") == [(b"c", b"d")], "34 bytes: room for one entry"
    assert fault_of(b"\xbf", decoder) is ErrorCode.COMPRESSION_ERROR


def test_an_entry_larger_than_the_table_empties_it() -> None:
    decoder = Decoder(64)
    decoder.decode(b"\x40\x01a\x01b")
    decoder.decode(b"\x40" + literal(b"n" * 40, b"v")[1:])
    assert fault_of(b"\xbe", decoder) is ErrorCode.COMPRESSION_ERROR


@pytest.mark.parametrize(
    "block",
    [
        b"\x80",
        b"\xbe",
        b"\xff\xff\xff\xff\xff\xff",
        b"\x40\x05ab",
        b"\x00",
        b"\x82\x20",
        b"\x3f\xff\xff\x03",
        b"\x00\x81\xff\x00",
        b"\x00\x84\xff\xff\xff\xff\x00",
    ],
    ids=[
        "index 0",
        "an entry that is not there",
        "an integer without end",
        "a string beyond its block",
        "an early end",
        "a size update after a field",
        "a size update beyond what was allowed",
        "eight bits of padding",
        "a spoken end of string",
    ],
)
def test_a_wrong_block_is_a_compression_error(block: bytes) -> None:
    assert fault_of(block) is ErrorCode.COMPRESSION_ERROR


def test_the_version_stands_still_while_nothing_is_added() -> None:
    decoder = Decoder()
    before = decoder.version
    decoder.decode(b"\x82\x86" + literal(b"x", b"y"))
    assert decoder.version == before
    decoder.decode(b"\x40\x01a\x01b")
    assert decoder.version != before


@given(st.binary(max_size=64))
@settings(deadline=None)
def test_any_bytes_decode_or_are_a_compression_error(block: bytes) -> None:
    codes = []
    try:
        Decoder().decode(block)
    except ConnectionFault as fault:
        codes.append(fault.code)
    assert codes in ([], [ErrorCode.COMPRESSION_ERROR])


@given(st.binary(max_size=300), st.binary(max_size=300))
@settings(deadline=None)
def test_literals_read_back(name: bytes, value: bytes) -> None:
    assert Decoder().decode(literal(name, value)) == [(name, value)]


TEXT = st.binary(max_size=40)
FIELDS = st.lists(
    st.tuples(st.sampled_from([b":path", b"te", b"x-a", b"x-b-bin", b"cookie"]), TEXT), max_size=8
)


@given(st.lists(st.tuples(FIELDS, st.booleans(), st.sampled_from([None, 0, 64, 200, 4096])), max_size=8))
@settings(deadline=None)
def test_another_encoder_is_understood(headers: list[tuple[list[Field], bool, int | None]]) -> None:
    hpack = pytest.importorskip("hpack")
    encoder, decoder = hpack.Encoder(), Decoder()
    for fields, huffman, size in headers:
        if size is not None:
            encoder.header_table_size = size
        assert decoder.decode(encoder.encode(fields, huffman=huffman)) == fields


@given(TEXT)
@settings(deadline=None)
def test_huffman_reads_what_another_implementation_writes(text: bytes) -> None:
    coder = pytest.importorskip("hpack.huffman")
    constants = pytest.importorskip("hpack.huffman_constants")
    raw = coder.HuffmanEncoder(constants.REQUEST_CODES, constants.REQUEST_CODES_LENGTH).encode(text)
    assert unhuffman(raw) == text
