"""``tenuto.api`` is ``temporalio.api``, and ``tenuto.service`` has the client's side of a service."""

import importlib
import subprocess
import sys

import pytest

import tenuto.service
from tenuto.transport import config, errors, services


@pytest.mark.parametrize(
    "name", ["common.v1", "enums.v1", "workflowservice.v1", "common.v1.message_pb2", "common"]
)
def test_modules_of_messages_are_the_very_same_under_both_names(name: str) -> None:
    ours = importlib.import_module(f"tenuto.api.{name}")
    theirs = importlib.import_module(f"temporalio.api.{name}")
    assert ours is theirs
    assert theirs.__spec__ is not None
    assert theirs.__name__ == theirs.__spec__.name == f"temporalio.api.{name}"


def test_a_module_that_does_not_exist_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("tenuto.api.nothing.v1")


def test_messages_can_be_imported_first_thing_in_a_program() -> None:
    code = "from tenuto.api.common.v1 import Payload; from tenuto.wire import common; assert Payload is common.Payload"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_the_clients_side_is_found_where_programs_look_for_it() -> None:
    assert tenuto.service.RPCError is errors.RPCError
    assert tenuto.service.TLSConfig is config.TLSConfig
    assert tenuto.service.ServiceClient is services.ServiceClient
    assert {"RPCStatusCode", "ConnectConfig", "KeepAliveConfig"} <= set(dir(tenuto.service))
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        getattr(tenuto.service, "Nothing")  # noqa: B009


def test_importing_the_service_does_not_import_the_clients_side() -> None:
    code = (
        "import sys, tenuto.service; assert not [m for m in sys.modules if m.startswith('tenuto.transport')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
