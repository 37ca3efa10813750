"""The driver: where an object goes, what a claim says, and whether what comes back is what was stored.

This file must never keep a payload, and must never delete one: others may have a claim to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import string
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from tenuto.contrib.aws.s3driver._client import S3StorageDriverClient
from tenuto.converter import (
    StorageDriver,
    StorageDriverActivityInfo,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
    StorageDriverWorkflowInfo,
)
from tenuto.wire import common

T = TypeVar("T")

KIND = "aws.s3driver"
LARGEST = 50 * 1024 * 1024
_KEY_BYTES = 1024
_PLAIN = frozenset((string.ascii_letters + string.digits + "!-_.*'()").encode())
"""Bytes that S3 takes in keys without further thought."""


class S3StorageDriver(StorageDriver):
    """Payloads as objects of S3. An object's key ends in the hash of what it holds, below the namespace and the workflow or
    activity it belongs to: there the same payload is kept once, and what belongs to one of them is found together. Nothing
    is ever deleted; a rule of the bucket's may do that, when no history needs it any more."""

    def __init__(
        self,
        client: S3StorageDriverClient,
        bucket: str | Callable[[StorageDriverStoreContext, common.Payload], str],
        driver_name: str = KIND,
        max_payload_size: int = LARGEST,
    ) -> None:
        """Make a driver. Raises ValueError for a ``max_payload_size`` that is not positive.

        Args:
            client: Talks to S3.
            bucket: Name of the bucket, or the ARN of an access point; or a function that says it for each payload. Payloads
                are read from where they were stored.
            driver_name: Goes into histories; to be changed when there are several such drivers, and never afterwards.
            max_payload_size: Bytes; larger payloads are refused. Default: 50 MiB.
        """
        if max_payload_size <= 0:
            raise ValueError("max_payload_size must be greater than zero")
        self._client = client
        self._bucket = bucket
        self._name = driver_name or KIND
        self._most = max_payload_size

    def name(self) -> str:
        return self._name

    def type(self) -> str:
        return KIND

    async def store(
        self, context: StorageDriverStoreContext, payloads: Sequence[common.Payload]
    ) -> list[StorageDriverClaim]:
        """Returns when all are in S3. Raises ValueError for a payload that is too large, RuntimeError when S3 fails."""
        return await _together(self._store(context, payload) for payload in payloads)

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[common.Payload]:
        """Raises RuntimeError when S3 fails, ValueError for a claim that is none and for an object that holds something
        else than was stored."""
        return await _together(self._retrieve(claim) for claim in claims)

    async def _store(self, context: StorageDriverStoreContext, payload: common.Payload) -> StorageDriverClaim:
        bucket = self._bucket(context, payload) if callable(self._bucket) else self._bucket
        text = payload.SerializeToString(deterministic=True)
        if len(text) > self._most:
            raise ValueError(
                f"Payload size {len(text)} bytes exceeds the configured max_payload_size of {self._most} bytes"
            )
        digest = hashlib.sha256(text).hexdigest()
        key = _key(context, digest)
        try:
            if not await self._client.object_exists(bucket=bucket, key=key):
                await self._client.put_object(bucket=bucket, key=key, data=text)
        except Exception as error:
            raise RuntimeError(f"S3StorageDriver store failed [{self._about(bucket, key)}]") from error
        return StorageDriverClaim(
            {"bucket": bucket, "key": key, "hash_algorithm": "sha256", "hash_value": digest}
        )

    async def _retrieve(self, claim: StorageDriverClaim) -> common.Payload:
        said = claim.claim_data
        bucket, key = said.get("bucket", ""), said.get("key", "")
        about = self._about(bucket, key)
        try:
            text = await self._client.get_object(bucket=bucket, key=key)
        except Exception as error:
            raise RuntimeError(f"S3StorageDriver retrieve failed [{about}]") from error
        how, digest = said.get("hash_algorithm"), said.get("hash_value")
        if not how or not digest:
            raise ValueError(f"S3StorageDriver claim is missing required content hash information [{about}]")
        if how != "sha256":
            raise ValueError(
                f"S3StorageDriver unsupported hash algorithm [{about}]: expected sha256, got {how}"
            )
        found = hashlib.sha256(text).hexdigest()
        if found != digest:
            raise ValueError(
                f"S3StorageDriver integrity check failed [{about}]: expected sha256:{digest}, got sha256:{found}"
            )
        return common.Payload.FromString(text)

    def _about(self, bucket: str, key: str) -> str:
        facts = {"bucket": bucket, "key": key}
        with contextlib.suppress(Exception):  # the error that is being told matters more
            facts.update(self._client.describe())
        return ", ".join(f"{name}={value}" for name, value in facts.items())


def _key(context: StorageDriverStoreContext, digest: str) -> str:
    target = context.target
    space = f"v0/ns/{_segment(target.namespace)}" if target is not None else "v0"
    owner = ""
    if isinstance(target, StorageDriverWorkflowInfo):
        owner = f"/wt/{_segment(target.type)}/wi/{_segment(target.id)}/ri/{_segment(target.run_id)}"
    elif isinstance(target, StorageDriverActivityInfo):
        owner = f"/at/{_segment(target.type)}/ai/{_segment(target.id)}/ri/{_segment(target.run_id)}"
    key = f"{space}{owner}/d/sha256/{digest}"
    # Ids may be longer than keys; the namespace stays, because permissions go by it.
    return key if len(key) <= _KEY_BYTES else f"{space}/d/sha256/{digest}"


def _segment(text: str | None) -> str:
    if not text:
        return "null"
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in text.encode())


async def _together(work: Iterable[Awaitable[T]]) -> list[T]:
    """All at once; when one fails, the others are withdrawn."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
