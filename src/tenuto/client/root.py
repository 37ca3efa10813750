"""The last link of a client's chain: every call, made on the service."""

from __future__ import annotations

from tenuto.client.activity_calls import ActivityCalls
from tenuto.client.async_activity_calls import AsyncActivityCalls
from tenuto.client.build_id_calls import BuildIdCalls
from tenuto.client.nexus_calls import NexusCalls
from tenuto.client.schedule_calls import ScheduleCalls
from tenuto.client.update_calls import UpdateCalls


class Root(UpdateCalls, ActivityCalls, AsyncActivityCalls, ScheduleCalls, NexusCalls, BuildIdCalls):
    """Makes every call there is."""
