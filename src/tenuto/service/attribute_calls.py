"""The RPCs about the names of search attributes (platform-surface 3.8)."""

import msgspec

from tenuto.service import attributes
from tenuto.service.call import Call
from tenuto.service.core import Core
from tenuto.service.errors import invalid
from tenuto.service.namespaces import KnownNamespace
from tenuto.wire import operatorservice as ops
from tenuto.wire import workflowservice as ws


class AttributeCalls:
    """Add, remove and list search attributes."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def add_search_attributes(
        self, request: ops.AddSearchAttributesRequest, call: Call
    ) -> ops.AddSearchAttributesResponse:
        known = call.namespace
        if not request.search_attributes:
            invalid("SearchAttributes are not set on request.")
        aliases = dict(known.record.aliases)
        for name, kind in request.search_attributes.items():
            if attributes.reserved(name):
                invalid(f"Search attribute {name} is reserved by system.")
            if name in known.attributes:
                continue
            field = attributes.free_field(aliases, kind)
            if kind not in attributes.FIELDS:
                invalid(f"Unknown search attribute type: {kind}.")
            if field is None:
                invalid(
                    f"Unable to create search attributes: cannot have more than {attributes.FIELDS[kind]} "
                    f"search attribute of type {attributes.TYPE_NAMES[kind]}."
                )
            aliases[field] = name
        await self._set_aliases(known, aliases)
        return ops.AddSearchAttributesResponse()

    async def remove_search_attributes(
        self, request: ops.RemoveSearchAttributesRequest, call: Call
    ) -> ops.RemoveSearchAttributesResponse:
        known = call.namespace
        if not request.search_attributes:
            invalid("SearchAttributes are not set on request.")
        for name in request.search_attributes:
            if attributes.reserved(name):
                invalid(f"Unable to remove non-custom search attributes: {name}.")
        gone = set(request.search_attributes)
        await self._set_aliases(known, {f: n for f, n in known.record.aliases.items() if n not in gone})
        return ops.RemoveSearchAttributesResponse()

    async def _set_aliases(self, known: KnownNamespace, aliases: dict[str, str]) -> None:
        if aliases != known.record.aliases:
            await self._core.namespaces.change(known, msgspec.structs.replace(known.record, aliases=aliases))

    async def list_search_attributes(
        self, request: ops.ListSearchAttributesRequest, call: Call
    ) -> ops.ListSearchAttributesResponse:
        response = ops.ListSearchAttributesResponse()
        for name, kind in call.namespace.attributes.items():
            response.custom_attributes[name] = kind  # type: ignore[assignment]
        for name, kind in (attributes.SYSTEM | attributes.PREDEFINED).items():
            response.system_attributes[name] = kind  # type: ignore[assignment]
        return response

    async def get_search_attributes(
        self, request: ws.GetSearchAttributesRequest, call: Call
    ) -> ws.GetSearchAttributesResponse:
        response = ws.GetSearchAttributesResponse()
        for name, kind in (attributes.SYSTEM | attributes.PREDEFINED).items():
            response.keys[name] = kind  # type: ignore[assignment]
        for known in self._core.namespaces.listed():
            for name, kind in known.attributes.items():
                response.keys[name] = kind  # type: ignore[assignment]
        return response
