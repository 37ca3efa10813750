"""Answers to workflow tasks that are too large for one message, sent as several.

Only commands can be told apart: all pages but the last are full of them, the last has everything else, and the service puts
them together when it comes. This file must never send pages to a service that has not said that it takes them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tenuto.transport.errors import RPCError
from tenuto.transport.retry import RETRYABLE
from tenuto.wire import enums_failed, errordetails, failure
from tenuto.wire import workflowservice as ws

Completion = ws.RespondWorkflowTaskCompletedRequest
Response = ws.RespondWorkflowTaskCompletedResponse
Send = Callable[[Completion], Awaitable[Response]]

PAGE_BYTES = 3_670_016
"""Of commands in one page. The messages that a service takes, 4 MiB, leave room for what comes along with them."""
_AT_ONCE = 3
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0
_MOST_TRIES = 8
"""Of what may pass. Pages that a service has lost are sent as long as it wants them."""
REQUEST_TOO_LARGE = enums_failed.WORKFLOW_TASK_FAILED_CAUSE_REQUEST_TOO_LARGE


class TooLarge(Exception):
    """All pages together are more than the service takes."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"[TMPRL1103] The commands of the workflow task are {size} bytes together, and the limit is {limit}"
        )

    def told(self) -> failure.Failure:
        """As the service is told."""
        made = failure.Failure(message=str(self))
        made.application_failure_info.type = "RequestTooLarge"
        return made


@dataclass(frozen=True, slots=True)
class Paging:
    """That a service takes pages. ``limit``: bytes of all commands, 0 if it did not say."""

    limit: int = 0
    page_bytes: int = PAGE_BYTES

    def split(self, request: Completion) -> list[Completion] | None:
        """The pages, in order; None when there is no need, or no way. Raises `TooLarge`."""
        if len(request.commands) < 2 or request.ByteSize() <= self.page_bytes:
            return None
        sizes = [command.ByteSize() for command in request.commands]
        if max(sizes) > self.page_bytes:
            return None
        if 0 < self.limit < sum(sizes):
            raise TooLarge(sum(sizes), self.limit)
        pages: list[Completion] = []
        room = 0
        for command, size in zip(request.commands, sizes, strict=True):
            if size > room or not pages:
                pages.append(self._page(request, len(pages)))
                room = self.page_bytes
            pages[-1].commands.append(command)
            room -= size
        last = Completion()
        last.CopyFrom(request)
        last.ClearField("commands")
        last.page_number = len(pages)
        return [*pages, last]

    def _page(self, request: Completion, number: int) -> Completion:
        return Completion(
            task_token=request.task_token,
            identity=request.identity,
            namespace=request.namespace,
            resource_id=request.resource_id,
            page_number=number,
            intermediate_page=True,
        )


async def send_pages(pages: list[Completion], send: Send) -> Response:
    """Send all but the last, some at a time, and then the last; ``send`` tries once. Raises RPCError."""
    wait, tries = _FIRST_WAIT, 0
    while True:
        try:
            await _all(pages[:-1], send)
            return await send(pages[-1])
        except RPCError as error:
            # A page by itself cannot be sent again: what was lost is everything. The service ends this by its own means:
            # when the task's time is over, it wants none of its pages any more.
            if error.details(errordetails.WorkflowTaskCompletionBufferLostFailure) is None:
                tries += 1
                passes = error.status in RETRYABLE and "larger than max" not in error.message
                if not passes or tries >= _MOST_TRIES:
                    raise
        await asyncio.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT)


async def _all(pages: list[Completion], send: Send) -> None:
    free = asyncio.Semaphore(_AT_ONCE)

    async def one(page: Completion) -> None:
        async with free:
            await send(page)

    sending = [asyncio.ensure_future(one(page)) for page in pages]
    try:
        await asyncio.gather(*sending)
    finally:
        for each in sending:
            each.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
