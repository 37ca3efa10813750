"""A workflow as a channel: it and others append items under topics, others read them from any offset on.

Publishing from outside is a signal, reading is an update that waits (a query once the workflow has closed), so a channel
is as durable as its workflow. Names, and what is on the wire, are those of the official package: publishers, subscribers
and workflows of both may meet. This room must never ask anything of a workflow but what any workflow code may ask.
"""

from tenuto.contrib.workflow_streams._client import WorkflowStreamClient
from tenuto.contrib.workflow_streams._stream import WorkflowStream
from tenuto.contrib.workflow_streams._topics import TopicHandle, WorkflowTopicHandle
from tenuto.contrib.workflow_streams._wire import (
    PollInput,
    PollResult,
    PublishEntry,
    PublisherState,
    PublishInput,
    WorkflowStreamItem,
    WorkflowStreamState,
)

__all__ = [
    "PollInput",
    "PollResult",
    "PublishEntry",
    "PublishInput",
    "PublisherState",
    "TopicHandle",
    "WorkflowStream",
    "WorkflowStreamClient",
    "WorkflowStreamItem",
    "WorkflowStreamState",
    "WorkflowTopicHandle",
]
