"""Server reflection for the native listener, in its two versions, which differ in name only.

Descriptors come from protobuf's pool, where the official package put them. It must never know a method's meaning.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

from google.protobuf import descriptor_pool
from grpc_reflection.v1alpha import reflection_pb2

from tenuto.frontend.http2 import Status, Stream
from tenuto.wire import load_services

SERVICES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
_INVALID_ARGUMENT, _NOT_FOUND = 3, 5


class Reflection:
    """Answers what services, files, symbols and extensions there are. ``services``: names to list."""

    def __init__(self, services: Sequence[str]) -> None:
        self._services = services
        self._pool = descriptor_pool.Default()

    async def converse(
        self, path: str, requests: AsyncIterator[bytes], stream: Stream
    ) -> AsyncGenerator[bytes, None]:
        """One answer for every question, in order."""
        load_services()
        async for raw in requests:
            try:
                request = reflection_pb2.ServerReflectionRequest.FromString(raw)
            except ValueError as error:
                raise Status(_INVALID_ARGUMENT, "the request is not a ServerReflectionRequest") from error
            response = reflection_pb2.ServerReflectionResponse(
                valid_host=request.host, original_request=request
            )
            try:
                self._answer(request, response)
            except KeyError as error:
                response.error_response.error_code = _NOT_FOUND
                response.error_response.error_message = f"not found: {error.args[0]}"
            yield response.SerializeToString()

    def _answer(self, request: Any, response: Any) -> None:
        """Fills ``response``. Raises KeyError for what is not there."""
        match request.WhichOneof("message_request"):
            case "list_services":
                for name in self._services:
                    response.list_services_response.service.add(name=name)
            case "file_by_filename":
                self._files(self._pool.FindFileByName(request.file_by_filename), response)
            case "file_containing_symbol":
                self._files(self._file_of(request.file_containing_symbol), response)
            case "file_containing_extension":
                asked = request.file_containing_extension
                message = self._pool.FindMessageTypeByName(asked.containing_type)
                found: Any = self._pool.FindExtensionByNumber(message, asked.extension_number)
                self._files(found.file, response)
            case "all_extension_numbers_of_type":
                message = self._pool.FindMessageTypeByName(request.all_extension_numbers_of_type)
                numbers = response.all_extension_numbers_response
                numbers.base_type_name = message.full_name
                numbers.extension_number.extend(e.number for e in self._pool.FindAllExtensions(message))
            case _:
                response.error_response.error_code = _INVALID_ARGUMENT
                response.error_response.error_message = "no question was asked"

    def _file_of(self, symbol: str) -> Any:
        """The file of a service, message, enum or of something inside one."""
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            outer = symbol.rpartition(".")[0]
            if not outer:
                raise
            return self._pool.FindFileContainingSymbol(outer)

    def _files(self, file: Any, response: Any) -> None:
        """The file, and all it stands on."""
        seen = {file.name}
        waiting = [file]
        for one in waiting:
            response.file_descriptor_response.file_descriptor_proto.append(one.serialized_pb)
            for needed in one.dependencies:
                if needed.name not in seen:
                    seen.add(needed.name)
                    waiting.append(needed)
