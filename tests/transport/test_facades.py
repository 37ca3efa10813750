"""The services method by method: every RPC of the protocol, at run time and for type checkers."""

from pathlib import Path

import pytest

import tenuto.transport.facades
from tenuto.transport import routes
from tenuto.transport.config import ConnectConfig
from tenuto.transport.services import ServiceClient
from tests.transport import api_stub, stub

HOME = Path(tenuto.transport.facades.__file__)


def test_type_checkers_are_told_of_every_method_there_is() -> None:
    assert HOME.with_suffix(".pyi").read_text() == stub.text(), "run python -m tests.transport.stub"


def test_type_checkers_are_told_of_every_package_of_messages() -> None:
    for path, text in api_stub.stubs().items():
        assert path.read_text() == text, "run python -m tests.transport.api_stub"


def test_every_method_of_the_main_services_can_be_called() -> None:
    client = ServiceClient(ConnectConfig("nowhere:1"))
    for _, _, service in stub.services():
        facade = client.workflow_service if "Workflow" in service.name else client.operator_service
        for method in service.methods_by_name:
            assert callable(getattr(facade, stub.snake(method)))
            assert stub.snake(method) in dir(facade)
            assert routes.route(method).path == f"/{service.full_name}/{method}"


def test_a_method_that_does_not_exist_is_an_attribute_error() -> None:
    client = ServiceClient(ConnectConfig("nowhere:1"))
    with pytest.raises(AttributeError, match="no method 'make_coffee'"):
        getattr(client.workflow_service, "make_coffee")  # noqa: B009
    with pytest.raises(LookupError):
        routes.route("MakeCoffee")
    with pytest.raises(LookupError):
        routes.route("no.such.Service/Method")


def test_services_beside_the_main_ones_have_paths_of_their_own() -> None:
    client = ServiceClient(ConnectConfig("nowhere:1"))
    for facade, method in (
        (client.test_service, "unlock_time_skipping_with_sleep"),
        (client.test_service, "get_current_time"),
        (client.cloud_service, "get_users"),
        (client.health_service, "check"),
    ):
        assert callable(getattr(facade, method))
    assert routes.route(f"{routes.TEST}/UnlockTimeSkippingWithSleep").parse(b"") is not None
    assert routes.route(f"{routes.CLOUD}/GetUsers").path.endswith("CloudService/GetUsers")
