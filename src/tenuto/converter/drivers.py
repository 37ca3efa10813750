"""Storage drivers that need nothing but this machine. This file must never choose what is stored."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tenuto.converter.storage import (
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
)
from tenuto.wire import common


class FileStorageDriver(StorageDriver):
    """Payloads in files of a directory that all workers and clients share. A file's name is the hash of what it holds,
    so the same payload is kept once, however often it is stored. Nothing is ever deleted: files no longer wanted can be
    found by their age."""

    def __init__(self, directory: str | os.PathLike[str], *, name: str = "file") -> None:
        """``directory`` is made when first needed. ``name`` goes into histories."""
        self._directory = Path(directory)
        self._name = name

    def name(self) -> str:
        return self._name

    async def store(
        self, context: StorageDriverStoreContext, payloads: Sequence[common.Payload]
    ) -> list[StorageDriverClaim]:
        """Returns when the files are on disk. Raises OSError."""
        texts = [payload.SerializeToString(deterministic=True) for payload in payloads]
        return await asyncio.to_thread(lambda: [self._write(text) for text in texts])

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[common.Payload]:
        """Raises FileNotFoundError for what is not there, ValueError for a file that holds something else."""
        texts = await asyncio.to_thread(lambda: [self._read(claim) for claim in claims])
        return [common.Payload.FromString(text) for text in texts]

    def _path(self, digest: str) -> Path:
        return self._directory / digest[:2] / digest

    def _write(self, text: bytes) -> StorageDriverClaim:
        digest = hashlib.sha256(text).hexdigest()
        path = self._path(digest)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        return StorageDriverClaim({"sha256": digest})

    def _read(self, claim: StorageDriverClaim) -> bytes:
        digest = claim.claim_data.get("sha256", "")
        if len(digest) != 64 or not all(letter in "0123456789abcdef" for letter in digest):
            raise ValueError(f"{digest!r} is not the name of a stored payload")
        text = self._path(digest).read_bytes()
        if hashlib.sha256(text).hexdigest() != digest:
            raise ValueError(f"the file of payload {digest} holds something else")
        return text
