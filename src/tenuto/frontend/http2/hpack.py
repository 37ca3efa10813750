"""HPACK (RFC 7541): decodes what peers send; encodes literals only, which need no state shared with the peer.

Pure. Decoding is quick because clients repeat themselves: Huffman-coded strings are remembered across connections, and the
caller may remember whole blocks for as long as `Decoder.version` stands still. Must never judge what a header means.
"""

from tenuto.frontend.http2.frames import ConnectionFault, ErrorCode

Field = tuple[bytes, bytes]

_STATIC_TEXT = (
    ":authority :method=GET :method=POST :path=/ :path=/index.html :scheme=http :scheme=https :status=200 :status=204 "
    ":status=206 :status=304 :status=400 :status=404 :status=500 accept-charset accept-encoding=gzip,_deflate "
    "accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control "
    "content-disposition content-encoding content-language content-length content-location content-range content-type "
    "cookie date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since "
    "last-modified link location max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after "
    "server set-cookie strict-transport-security transfer-encoding user-agent vary via www-authenticate"
)


def _static(entry: str) -> Field:
    name, _, value = entry.partition("=")
    return name.encode(), value.replace("_", " ").encode()


STATIC: tuple[Field, ...] = ((b"", b""), *(_static(entry) for entry in _STATIC_TEXT.split()))
"""Appendix A, from index 1."""
_STATIC_LAST = len(STATIC) - 1
assert _STATIC_LAST == 61

_CODE_LENGTHS = (
    "dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6cad67777777777777777777777878djde6f56565666577666567655"
    "677777fbedskmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmnqqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmm"
    "ppooqnqrqqrrrrrsrrrrrqu"
)
"""Appendix B: the length in bits of every symbol's code, in base 36. The code is canonical, so lengths say it all."""
_END_OF_STRING = 256


def _tree() -> list[list[int]]:
    """Nodes as pairs: a positive entry is another node, a negative one is ``~symbol``."""
    lengths = [int(digit, 36) for digit in _CODE_LENGTHS]
    nodes: list[list[int]] = [[0, 0]]
    code = previous = 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(lengths)):
        code <<= length - previous
        previous = length
        node = 0
        for shift in range(length - 1, 0, -1):
            bit = code >> shift & 1
            if not nodes[node][bit]:
                nodes.append([0, 0])
                nodes[node][bit] = len(nodes) - 1
            node = nodes[node][bit]
        nodes[node][code & 1] = ~symbol
        code += 1
    return nodes


_NODES = _tree()
_STEPS: dict[int, tuple[int, bytes]] = {}
"""Node and byte (``node << 8 | byte``) -> next node and symbols said meanwhile; filled as met, complete at 65,536."""


def _may_end() -> frozenset[int]:
    """Nodes a string may end in: fewer than eight bits below the root, all of them ones."""
    ends, node = [0], 0
    for _ in range(7):
        node = _NODES[node][1]
        ends.append(node)
    return frozenset(ends)


_ENDS = _may_end()


def _bad(text: str) -> ConnectionFault:
    return ConnectionFault(ErrorCode.COMPRESSION_ERROR, text)


def _step(node: int, byte: int) -> tuple[int, bytes]:
    said = bytearray()
    state = node
    for shift in range(7, -1, -1):
        state = _NODES[state][byte >> shift & 1]
        if state < 0:
            if ~state == _END_OF_STRING:
                raise _bad("Huffman string holds its own end")
            said.append(~state)
            state = 0
    step = _STEPS[node << 8 | byte] = state, bytes(said)
    return step


def _huffman(raw: bytes) -> bytes:
    pieces = []
    node = 0
    steps = _STEPS
    for byte in raw:
        node, said = steps.get(node << 8 | byte) or _step(node, byte)
        pieces.append(said)
    if node not in _ENDS:
        raise _bad("Huffman string is padded wrongly")
    return b"".join(pieces)


_KEPT: dict[bytes, bytes] = {}
_KEPT_ENTRIES = 4096
_KEPT_BYTES = 128
"""Short strings repeat (names, paths, timeouts); long ones are tokens, which are better forgotten."""


def unhuffman(raw: bytes) -> bytes:
    """Decodes one string. Raises ConnectionFault (COMPRESSION_ERROR)."""
    known = _KEPT.get(raw)
    if known is not None:
        return known
    text = _huffman(raw)
    if len(raw) <= _KEPT_BYTES:
        if len(_KEPT) >= _KEPT_ENTRIES:
            _KEPT.clear()
        _KEPT[raw] = text
    return text


def _integer(block: bytes, at: int, prefix: int) -> tuple[int, int]:
    """The rest of an integer whose first byte was all ones under ``prefix``; the value and where to read on."""
    value = prefix
    for shift in (0, 7, 14, 21):
        byte = block[at]
        at += 1
        value += (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _bad("integer is too large")


def _string(block: bytes, at: int) -> tuple[bytes, int]:
    first = block[at]
    length = first & 0x7F
    at += 1
    if length == 0x7F:
        length, at = _integer(block, at, 0x7F)
    stop = at + length
    if stop > len(block):
        raise _bad("string exceeds its block")
    raw = block[at:stop]
    return (unhuffman(raw) if first & 0x80 else raw), stop


class Decoder:
    """The receiving end of one connection. ``table_bytes`` is the size we allowed the peer's table (default 4096)."""

    __slots__ = ("_allowed", "_entries", "_limit", "_used", "version")

    def __init__(self, table_bytes: int = 4096) -> None:
        self._allowed = table_bytes
        self._limit = table_bytes
        self._entries: list[Field] = []
        self._used = 0
        self.version = 0
        """Changes whenever the table does: a block decoded before may mean something else after."""

    def decode(self, block: bytes) -> list[Field]:
        """The fields of one block, in order. Raises ConnectionFault (COMPRESSION_ERROR); the table is void after that."""
        fields: list[Field] = []
        entries = self._entries
        at, end = 0, len(block)
        try:
            while at < end:
                byte = block[at]
                at += 1
                if byte >= 0x80:
                    index = byte & 0x7F
                    if index == 0x7F:
                        index, at = _integer(block, at, 0x7F)
                    if not index:
                        raise _bad("index 0")
                    # The newest entry is the last of the list and has index 62; too large an index is an IndexError.
                    fields.append(STATIC[index] if index <= _STATIC_LAST else entries[_STATIC_LAST - index])
                elif byte >= 0x40:
                    field, at = self._literal(block, at, byte & 0x3F, 0x3F)
                    fields.append(field)
                    self._insert(field)
                elif byte >= 0x20:
                    if fields:
                        raise _bad("table size update after a field")
                    at = self._resize(block, at, byte & 0x1F)
                else:
                    field, at = self._literal(block, at, byte & 0x0F, 0x0F)
                    fields.append(field)
        except IndexError:
            raise _bad("block ends early, or refers to an entry that is not there") from None
        return fields

    def _literal(self, block: bytes, at: int, index: int, prefix: int) -> tuple[Field, int]:
        if index == prefix:
            index, at = _integer(block, at, prefix)
        if not index:
            name, at = _string(block, at)
        elif index <= _STATIC_LAST:
            name = STATIC[index][0]
        else:
            name = self._entries[_STATIC_LAST - index][0]
        value, at = _string(block, at)
        return (name, value), at

    def _insert(self, field: Field) -> None:
        self.version += 1
        self._entries.append(field)
        self._used += len(field[0]) + len(field[1]) + 32
        if self._used > self._limit:
            self._evict()

    def _resize(self, block: bytes, at: int, size: int) -> int:
        if size == 0x1F:
            size, at = _integer(block, at, 0x1F)
        if size > self._allowed:
            raise _bad("table size update exceeds what was allowed")
        self.version += 1
        self._limit = size
        self._evict()
        return at

    def _evict(self) -> None:
        gone = 0
        for name, value in self._entries:
            if self._used <= self._limit:
                break
            self._used -= len(name) + len(value) + 32
            gone += 1
        del self._entries[:gone]


def _length(size: int) -> bytes:
    """A string's length with a 7-bit prefix, not Huffman-coded."""
    if size < 0x7F:
        return bytes((size,))
    written = bytearray((0x7F,))
    size -= 0x7F
    while size >= 0x80:
        written.append(size & 0x7F | 0x80)
        size >>= 7
    written.append(size)
    return bytes(written)


def literal(name: bytes, value: bytes) -> bytes:
    """A field that no table remembers. ``name`` must be in lower case."""
    return b"\x00" + _length(len(name)) + name + _length(len(value)) + value


def indexed(index: int) -> bytes:
    """A field of the static table, by its index (1 to 61)."""
    return bytes((0x80 | index,))


EMPTY_TABLE = b"\x20"
"""Says, before a block's first field, that this encoder's table is empty and stays so."""
