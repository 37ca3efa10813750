"""The driver's client over aioboto3 (``pip install tenuto[aioboto3]``)::

    async with aioboto3.Session().client("s3") as s3:
        driver = S3StorageDriver(new_aioboto3_client(s3), "bucket")

Nothing is imported here: the client that is given brings its library along.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from tenuto.contrib.aws.s3driver._client import S3StorageDriverClient

_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})


class _Aioboto3Client(S3StorageDriverClient):
    def __init__(self, client: Any) -> None:
        self._client = client

    async def put_object(self, *, bucket: str, key: str, data: bytes) -> None:
        # Of the two ways to upload, this one makes parts of what is large.
        await self._client.upload_fileobj(io.BytesIO(data), bucket, key)

    async def object_exists(self, *, bucket: str, key: str) -> bool:
        try:
            await self._client.head_object(Bucket=bucket, Key=key)
        except Exception as error:
            answer: Any = getattr(error, "response", None)
            if isinstance(answer, Mapping) and answer.get("Error", {}).get("Code") in _ABSENT:
                return False
            raise
        return True

    async def get_object(self, *, bucket: str, key: str) -> bytes:
        answer = await self._client.get_object(Bucket=bucket, Key=key)
        data: bytes = await answer["Body"].read()
        return data

    def describe(self) -> Mapping[str, str]:
        region = self._client.meta.region_name
        return {"client_region": region} if region else {}


def new_aioboto3_client(client: Any) -> S3StorageDriverClient:
    """What `S3StorageDriver` needs, over a client that ``aioboto3.Session().client("s3")`` has made. Needs the permissions
    ``s3:GetObject``, ``s3:PutObject`` and ``s3:ListBucket``: without the last, S3 does not tell what is absent from what is
    forbidden."""
    return _Aioboto3Client(client)
