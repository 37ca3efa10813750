"""Bounds of one listener. Knows nobody."""

from dataclasses import dataclass

from tenuto.limits import KIB, MIB, SECOND


@dataclass(frozen=True, slots=True)
class ListenerLimits:
    """What one connection may ask for. Sizes in bytes, durations in ns; a duration of 0 switches its rule off."""

    message_bytes: int = 4 * MIB
    """Largest request message, after decompression."""
    streams: int = 10_000
    """Calls open at once on a connection. High on purpose: some clients queue behind the limit, and parked polls count."""
    header_list_bytes: int = 64 * KIB
    """Headers of one request, as HPACK counts them."""
    header_block_bytes: int = 128 * KIB
    """Compressed headers of one request; beyond it the connection ends."""
    buffered_bytes: int = 64 * MIB
    """Request bytes of messages not yet complete, all calls of a connection together."""
    unsent_bytes: int = 64 * MIB
    """Responses the peer does not take; beyond it new calls are refused."""
    stalled_frames: int = 30_000
    """Frames other than DATA that wait for a peer which takes none; beyond it the connection ends."""
    noise_burst: int = 10_000
    """Frames that cost work and bring none (pings, settings, empty data): so many at once ..."""
    noise_a_second: int = 1_000
    """... and so many a second from then on. Every call that ends allows one more."""
    reset_burst: int = 10_000
    """Calls begun and reset by the peer: so many at once ..."""
    resets_a_second: int = 500
    """... and so many a second from then on. Every answered call allows one more."""
    handshake_ns: int = 10 * SECOND
    """Until the client's preface must have come."""
    keepalive_ns: int = 60 * SECOND
    """Silence after which the peer is asked for a sign of life."""
    keepalive_patience_ns: int = 20 * SECOND
    """How long it may take to give one."""
    idle_ns: int = 0
    """A connection without calls for so long is asked to leave."""
    age_ns: int = 0
    """A connection this old is asked to leave, so that clients spread over the nodes there are now."""
    age_grace_ns: int = 70 * SECOND
    """How long calls may go on after that: longer than the longest poll."""


DEFAULT = ListenerLimits()
