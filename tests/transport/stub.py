"""Lists all methods for type checkers: ``python -m tests.transport.stub > src/tenuto/transport/facades.pyi``."""

import re

from google.protobuf.descriptor import ServiceDescriptor

from tenuto import wire

HEAD = '''"""Every method of every service, for type checkers. Written by tests/transport/stub.py; do not edit."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from tenuto.transport.services import ServiceClient
from tenuto.wire import operatorservice, workflowservice

class _Facade:
    service_client: ServiceClient
    def __init__(self, client: ServiceClient) -> None: ...
'''
LOOSE = {
    "TestService": (
        "lock_time_skipping",
        "unlock_time_skipping",
        "sleep",
        "sleep_until",
        "unlock_time_skipping_with_sleep",
        "get_current_time",
    ),
    "HealthService": ("check",),
}
"""Services whose messages no client of this house needs by name."""


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _method(name: str, request: str, answer: str) -> list[str]:
    return [
        f"    async def {name}(",
        "        self,",
        f"        req: {request},",
        "        retry: bool = False,",
        "        metadata: Mapping[str, str | bytes] = {},",
        "        timeout: timedelta | None = None,",
        f"    ) -> {answer}: ...",
    ]


def services() -> list[tuple[str, str, ServiceDescriptor]]:
    from temporalio.api.operatorservice.v1 import service_pb2 as operator_pb2
    from temporalio.api.workflowservice.v1 import service_pb2 as workflow_pb2

    return [
        ("WorkflowService", "workflowservice", workflow_pb2.DESCRIPTOR.services_by_name["WorkflowService"]),
        ("OperatorService", "operatorservice", operator_pb2.DESCRIPTOR.services_by_name["OperatorService"]),
    ]


def text() -> str:
    """The stub as it should be."""
    assert wire.Message is not None
    lines = [HEAD]
    for name, module, service in services():
        lines.append(f"class {name}(_Facade):")
        for method in sorted(service.methods_by_name):
            one = service.methods_by_name[method]
            request, answer = one.input_type.name, one.output_type.name
            lines += _method(snake(method), f"{module}.{request}", f"{module}.{answer}")
        lines.append("")
    for name, methods in LOOSE.items():
        lines.append(f"class {name}(_Facade):")
        if name.startswith("Test"):
            lines.append("    __test__: ClassVar[bool]")
        for method in methods:
            lines += _method(method, "Any", "Any")
        lines.append("")
    lines += ["class CloudService(_Facade):", "    def __getattr__(self, name: str) -> Any: ...", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    print(text(), end="")
