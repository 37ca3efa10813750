"""What may change how a client is made and connected."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenuto.client.config import ClientConfig
    from tenuto.transport.config import ConnectConfig
    from tenuto.transport.services import ServiceClient


class Plugin(ABC):
    """Give one to `Client.connect`. The first one given is the outermost."""

    def name(self) -> str:
        """Which plugin this is: by default the class with its module."""
        return f"{type(self).__module__}.{type(self).__qualname__}"

    @abstractmethod
    def configure_client(self, config: ClientConfig) -> ClientConfig:
        """The configuration to use instead of ``config``, which may be changed and returned."""

    @abstractmethod
    async def connect_service_client(
        self, config: ConnectConfig, next: Callable[[ConnectConfig], Awaitable[ServiceClient]]
    ) -> ServiceClient:
        """Connect; usually by awaiting ``next`` with a changed ``config``."""
