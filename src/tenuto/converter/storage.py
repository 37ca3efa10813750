"""Large payloads kept elsewhere: a small reference travels in their place.

This file must never know where they are kept: a `StorageDriver` does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar

from google.protobuf import json_format

from tenuto.converter.context import (
    ActivitySerializationContext,
    SerializationContext,
    WorkflowSerializationContext,
)
from tenuto.wire import common, sdk_storage

_REFERENCE = b"temporal.api.sdk.v1.ExternalStorageReference"
_OLD_ENCODING = b"json/external-storage-reference"
_SLOW_SECONDS = 5.0
_T = TypeVar("_T")


class StorageWarning(RuntimeWarning):
    """External storage works, but not well: it is slow, say."""


@dataclass(frozen=True)
class StorageDriverClaim:
    """What a driver needs to find a payload again. Goes into history: small, and no secrets."""

    claim_data: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class StorageDriverWorkflowInfo:
    """The workflow that payloads belong to."""

    namespace: str
    id: str | None = None
    run_id: str | None = None
    type: str | None = None


@dataclass(frozen=True, kw_only=True)
class StorageDriverActivityInfo:
    """The activity, outside any workflow, that payloads belong to."""

    namespace: str
    id: str | None = None
    run_id: str | None = None
    type: str | None = None


StorageTarget = StorageDriverActivityInfo | StorageDriverWorkflowInfo


@dataclass(frozen=True)
class StorageDriverStoreContext:
    """Told to `StorageDriver.store`."""

    target: StorageDriverActivityInfo | StorageDriverWorkflowInfo | None = None
    """What the payloads belong to, if known."""


@dataclass(frozen=True)
class StorageDriverSelectContext:
    """Told to `ExternalStorage.driver_selector`."""

    target: StorageDriverActivityInfo | StorageDriverWorkflowInfo | None = None
    """What the payload belongs to, if known."""


@dataclass(frozen=True)
class StorageDriverRetrieveContext:
    """Told to `StorageDriver.retrieve`."""


class StorageDriver(ABC):
    """A place for payloads."""

    @abstractmethod
    def name(self) -> str:
        """Its name, unique among the drivers of an `ExternalStorage` and the same for ever: histories hold it."""

    def type(self) -> str:
        """What kind of driver it is: its class's name."""
        return type(self).__name__

    @abstractmethod
    async def store(
        self, context: StorageDriverStoreContext, payloads: Sequence[common.Payload]
    ) -> list[StorageDriverClaim]:
        """Keep ``payloads``; a claim for each. Should write the same payload to the same place twice over: tasks are
        repeated."""

    @abstractmethod
    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[common.Payload]:
        """The payload of each of ``claims``."""


@dataclass
class StorageOperationMetrics:
    """What external storage did while it was tracked."""

    payload_count: int = 0
    total_size: int = 0
    """In bytes."""
    driver_names: set[str] = field(default_factory=set)
    _spans: list[tuple[float, float]] = field(default_factory=list, repr=False)

    def record_batch(self, count: int, size: int, start: float, end: float, driver_names: set[str]) -> None:
        """``count`` payloads of ``size`` bytes together were moved between the instants ``start`` and ``end``, in
        seconds of one clock."""
        self.payload_count += count
        self.total_size += size
        self.driver_names |= driver_names
        self._spans.append((start, end))

    def total_duration(self) -> timedelta:
        """How long at least one batch was under way."""
        total, until = 0.0, float("-inf")
        for start, end in sorted(self._spans):
            total += max(0.0, end - max(start, until))
            until = max(until, end)
        return timedelta(seconds=total)

    @contextlib.contextmanager
    def track(self) -> Iterator[StorageOperationMetrics]:
        """While it is open, batches of this task and of those it makes are recorded here."""
        token = _tracked.set(self)
        try:
            yield self
        finally:
            _tracked.reset(token)


_tracked: ContextVar[StorageOperationMetrics | None] = ContextVar("tenuto_storage_metrics", default=None)

DriverSelector = Callable[[StorageDriverSelectContext, common.Payload], StorageDriver | None]


@dataclass(frozen=True)
class ExternalStorage:
    """Where large payloads go. Raises ValueError for drivers that cannot be told apart."""

    drivers: Sequence[StorageDriver]
    """All that payloads may be read from; when there is one, it is also written to."""
    driver_selector: DriverSelector | None = None
    """Chooses where a payload goes, None: nowhere, it stays as it is. Needed with more than one driver."""
    payload_size_threshold: int = 256 * 1024
    """Payloads of at least this size, in bytes, are stored elsewhere. 0: all."""
    _by_name: Mapping[str, StorageDriver] = field(init=False, repr=False, compare=False)
    _target: StorageTarget | None = field(init=False, default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.drivers:
            raise ValueError("ExternalStorage.drivers must contain at least one driver.")
        by_name: dict[str, StorageDriver] = {}
        for driver in self.drivers:
            if driver.name() in by_name:
                raise ValueError(
                    f"ExternalStorage.drivers contains multiple drivers with name '{driver.name()}'."
                    " Each driver must have a unique name."
                )
            by_name[driver.name()] = driver
        if len(by_name) > 1 and self.driver_selector is None:
            raise ValueError(
                "ExternalStorage.driver_selector must be specified if multiple drivers are registered."
            )
        if self.payload_size_threshold < 0:
            raise ValueError("ExternalStorage.payload_size_threshold must be greater than or equal to zero.")
        object.__setattr__(self, "_by_name", by_name)

    def with_target(self, target: StorageTarget | None) -> ExternalStorage:
        """The same, telling drivers that payloads belong to ``target``."""
        told = replace(self)
        object.__setattr__(told, "_target", target)
        return told

    def with_context(self, context: SerializationContext) -> ExternalStorage:
        """The same, for what ``context`` tells."""
        target = _target_of(context)
        return self if target is None or target == self._target else self.with_target(target)

    async def store(self, payloads: Sequence[common.Payload]) -> list[common.Payload]:
        """``payloads``, with references in place of those that are stored. Raises ValueError when a driver or the
        selector does not keep its word, and whatever drivers raise."""
        kept = list(payloads)
        chosen: dict[str, list[int]] = {}
        for index, payload in enumerate(kept):
            if payload.ByteSize() >= self.payload_size_threshold:
                driver = self._choose(payload)
                if driver is not None:
                    chosen.setdefault(driver.name(), []).append(index)

        async def batch(name: str, indexes: list[int]) -> None:
            originals = [_copy(kept[index]) for index in indexes]  # the driver may hold on to them
            context = StorageDriverStoreContext(target=self._target)
            claims = await self._by_name[name].store(context, originals)
            if len(claims) != len(originals):
                raise ValueError(f"Driver '{name}' returned {len(claims)} claims, expected {len(originals)}")
            for index, claim in zip(indexes, claims, strict=True):
                kept[index] = _reference(name, claim, kept[index].ByteSize())

        sizes = {name: sum(kept[index].ByteSize() for index in indexes) for name, indexes in chosen.items()}
        await _together(
            [_timed(batch(*item), item[0], len(item[1]), sizes[item[0]]) for item in chosen.items()]
        )
        return kept

    async def retrieve(self, payloads: Sequence[common.Payload]) -> list[common.Payload]:
        """``payloads``, with what was stored in place of references. Raises ValueError for a driver that is not here or
        does not keep its word, RuntimeError for a reference that cannot be read, and whatever drivers raise."""
        whole = list(payloads)
        wanted: dict[str, list[tuple[int, StorageDriverClaim]]] = {}
        for index, payload in enumerate(whole):
            if is_reference(payload):
                name, claim = _read_reference(payload)
                wanted.setdefault(name, []).append((index, claim))

        async def batch(name: str, asked: list[tuple[int, StorageDriverClaim]]) -> None:
            claims = [claim for _, claim in asked]
            found = await self._by_name[name].retrieve(StorageDriverRetrieveContext(), claims)
            if len(found) != len(asked):
                raise ValueError(f"Driver '{name}' returned {len(found)} payloads, expected {len(asked)}")
            for (index, _), payload in zip(asked, found, strict=True):
                whole[index] = payload

        for name in wanted:
            if name not in self._by_name:
                raise ValueError(f"No driver found with name '{name}'")
        sizes = {
            name: sum(each.size_bytes for index, _ in asked for each in whole[index].external_payloads)
            for name, asked in wanted.items()
        }
        await _together(
            [_timed(batch(*item), item[0], len(item[1]), sizes[item[0]]) for item in wanted.items()]
        )
        return whole

    def _choose(self, payload: common.Payload) -> StorageDriver | None:
        if self.driver_selector is None:
            return next(iter(self._by_name.values()))
        driver = self.driver_selector(StorageDriverSelectContext(target=self._target), payload)
        if driver is not None and self._by_name.get(driver.name()) is not driver:
            raise ValueError(
                f"Driver '{driver.name()}' returned by driver_selector is not registered in ExternalStorage.drivers"
            )
        return driver


def is_reference(payload: common.Payload) -> bool:
    """Whether ``payload`` stands for one that is stored elsewhere."""
    metadata = payload.metadata
    if metadata.get("messageType") == _REFERENCE:
        return True
    return metadata.get("encoding") == _OLD_ENCODING


def refuse_references(payloads: Sequence[common.Payload]) -> None:
    """Raises RuntimeError if any of ``payloads`` is stored elsewhere."""
    if any(is_reference(payload) for payload in payloads):
        raise RuntimeError(
            "[TMPRL1105] Detected externally stored payload(s) but external storage is not configured."
        )


def _target_of(context: SerializationContext) -> StorageTarget | None:
    if context.storage_target is not None:
        known: StorageTarget = context.storage_target
        return known
    if isinstance(context, WorkflowSerializationContext):
        return StorageDriverWorkflowInfo(namespace=context.namespace, id=context.workflow_id)
    if isinstance(context, ActivitySerializationContext):
        if context.workflow_id is not None:
            return StorageDriverWorkflowInfo(
                namespace=context.namespace, id=context.workflow_id, type=context.workflow_type
            )
        return StorageDriverActivityInfo(
            namespace=context.namespace, id=context.activity_id, type=context.activity_type
        )
    return None


def _reference(name: str, claim: StorageDriverClaim, size: int) -> common.Payload:
    told = {"claimData": dict(claim.claim_data), "driverName": name}
    return common.Payload(
        metadata={"encoding": b"json/protobuf", "messageType": _REFERENCE},
        data=json.dumps(told, separators=(",", ":"), sort_keys=True).encode(),
        external_payloads=[common.Payload.ExternalPayloadDetails(size_bytes=size)],
    )


def _read_reference(payload: common.Payload) -> tuple[str, StorageDriverClaim]:
    try:
        if payload.metadata.get("encoding") == _OLD_ENCODING:
            told = json.loads(payload.data)
            return told["driver_name"], StorageDriverClaim(dict(told["driver_claim"]["claim_data"]))
        message = sdk_storage.ExternalStorageReference()
        if payload.metadata.get("encoding") == b"binary/protobuf":
            message.ParseFromString(payload.data)
        else:
            json_format.Parse(payload.data, message, ignore_unknown_fields=True)
        return message.driver_name, StorageDriverClaim(dict(message.claim_data))
    except Exception as error:
        raise RuntimeError(
            "[TMPRL1106] A reference to an externally stored payload cannot be read."
        ) from error


def _copy(payload: common.Payload) -> common.Payload:
    copy = common.Payload()
    copy.CopyFrom(payload)
    return copy


async def _timed(batch: Coroutine[Any, Any, None], name: str, count: int, size: int) -> None:
    clock = asyncio.get_running_loop().time
    start = clock()
    await batch
    end = clock()
    tracked = _tracked.get()
    if tracked is not None:
        tracked.record_batch(count, size, start, end, {name})
    if end - start > _SLOW_SECONDS:
        warnings.warn(
            f"Storage driver {name!r} took {end - start:.1f} s to move {count} payloads of {size} bytes",
            StorageWarning,
            stacklevel=3,
        )


async def _together(batches: Sequence[Coroutine[Any, Any, _T]]) -> None:
    """All at once. The first error is raised, after the others have been withdrawn."""
    if len(batches) == 1:
        await batches[0]
        return
    tasks = [asyncio.ensure_future(batch) for batch in batches]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
