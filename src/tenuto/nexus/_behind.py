"""Who stands behind the calls of an operation: its caller, linked with all it starts, and told when what backs it ends.

This file must never decide what backs an operation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenuto.nexus._link_conversion import nexus_link_to_temporal_link, temporal_link_to_nexus_link

if TYPE_CHECKING:
    from nexusrpc.handler import StartOperationContext

    from tenuto.nexus._token import OperationToken
    from tenuto.wire import Message, common

_LINKED = frozenset(
    {
        "SignalWithStartWorkflowExecution",
        "SignalWorkflowExecution",
        "StartActivityExecution",
        "StartWorkflowExecution",
    }
)
_STARTS = frozenset({"StartActivityExecution", "StartWorkflowExecution"})
_TOKEN_HEADER = "nexus-operation-token"


class Linking:
    """Links what the code of an operation starts and signals with the operation's caller."""

    def __init__(self, context: StartOperationContext) -> None:
        self._context = context

    def fill(self, method: str, request: Message) -> None:
        asked: Any = request
        if method in _LINKED:
            del asked.links[:]
            asked.links.extend(self._links())
        if method in _STARTS:
            # Should the id be taken by a running one that will do, the links reach that.
            asked.on_conflict_options.attach_request_id = True
            asked.on_conflict_options.attach_completion_callbacks = True
            asked.on_conflict_options.attach_links = True

    def learn(self, method: str, answer: Message) -> None:
        told: Any = answer
        if method in _LINKED:
            name = "signal_link" if method == "SignalWithStartWorkflowExecution" else "link"
            if told.HasField(name):
                self._tell(getattr(told, name))

    def _tell(self, link: common.Link) -> None:
        made = temporal_link_to_nexus_link(link)
        if made is not None and made not in self._context.outbound_links:
            self._context.outbound_links.append(made)

    def _links(self) -> list[common.Link]:
        read = (nexus_link_to_temporal_link(link) for link in self._context.inbound_links)
        return [link for link in read if link is not None]


class Backing(Linking):
    """What is started or updated with it backs the operation: its end is told to the operation's caller.

    The request's id is the operation's, so that an operation that is started again starts nothing twice.
    """

    def __init__(self, context: StartOperationContext, method: str, token: OperationToken) -> None:
        super().__init__(context)
        self._method = method
        self._token = token
        self.linked = False
        """Whether the service told a link."""

    def fill(self, method: str, request: Message) -> None:
        super().fill(method, request)
        if method != self._method:
            return
        asked: Any = request.request if method == "UpdateWorkflowExecution" else request  # type: ignore[attr-defined]
        asked.request_id = self._context.request_id
        links = self._links()
        del asked.links[:]
        if method != "StartActivityExecution" or not self._context.callback_url:
            asked.links.extend(links)
        if self._context.callback_url and hasattr(asked, "completion_callbacks"):
            del asked.completion_callbacks[:]
            callback = asked.completion_callbacks.add()
            callback.nexus.url = self._context.callback_url
            callback.nexus.header.update(self._context.callback_headers)
            callback.nexus.header[_TOKEN_HEADER] = self._token.encode()
            callback.links.extend(links)

    def learn(self, method: str, answer: Message) -> None:
        super().learn(method, answer)
        told: Any = answer
        if method == self._method and method != "SignalWithStartWorkflowExecution" and told.HasField("link"):
            self.linked = True
            self._tell(told.link)
