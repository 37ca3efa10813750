"""The vocabulary of activities on their own between the engine and its host, as `types` is for all else."""

import msgspec

from tenuto.wire import activity
from tenuto.wire import workflowservice as ws

Operation = (
    ws.PauseActivityRequest
    | ws.UnpauseActivityRequest
    | ws.ResetActivityRequest
    | ws.UpdateActivityOptionsRequest
)


class StartStandalone(msgspec.Struct, frozen=True):
    """``message``: checked, with a request id. Replies `StandaloneStarted`."""

    message: ws.StartActivityExecutionRequest


class DescribeStandalone(msgspec.Struct, frozen=True):
    """A read. Replies `StandaloneSeen`."""

    run_id: str = ""


class CancelStandalone(msgspec.Struct, frozen=True):
    """``message``: with a request id."""

    message: ws.RequestCancelActivityExecutionRequest
    run_id: str = ""


class TerminateStandalone(msgspec.Struct, frozen=True):
    """``message``: with a request id."""

    message: ws.TerminateActivityExecutionRequest
    run_id: str = ""


class OperateStandalone(msgspec.Struct, frozen=True):
    """As `OperateActivities`."""

    message: Operation
    run_id: str = ""


class StandaloneStarted(msgspec.Struct, frozen=True):
    run_id: str
    started: bool
    """By this request; False: it was there already."""


class StandaloneSeen(msgspec.Struct, frozen=True):
    """What there is to say but for input, header and outcome, which history holds."""

    info: activity.ActivityExecutionInfo
    open: bool
    last_event_id: int
    version: int
    """Grows with every change."""
    cancel_identity: str
    """Who asked for cancellation."""
