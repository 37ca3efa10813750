"""Values on the wire: payloads, failures, search attributes; codecs and external storage.

Names are loaded when first used: `tenuto.converter.hints` serves workflow modules, which must not load protocol messages.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tenuto.converter.attributes import (
        decode_search_attributes as decode_search_attributes,
    )
    from tenuto.converter.attributes import (
        decode_typed_search_attributes as decode_typed_search_attributes,
    )
    from tenuto.converter.attributes import (
        encode_search_attribute_values as encode_search_attribute_values,
    )
    from tenuto.converter.attributes import (
        encode_search_attributes as encode_search_attributes,
    )
    from tenuto.converter.attributes import (
        encode_typed_search_attribute_value as encode_typed_search_attribute_value,
    )
    from tenuto.converter.codec import (
        PayloadCodec as PayloadCodec,
    )
    from tenuto.converter.context import (
        ActivitySerializationContext as ActivitySerializationContext,
    )
    from tenuto.converter.context import (
        NexusSerializationContext as NexusSerializationContext,
    )
    from tenuto.converter.context import (
        SerializationContext as SerializationContext,
    )
    from tenuto.converter.context import (
        WithSerializationContext as WithSerializationContext,
    )
    from tenuto.converter.context import (
        WorkflowSerializationContext as WorkflowSerializationContext,
    )
    from tenuto.converter.data_converter import (
        DataConverter as DataConverter,
    )
    from tenuto.converter.data_converter import (
        default as default,
    )
    from tenuto.converter.drivers import (
        FileStorageDriver as FileStorageDriver,
    )
    from tenuto.converter.encoder import (
        AdvancedJSONEncoder as AdvancedJSONEncoder,
    )
    from tenuto.converter.encodings import (
        BinaryNullPayloadConverter as BinaryNullPayloadConverter,
    )
    from tenuto.converter.encodings import (
        BinaryPlainPayloadConverter as BinaryPlainPayloadConverter,
    )
    from tenuto.converter.encodings import (
        BinaryProtoPayloadConverter as BinaryProtoPayloadConverter,
    )
    from tenuto.converter.encodings import (
        EncodingPayloadConverter as EncodingPayloadConverter,
    )
    from tenuto.converter.encodings import (
        JSONPlainPayloadConverter as JSONPlainPayloadConverter,
    )
    from tenuto.converter.encodings import (
        JSONProtoPayloadConverter as JSONProtoPayloadConverter,
    )
    from tenuto.converter.failure import (
        DefaultFailureConverter as DefaultFailureConverter,
    )
    from tenuto.converter.failure import (
        DefaultFailureConverterWithEncodedAttributes as DefaultFailureConverterWithEncodedAttributes,
    )
    from tenuto.converter.failure import (
        FailureConverter as FailureConverter,
    )
    from tenuto.converter.hints import (
        fitting_hints as fitting_hints,
    )
    from tenuto.converter.hints import (
        type_hints_from_func as type_hints_from_func,
    )
    from tenuto.converter.payload import (
        CompositePayloadConverter as CompositePayloadConverter,
    )
    from tenuto.converter.payload import (
        DefaultPayloadConverter as DefaultPayloadConverter,
    )
    from tenuto.converter.payload import (
        PayloadConverter as PayloadConverter,
    )
    from tenuto.converter.storage import (
        ExternalStorage as ExternalStorage,
    )
    from tenuto.converter.storage import (
        StorageDriver as StorageDriver,
    )
    from tenuto.converter.storage import (
        StorageDriverActivityInfo as StorageDriverActivityInfo,
    )
    from tenuto.converter.storage import (
        StorageDriverClaim as StorageDriverClaim,
    )
    from tenuto.converter.storage import (
        StorageDriverRetrieveContext as StorageDriverRetrieveContext,
    )
    from tenuto.converter.storage import (
        StorageDriverSelectContext as StorageDriverSelectContext,
    )
    from tenuto.converter.storage import (
        StorageDriverStoreContext as StorageDriverStoreContext,
    )
    from tenuto.converter.storage import (
        StorageDriverWorkflowInfo as StorageDriverWorkflowInfo,
    )
    from tenuto.converter.storage import (
        StorageOperationMetrics as StorageOperationMetrics,
    )
    from tenuto.converter.storage import (
        StorageWarning as StorageWarning,
    )
    from tenuto.converter.transfer import (
        TransferTypeConverter as TransferTypeConverter,
    )
    from tenuto.converter.transfer import (
        transfer_type_convertible as transfer_type_convertible,
    )
    from tenuto.converter.typed import (
        JSONTypeConverter as JSONTypeConverter,
    )
    from tenuto.converter.typed import (
        JSONTypeConverterUnhandled as JSONTypeConverterUnhandled,
    )
    from tenuto.converter.typed import (
        value_to_type as value_to_type,
    )
    from tenuto.converter.validation import (
        create_payload_validation_error as create_payload_validation_error,
    )
    from tenuto.converter.walk import (
        decode_message as decode_message,
    )
    from tenuto.converter.walk import (
        encode_message as encode_message,
    )
    from tenuto.converter.walk import (
        payloads_in as payloads_in,
    )
_HOMES = {
    "decode_search_attributes": "attributes",
    "decode_typed_search_attributes": "attributes",
    "encode_search_attribute_values": "attributes",
    "encode_search_attributes": "attributes",
    "encode_typed_search_attribute_value": "attributes",
    "PayloadCodec": "codec",
    "ActivitySerializationContext": "context",
    "NexusSerializationContext": "context",
    "SerializationContext": "context",
    "WithSerializationContext": "context",
    "WorkflowSerializationContext": "context",
    "DataConverter": "data_converter",
    "default": "data_converter",
    "FileStorageDriver": "drivers",
    "AdvancedJSONEncoder": "encoder",
    "BinaryNullPayloadConverter": "encodings",
    "BinaryPlainPayloadConverter": "encodings",
    "BinaryProtoPayloadConverter": "encodings",
    "EncodingPayloadConverter": "encodings",
    "JSONPlainPayloadConverter": "encodings",
    "JSONProtoPayloadConverter": "encodings",
    "DefaultFailureConverter": "failure",
    "DefaultFailureConverterWithEncodedAttributes": "failure",
    "FailureConverter": "failure",
    "fitting_hints": "hints",
    "type_hints_from_func": "hints",
    "CompositePayloadConverter": "payload",
    "DefaultPayloadConverter": "payload",
    "PayloadConverter": "payload",
    "ExternalStorage": "storage",
    "StorageDriver": "storage",
    "StorageDriverActivityInfo": "storage",
    "StorageDriverClaim": "storage",
    "StorageDriverRetrieveContext": "storage",
    "StorageDriverSelectContext": "storage",
    "StorageDriverStoreContext": "storage",
    "StorageDriverWorkflowInfo": "storage",
    "StorageOperationMetrics": "storage",
    "StorageWarning": "storage",
    "TransferTypeConverter": "transfer",
    "transfer_type_convertible": "transfer",
    "JSONTypeConverter": "typed",
    "JSONTypeConverterUnhandled": "typed",
    "value_to_type": "typed",
    "create_payload_validation_error": "validation",
    "decode_message": "walk",
    "encode_message": "walk",
    "payloads_in": "walk",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "ActivitySerializationContext",
    "AdvancedJSONEncoder",
    "BinaryNullPayloadConverter",
    "BinaryPlainPayloadConverter",
    "BinaryProtoPayloadConverter",
    "CompositePayloadConverter",
    "DataConverter",
    "DefaultFailureConverter",
    "DefaultFailureConverterWithEncodedAttributes",
    "DefaultPayloadConverter",
    "EncodingPayloadConverter",
    "ExternalStorage",
    "FailureConverter",
    "FileStorageDriver",
    "JSONPlainPayloadConverter",
    "JSONProtoPayloadConverter",
    "JSONTypeConverter",
    "JSONTypeConverterUnhandled",
    "NexusSerializationContext",
    "PayloadCodec",
    "PayloadConverter",
    "SerializationContext",
    "StorageDriver",
    "StorageDriverActivityInfo",
    "StorageDriverClaim",
    "StorageDriverRetrieveContext",
    "StorageDriverSelectContext",
    "StorageDriverStoreContext",
    "StorageDriverWorkflowInfo",
    "StorageOperationMetrics",
    "StorageWarning",
    "TransferTypeConverter",
    "WithSerializationContext",
    "WorkflowSerializationContext",
    "create_payload_validation_error",
    "decode_message",
    "decode_search_attributes",
    "decode_typed_search_attributes",
    "default",
    "encode_message",
    "encode_search_attribute_values",
    "encode_search_attributes",
    "encode_typed_search_attribute_value",
    "fitting_hints",
    "payloads_in",
    "transfer_type_convertible",
    "type_hints_from_func",
    "value_to_type",
]
