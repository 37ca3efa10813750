"""Tenuto without ``await``: for scripts and notebooks, and for programs of threads, as with Django, Flask and Celery.

``with tenuto.sync.open("sqlite:///app.db") as app:`` is `tenuto.open`, `SyncClient.connect` is ``Client.connect``; methods
have the names they have there, and block. Everything may be called from any thread, also from one with an event loop of its
own and from sync activities. This room must never do anything but wait: what is done is done by others, on one thread that
each client or application has.
"""

from tenuto.sync.app import SyncApp, open
from tenuto.sync.client import SyncClient
from tenuto.sync.handles import (
    SyncActivityHandle,
    SyncScheduleHandle,
    SyncUpdateHandle,
    SyncWorkflowHandle,
)

connect = SyncClient.connect

__all__ = [
    "SyncActivityHandle",
    "SyncApp",
    "SyncClient",
    "SyncScheduleHandle",
    "SyncUpdateHandle",
    "SyncWorkflowHandle",
    "connect",
    "open",
]
