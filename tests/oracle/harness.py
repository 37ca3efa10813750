"""Servers to compare, and raw calls to them by method name.

A `Target` is one gRPC endpoint; `real_server` and `our_server` start a process each and stop exactly what
they started.
"""

import contextlib
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message
from temporalio.api.common.v1 import grpc_status_pb2
from temporalio.api.errordetails.v1 import message_pb2 as _errordetails  # noqa: F401  (registers the detail types)
from temporalio.api.failure.v1 import message_pb2 as _failures  # noqa: F401
from temporalio.api.operatorservice.v1 import service_pb2 as operator_service
from temporalio.api.workflowservice.v1 import service_pb2 as workflow_service

_SERVICES = {
    "temporal.api.workflowservice.v1.WorkflowService": workflow_service.DESCRIPTOR,
    "temporal.api.operatorservice.v1.OperatorService": operator_service.DESCRIPTOR,
}
SEARCH_ATTRIBUTES = {
    "OracleKeyword": "Keyword",
    "OracleText": "Text",
    "OracleInt": "Int",
    "OracleDouble": "Double",
    "OracleBool": "Bool",
    "OracleDatetime": "Datetime",
    "OracleKeywordList": "KeywordList",
}
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(slots=True)
class RpcFailure(Exception):
    """A call's gRPC error: code name, message text, and the typed details that could be decoded."""

    code: str
    message: str
    details: list[Message] = field(default_factory=list)
    undecoded: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


@dataclass(slots=True)
class Method:
    """One unary method: its request type's descriptor and how to call it."""

    request: Any
    invoke: Any


class Target:
    """One server under comparison. `address` is `host:port`."""

    def __init__(self, address: str) -> None:
        self.address = address
        limits = [("grpc.max_receive_message_length", 64 << 20), ("grpc.max_send_message_length", 64 << 20)]
        # Several channels: the long polls of many scenarios would queue behind one connection's stream limit.
        self._channels = [
            grpc.insecure_channel(address, options=[*limits, ("oracle.channel", number)])
            for number in range(4)
        ]
        self._methods: dict[str, list[Method]] = {}
        for service_name, file in _SERVICES.items():
            service = file.services_by_name[service_name.rsplit(".", 1)[1]]
            for method in service.methods:
                self._methods.setdefault(method.name, []).extend(
                    Method(
                        method.input_type,
                        channel.unary_unary(
                            f"/{service_name}/{method.name}",
                            request_serializer=lambda message: message.SerializeToString(),
                            response_deserializer=message_factory.GetMessageClass(
                                method.output_type
                            ).FromString,
                        ),
                    )
                    for channel in self._channels
                )

    def request_type(self, method: str) -> Any:
        """The descriptor of `method`'s request."""
        return self._methods[method][0].request

    def methods(self) -> list[str]:
        """Every known method name."""
        return list(self._methods)

    def call(self, method: str, request: Message, timeout: float, lane: int = 0) -> Any:
        """Calls `method`; `timeout` is the client deadline in seconds. Raises RpcFailure."""
        lanes = self._methods[method]
        try:
            return lanes[lane % len(lanes)].invoke(request, timeout=timeout)
        except grpc.RpcError as error:
            raise failure_of(error) from None

    def close(self) -> None:
        """Closes every channel; calls in flight are cancelled."""
        for channel in self._channels:
            channel.close()


def failure_of(error: Any) -> RpcFailure:
    """The comparable content of a gRPC error."""
    found = RpcFailure(error.code().name, error.details() or "")
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        status = grpc_status_pb2.GrpcStatus.FromString(value)
        for packed in status.details:
            try:
                kind = descriptor_pool.Default().FindMessageTypeByName(packed.type_url.rsplit("/", 1)[-1])
                found.details.append(message_factory.GetMessageClass(kind).FromString(packed.value))
            except (KeyError, DecodeError):
                found.undecoded.append(packed.type_url)
    return found


def free_port() -> int:
    """A TCP port free at the moment of asking, and none that systems give to whoever calls out meanwhile."""
    while True:
        port = random.SystemRandom().randrange(15_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _await_ready(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    target = Target(address)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                ask = {"namespace": "default"}
                kind = message_factory.GetMessageClass(target.request_type("DescribeNamespace"))
                target.call("DescribeNamespace", kind(**ask), 2)
                return
            except RpcFailure as failure:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(
                        f"no server at {address}: {failure}\n{log.read_text()[-2000:]}"
                    ) from None
                time.sleep(0.2)
    finally:
        target.close()


@contextlib.contextmanager
def _running(command: list[str], address: str, environment: dict[str, str]) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "log"
        with log.open("wb") as sink:
            process = subprocess.Popen(command, stdout=sink, stderr=sink, env=environment, cwd=directory)
        try:
            _await_ready(address, process, log)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def real_server(*more: str) -> Iterator[str]:
    """A fresh in-memory Temporal dev server; yields its address. ``more``: arguments of its command line."""
    port = free_port()
    binary = Path(sys.executable).parent / "temporal"
    command = [str(binary), "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(port)]
    # Its parts ask at most that often which endpoints there are: a second, unless told otherwise.
    command += ["--dynamic-config-value", 'system.refreshNexusEndpointsMinWait="0s"']
    command += ["--log-level", "error", *more]
    for name, kind in SEARCH_ATTRIBUTES.items():
        command += ["--search-attribute", f"{name}={kind}"]
    with _running(command, f"127.0.0.1:{port}", dict(os.environ)) as address:
        yield address


@contextlib.contextmanager
def our_server() -> Iterator[str]:
    """A fresh in-memory server of ours; yields its address."""
    port = free_port()
    command = [sys.executable, "-m", "tenuto.cli", "server", "start-dev", "--headless", "--ip", "127.0.0.1"]
    command += ["--port", str(port)]
    for name, kind in SEARCH_ATTRIBUTES.items():
        command += ["--search-attribute", f"{name}={kind}"]
    environment = {**os.environ, "PYTHONPATH": str(_ROOT / "src")}
    with _running(command, f"127.0.0.1:{port}", environment) as address:
        yield address
