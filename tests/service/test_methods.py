"""Every method of the protocol has a deliberate answer."""

from typing import Any

import pytest

from tenuto.engine.types import Reason, Rejected
from tenuto.frontend.answers import methods
from tenuto.service.errors import Code, ServiceError, from_rejected
from tests.service.house import House, on_virtual_time

methods_by_name = dict(methods().values())
NAMES = sorted(name for name, _ in methods().values())


async def tried(house: House, method: str, given: dict[str, Any]) -> ServiceError | None:
    """The refusal, or None when there was an answer."""
    try:
        await house.call(method, 10, **given)
    except ServiceError as error:
        return error
    return None


def test_every_method_of_the_protocol_is_known() -> None:
    assert len(NAMES) > 120
    assert {"StartWorkflowExecution", "PollNexusTaskQueue", "DeleteNamespace"} <= set(NAMES)


@pytest.mark.parametrize("method", NAMES)
def test_an_empty_request_is_answered_or_refused_on_purpose(method: str) -> None:
    async def scene(house: House) -> None:
        fields: list[dict[str, str]] = [{}]
        if "namespace" in methods_by_name[method].DESCRIPTOR.fields_by_name:
            fields.append({"namespace": ""})
        for given in fields:
            outcome = await tried(house, method, given)
            if outcome is not None:
                assert outcome.code not in (Code.INTERNAL, Code.UNKNOWN, Code.UNAVAILABLE)
                assert outcome.message

    on_virtual_time(scene)


@pytest.mark.parametrize("reason", list(Reason))
def test_every_refusal_of_the_engine_has_a_code_and_its_typed_detail(reason: Reason) -> None:
    error = from_rejected(Rejected(reason, "why"))
    if reason is not Reason.MULTI_OPERATION:
        assert error.message == "why"
    wanted = {
        Reason.NOT_FOUND: "NotFoundFailure",
        Reason.NOT_READY: "WorkflowNotReadyFailure",
        Reason.BUSY: "ResourceExhaustedFailure",
        Reason.CONCURRENT: "ResourceExhaustedFailure",
        Reason.DENIED: "PermissionDeniedFailure",
        Reason.QUERY_FAILED: "QueryFailedFailure",
        Reason.MULTI_OPERATION: "MultiOperationExecutionFailure",
    }.get(reason)
    assert [detail.DESCRIPTOR.name for detail in error.details] == ([wanted] if wanted else [])
    assert error.code not in (Code.INTERNAL, Code.UNKNOWN)
