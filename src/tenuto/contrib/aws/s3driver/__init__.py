"""Large payloads in Amazon S3, or whatever speaks its protocol: ``ExternalStorage([S3StorageDriver(client, "bucket")])``.

Names of drivers, keys of objects and claims in histories are those of the official package, so both read what either has
stored. `S3StorageDriverClient` says what is needed of a library; `tenuto.contrib.aws.s3driver.aioboto3` has one.
"""

from tenuto.contrib.aws.s3driver._client import S3StorageDriverClient
from tenuto.contrib.aws.s3driver._driver import S3StorageDriver

__all__ = ["S3StorageDriver", "S3StorageDriverClient"]
