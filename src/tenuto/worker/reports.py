"""What the service is told of activities: their ends and their heartbeats. This file must never run one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tenuto.activity import ActivityCancellationDetails
from tenuto.activity import logger as activity_logger
from tenuto.converter import encode_message
from tenuto.exceptions import (
    ApplicationError,
    ApplicationErrorCategory,
    CancelledError,
    FailureError,
    is_cancelled_exception,
)
from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.transport.sizes import NO_LIMITS, beyond, refusal
from tenuto.wire import failure, workflowservice

if TYPE_CHECKING:
    from tenuto.client import Client
    from tenuto.converter import DataConverter
    from tenuto.wire import common
    from tenuto.worker.attempt import RemoteAttempt
    from tenuto.worker.deployment import Build

logger = logging.getLogger("tenuto.worker")

_LEFT_OPEN = {"tenuto-activity-left-open": "yes"}
_TOO_LARGE = (RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.RESOURCE_EXHAUSTED)

Report = tuple[str, Any]
"""A method of the service, and what to send it."""


class Reports:
    """Speaks for one worker. ``client`` may be replaced by another at any time."""

    def __init__(
        self, client: Client, identity: str, converter: DataConverter, build: Build | None = None
    ) -> None:
        self.client = client
        self.limits = NO_LIMITS
        """What the service refuses: such results fail their attempt. May be set at any time."""
        self.namespace = client.namespace
        self.identity = identity
        self.walks = converter.rewrites
        """Whether payloads are encoded once more before they leave."""
        self._stamp = build.stamp if build is not None else None
        self._deployment = build.options if build is not None else None

    def _signed(self, request: Any) -> Any:
        """Say who reports."""
        request.identity = self.identity
        request.namespace = self.namespace
        if self._stamp is not None:
            request.worker_version.CopyFrom(self._stamp)
        if self._deployment is not None:
            request.deployment_options.CopyFrom(self._deployment)
        return request

    async def _encode(self, message: Any, converter: DataConverter) -> None:
        if self.walks:
            await encode_message(message, converter)

    def _must_fit(self, message: Any) -> None:
        """Raises ApplicationError for what the service would refuse."""
        found = beyond(message, self.limits)
        if found is not None:
            raise ApplicationError(refusal(found, self.limits), type="PayloadsTooLarge")

    # ---- ends -------------------------------------------------------------------------------------------------------

    async def completed(self, attempt: RemoteAttempt, result: Any) -> Report:
        """Raises what the converter raises, and ApplicationError for a result that is too large."""
        request = workflowservice.RespondActivityTaskCompletedRequest(task_token=attempt.told.task_token)
        request.result.payloads.extend(attempt.converter.payload_converter.to_payloads((result,)))
        if self.walks:
            await self._encode(request, attempt.converter)
        self._must_fit(request)
        return "RespondActivityTaskCompleted", self._signed(request)

    async def failed(self, attempt: RemoteAttempt, error: BaseException) -> Report:
        """Closes the heartbeats: details that were not sent go along."""
        request = workflowservice.RespondActivityTaskFailedRequest(task_token=attempt.told.task_token)
        describe(error, request.failure, attempt.converter)
        unsent = attempt.close()
        if unsent and attempt.broken is None:
            request.last_heartbeat_details.payloads.extend(unsent)
        try:
            await self._encode(request, attempt.converter)
        except Exception as broken:  # noqa: BLE001 - the attempt ends all the same
            activity_logger.warning("The failure could not be encoded", exc_info=broken)
            request = workflowservice.RespondActivityTaskFailedRequest(task_token=attempt.told.task_token)
            request.failure.message = f"Failed encoding failure: {broken}"
            request.failure.application_failure_info.type = type(broken).__name__
        return "RespondActivityTaskFailed", self._signed(request)

    async def cancelled(self, attempt: RemoteAttempt, error: BaseException) -> Report:
        """Raises what the converter raises."""
        request = workflowservice.RespondActivityTaskCanceledRequest(task_token=attempt.told.task_token)
        if isinstance(error, CancelledError) and error.details:
            payloads = attempt.converter.payload_converter.to_payloads(error.details)
            request.details.payloads.extend(payloads)
            await self._encode(request, attempt.converter)
            self._must_fit(request)
        return "RespondActivityTaskCanceled", self._signed(request)

    async def left_open(self, attempt: RemoteAttempt) -> None:
        """Others will end the attempt. A service that lives and dies with this worker must know, or it would take the end of
        the process for the end of the attempt; any other looks at deadlines alone."""
        calling = self.client.service_client
        if not calling.workers_inside:
            return
        request = workflowservice.RecordActivityTaskHeartbeatRequest(task_token=attempt.told.task_token)
        request.identity, request.namespace = self.identity, self.namespace
        try:
            await calling.call("RecordActivityTaskHeartbeat", request, retry=True, metadata=_LEFT_OPEN)
        except RPCError as error:
            logger.debug("An activity that was left open is gone: %s", error)

    async def send(self, attempt: RemoteAttempt, report: Report) -> None:
        """What cannot be delivered is logged: the service gives the attempt up by its timeouts."""
        method, request = report
        try:
            await self.client.service_client.call(method, request, retry=True)
        except RPCError as error:
            known = attempt.told.activity_id
            if error.status is RPCStatusCode.NOT_FOUND:
                text = "Activity %s was not found on completion: it timed out, or its workflow is closed: %s"
                logger.warning(text, known, error)
            elif error.status in _TOO_LARGE and method == "RespondActivityTaskCompleted":
                await self.send(attempt, self._refused(attempt, error))
            else:
                logger.warning("Activity %s could not be completed: %s", known, error)

    def _refused(self, attempt: RemoteAttempt, error: RPCError) -> Report:
        """The service does not take the result: fail now, and not by a timeout later."""
        request = workflowservice.RespondActivityTaskFailedRequest(task_token=attempt.told.task_token)
        request.failure.message = f"The result was refused: {error.message}"
        request.failure.application_failure_info.type = "ResultRefused"
        return "RespondActivityTaskFailed", self._signed(request)

    # ---- heartbeats -------------------------------------------------------------------------------------------------

    async def beat(
        self, token: bytes, details: Sequence[common.Payload], converter: DataConverter
    ) -> workflowservice.RecordActivityTaskHeartbeatResponse:
        """Raises RPCError, what the codec raises, and ApplicationError for details that are too large."""
        request = workflowservice.RecordActivityTaskHeartbeatRequest(
            task_token=token, identity=self.identity, namespace=self.namespace
        )
        if details:
            request.details.payloads.extend(details)
            await self._encode(request, converter)
            self._must_fit(request)
        answer: workflowservice.RecordActivityTaskHeartbeatResponse
        answer = await self.client.service_client.call("RecordActivityTaskHeartbeat", request, retry=True)
        return answer

    async def flush(self, attempt: RemoteAttempt) -> None:
        """Send the details that wait: nobody will heartbeat from here any more."""
        unsent = attempt.close()
        if unsent is None:
            return
        try:
            await self.beat(attempt.told.task_token, unsent, attempt.converter)
        except Exception as error:  # noqa: BLE001 - the activity goes on elsewhere all the same
            known = attempt.told.activity_id
            logger.warning("The last heartbeat of activity %s could not be sent: %s", known, error)


def expected(error: BaseException) -> bool:
    """Whether ``error`` is part of the plan, so that nobody need be told."""
    return isinstance(error, ApplicationError) and error.category is ApplicationErrorCategory.BENIGN


_OURS = ("tenuto.worker.", "asyncio.", "concurrent.futures.")


def without_us(error: BaseException) -> BaseException:
    """``error`` with a traceback that begins in the activity's code, if it got that far."""
    part = error.__traceback__
    while part is not None and part.tb_frame.f_globals.get("__name__", "").startswith(_OURS):
        part = part.tb_next
    return error if part is None else error.with_traceback(part)


_LEAVING = "WorkerShutdown"
_MARK = {"__temporal_error_identifier": "ActivityFailure"}
"""Lets log handlers tell these lines from others."""


def log_failure(error: BaseException) -> None:
    """Write the end of the running attempt to its log; softly, when nothing is wrong with it."""
    leaving = isinstance(error, ApplicationError) and error.type == _LEAVING
    level = logging.DEBUG if leaving or expected(error) else logging.WARNING
    activity_logger.log(level, "Completing activity as failed", exc_info=error, extra=_MARK)


def describe(error: BaseException, told: failure.Failure, converter: DataConverter) -> None:
    """Write ``error`` over ``told``, whatever converters make of it."""
    if isinstance(error, asyncio.CancelledError):
        raised, error = error, ApplicationError(str(error), type="CancelledError")
        error.__traceback__ = raised.__traceback__
    try:
        converter.failure_converter.to_failure(error, converter.payload_converter, told)
    except Exception as broken:  # noqa: BLE001 - the attempt ends all the same
        activity_logger.warning("The failure could not be converted", exc_info=broken)
        told.Clear()
        told.message = f"Failed building exception result: {broken}"
        told.application_failure_info.SetInParent()


def instead_of_cancelled(details: ActivityCancellationDetails, error: BaseException) -> FailureError | None:
    """What a cancelled attempt fails with when nobody asked for its cancellation as such, so that it is tried again."""
    if details.cancel_requested or not is_cancelled_exception(error):
        return None
    made: FailureError | None = None
    if details.paused:
        text = "Unhandled activity cancel error produced by activity pause"
        made = ApplicationError(text, type="ActivityPause")
    elif details.reset:
        text = "Unhandled activity cancel error produced by activity reset"
        made = ApplicationError(text, type="ActivityReset")
    elif details.worker_shutdown:
        made = ApplicationError(
            "Worker is shutting down and this activity did not complete in time", type=_LEAVING
        )
    if made is not None:
        made.__traceback__ = error.__traceback__
    return made
