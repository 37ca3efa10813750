"""The seed of a run's randomness: SipHash-1-3 with a zero key over the id of the first run, as the official core derives it.

So histories made by either implementation draw the same ids and random numbers on the other.
"""

_MASK = (1 << 64) - 1


def _rotate(value: int, by: int) -> int:
    return ((value << by) | (value >> (64 - by))) & _MASK


def _round(v0: int, v1: int, v2: int, v3: int) -> tuple[int, int, int, int]:
    v0 = (v0 + v1) & _MASK
    v1 = _rotate(v1, 13) ^ v0
    v0 = _rotate(v0, 32)
    v2 = (v2 + v3) & _MASK
    v3 = _rotate(v3, 16) ^ v2
    v0 = (v0 + v3) & _MASK
    v3 = _rotate(v3, 21) ^ v0
    v2 = (v2 + v1) & _MASK
    v1 = _rotate(v1, 17) ^ v2
    v2 = _rotate(v2, 32)
    return v0, v1, v2, v3


def siphash13(text: bytes) -> int:
    """SipHash with one compression and three finalization rounds, keys (0, 0); 64 bits."""
    v0, v1, v2, v3 = 0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573
    whole = len(text) - len(text) % 8
    for at in range(0, whole, 8):
        word = int.from_bytes(text[at : at + 8], "little")
        v3 ^= word
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        v0 ^= word
    word = (len(text) & 0xFF) << 56 | int.from_bytes(text[whole:], "little")
    v3 ^= word
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    v0 ^= word
    v2 ^= 0xFF
    for _ in range(3):
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    return v0 ^ v1 ^ v2 ^ v3


def seed_of(run_id: str) -> int:
    """The 64-bit seed of the run with this (original) run id."""
    return siphash13(run_id.encode() + b"\xff")
