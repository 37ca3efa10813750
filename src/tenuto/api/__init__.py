"""``tenuto.api.X`` is the very module ``temporalio.api.X``: the protocol's messages, for raw calls.

The same classes under both names, so that a message made under one is accepted under the other. Must never hold anything.
"""

from tenuto.wire import share_messages

__path__: list[str] = []
share_messages(__name__)
