"""A gRPC listener that speaks HTTP/2 itself, because most of a call's cost used to be the listener.

`Listener` is the door. Below it: `link` (one asyncio connection), `connection` (what HTTP/2 says, without I/O), `outbound`
(what leaves, under flow control), `stream` (one call), `head` (a request's headers), `hpack`, `frames`, `status`. This room
knows bytes, paths and status codes; it must never know a message, a service, or why a call is made.
"""

from tenuto.frontend.http2.limits import ListenerLimits
from tenuto.frontend.http2.link import Handler, StreamHandler
from tenuto.frontend.http2.listener import Listener
from tenuto.frontend.http2.status import Status
from tenuto.frontend.http2.stream import Stream

__all__ = ["Handler", "Listener", "ListenerLimits", "Status", "Stream", "StreamHandler"]
