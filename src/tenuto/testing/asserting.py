"""Makes a failed ``assert`` in workflow code fail the workflow: a test should end with it, not try the task for ever.

This file must never change what other errors do.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tenuto.client.interceptor import Interceptor as ClientInterceptor
from tenuto.exceptions import ApplicationError
from tenuto.worker.interceptor import (
    ExecuteWorkflowInput,
    HandleSignalInput,
    HandleUpdateInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)


@contextmanager
def _assertions_fail() -> Iterator[None]:
    try:
        yield
    except AssertionError as error:
        raise ApplicationError(str(error) or _line_of(error), type="AssertionError") from error


def _line_of(error: AssertionError) -> str:
    """The assertion as it is written: without a message it has nothing to say."""
    place = traceback.extract_tb(error.__traceback__)[-1:]
    return f"{place[0].line}  ({place[0].filename}:{place[0].lineno})" if place else "assertion failed"


class _Asserting(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        with _assertions_fail():
            return await super().execute_workflow(input)

    async def handle_signal(self, input: HandleSignalInput) -> None:
        with _assertions_fail():
            await super().handle_signal(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:
        with _assertions_fail():
            return await super().handle_update_handler(input)


class AssertionInterceptor(ClientInterceptor, Interceptor):
    """Given to a client, it serves the workers made from it."""

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor]:
        return _Asserting
