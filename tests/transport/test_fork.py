"""What happens to processes that are forked from one that calls a service, as executors for activities do."""

import subprocess
import sys

PROGRAM = """
import asyncio
import os
from tenuto.transport.config import ConnectConfig
from tenuto.transport.errors import RPCError
from tenuto.transport.grpc import GrpcTransport
from tenuto.wire import workflowservice as ws

transport = GrpcTransport(ConnectConfig(target_host="127.0.0.1:1"))

def call():
    asyncio.run(transport.call("GetSystemInfo", ws.GetSystemInfoRequest(), timeout=1))

try:
    call()
except RPCError:
    pass
assert os.environ["GRPC_ENABLE_FORK_SUPPORT"] == "false"
child = os.fork()
if child == 0:
    try:
        call()
    except RuntimeError as error:
        os._exit(7 if "spawn" in str(error) else 1)
    os._exit(2)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
"""


def test_a_forked_process_is_told_that_it_cannot_call_instead_of_hanging() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=120)


def test_whatever_loads_grpc_first_it_leaves_forked_processes_alone() -> None:
    program = """
import os
import tenuto.wire
assert os.environ["GRPC_ENABLE_FORK_SUPPORT"] == "false"
from tenuto.api.operatorservice.v1 import AddSearchAttributesRequest
from tenuto.testing import WorkflowEnvironment
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
