"""What a client is: a connection, a namespace, a converter, and the chain that every call passes.

This file must never build a request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Protocol, TypeVar

from tenuto.client.behalf import on_behalf
from tenuto.client.config import ClientConfig
from tenuto.client.eager import EagerWorkers
from tenuto.client.inputs import CallTerms
from tenuto.client.interceptor import Interceptor, OutboundInterceptor
from tenuto.client.plugin import Plugin
from tenuto.client.root import Root
from tenuto.common import HeaderCodecBehavior, QueryRejectCondition
from tenuto.converter import DataConverter
from tenuto.transport.services import ServiceClient
from tenuto.wire import Message

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from tenuto.transport.services import OperatorService, TestService, WorkflowService

AnswerT = TypeVar("AnswerT", bound=Message)
FALLBACK_TASK_QUEUE = "default"
"""Where a workflow goes when neither the call, nor its definition, nor the client says."""
ONCE = CallTerms()


@cache
def _snake(method: str) -> str:
    """The name of a method of the service, as its facade has it."""
    return re.sub("(?<!^)(?=[A-Z])", "_", method).lower()


class Asked(Protocol):
    """Every input of an interceptor, as far as the call itself goes."""

    @property
    def rpc_metadata(self) -> Mapping[str, str | bytes]:
        """Extra metadata of the call."""
        ...

    @property
    def rpc_timeout(self) -> timedelta | None:
        """How long it may take; None: the usual."""
        ...


class ClientCore:
    """The part of a client that its handles hold on to."""

    def __init__(
        self,
        service_client: ServiceClient,
        *,
        namespace: str = "default",
        data_converter: DataConverter = DataConverter.default,
        plugins: Sequence[Plugin] = (),
        interceptors: Sequence[Interceptor] = (),
        default_workflow_query_reject_condition: QueryRejectCondition | None = None,
        header_codec_behavior: HeaderCodecBehavior = HeaderCodecBehavior.NO_CODEC,
        default_task_queue: str | None = None,
    ) -> None:
        """A client over a connection made before; ``Client(**other.config())`` shares the other's."""
        self._given = ClientConfig(
            service_client=service_client,
            namespace=namespace,
            data_converter=data_converter,
            plugins=plugins,
            interceptors=interceptors,
            default_workflow_query_reject_condition=default_workflow_query_reject_condition,
            header_codec_behavior=header_codec_behavior,
            default_task_queue=default_task_queue,
        )
        config = self._given.copy()
        for plugin in plugins:
            config = plugin.configure_client(config)
        self._config = config
        self._service_client = config["service_client"]
        self._namespace = config["namespace"]
        self._data_converter = config["data_converter"]
        self._default_workflow_query_reject_condition = config["default_workflow_query_reject_condition"]
        self._header_codec_behavior = config["header_codec_behavior"]
        self._default_task_queue = config.get("default_task_queue")
        self._eager_workers = EagerWorkers()
        self._impl: OutboundInterceptor = Root(self)
        for interceptor in reversed(list(config["interceptors"])):
            self._impl = interceptor.intercept_client(self._impl)

    def config(self, *, active_config: bool = False) -> ClientConfig:
        """What to give `Client` for one like this; change what should be different.

        ``active_config``: as the plugins left it, instead of as it was given.
        """
        return (self._config if active_config else self._given).copy()

    async def close(self) -> None:
        """Let the connection go, and with a store's URL the store. A second time does nothing."""
        await self._service_client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._service_client.config.target_host!r} namespace {self._namespace!r}>"

    @property
    def service_client(self) -> ServiceClient:
        """The connection."""
        return self._service_client

    @property
    def workflow_service(self) -> WorkflowService:
        """Raw calls of the main service."""
        return self._service_client.workflow_service

    @property
    def operator_service(self) -> OperatorService:
        """Raw calls for operators."""
        return self._service_client.operator_service

    @property
    def test_service(self) -> TestService:
        """Raw calls of test servers."""
        return self._service_client.test_service

    @property
    def namespace(self) -> str:
        """The namespace of every call."""
        return self._namespace

    @property
    def identity(self) -> str:
        """Who calls, as histories show it."""
        return self._service_client.config.identity

    @property
    def data_converter(self) -> DataConverter:
        """How values become payloads."""
        return self._data_converter

    @property
    def rpc_metadata(self) -> Mapping[str, str | bytes]:
        """Headers of every call. Set it to change them from the next call on; do not mutate it."""
        return self._service_client.config.rpc_metadata

    @rpc_metadata.setter
    def rpc_metadata(self, value: Mapping[str, str | bytes]) -> None:
        self._service_client.update_rpc_metadata(value)
        self._service_client.config.rpc_metadata = value

    @property
    def api_key(self) -> str | None:
        """The key of every call. Set it to change it from the next call on."""
        return self._service_client.config.api_key

    @api_key.setter
    def api_key(self, value: str | None) -> None:
        self._service_client.update_api_key(value)
        self._service_client.config.api_key = value

    async def _call(self, method: str, request: Message, kind: type[AnswerT], asked: Asked = ONCE) -> AnswerT:
        # Through the attribute that programs know, so that whoever replaces it (a test, a proxy) is asked.
        ask = getattr(self._service_client.workflow_service, _snake(method))
        behind = on_behalf.get()
        if behind is not None:
            behind.fill(method, request)
        answer = await ask(request, retry=True, metadata=asked.rpc_metadata, timeout=asked.rpc_timeout)
        assert isinstance(answer, kind)
        if behind is not None:
            behind.learn(method, answer)
        return answer

    def _task_queue(self, given: str | None, defined: str | None = None) -> str:
        """The queue meant: the call's, else the definition's, else the client's."""
        return given or defined or self._default_task_queue or FALLBACK_TASK_QUEUE
