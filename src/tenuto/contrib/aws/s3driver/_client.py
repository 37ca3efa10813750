"""What the driver asks of a library that talks to S3."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping


class S3StorageDriverClient(ABC):
    """Objects in buckets. Errors may be of any kind; the driver adds what it was about."""

    @abstractmethod
    async def put_object(self, *, bucket: str, key: str, data: bytes) -> None:
        """Keep ``data`` under ``key``, in several parts if need be. Returns when it is kept."""

    @abstractmethod
    async def object_exists(self, *, bucket: str, key: str) -> bool:
        """Whether there is an object under ``key``."""

    @abstractmethod
    async def get_object(self, *, bucket: str, key: str) -> bytes:
        """What is kept under ``key``. Raises when nothing is."""

    def describe(self) -> Mapping[str, str]:
        """What should stand in messages about errors: the region, say. Must not hold secrets."""
        return {}
