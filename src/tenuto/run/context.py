"""What workflow code reaches through ``tenuto.workflow``: the run as its own code sees it, and the ends of both chains."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

from tenuto.common import UNSET
from tenuto.run import activity, attributes, child, external, local_activity, nexus, patch
from tenuto.run.core import Evicted
from tenuto.run.seed import siphash13
from tenuto.workflow._runtime import Runtime, timer_summary
from tenuto.workflow.errors import ContinueAsNewError
from tenuto.workflow.interception import WorkflowInboundInterceptor, WorkflowOutboundInterceptor

if TYPE_CHECKING:
    from tenuto.common import MetricMeter, SearchAttributeUpdate
    from tenuto.converter import PayloadConverter
    from tenuto.run.core import Core
    from tenuto.run.handlers import Handlers
    from tenuto.run.outcome import Outcome
    from tenuto.workflow.facts import Info, TaskFacts
    from tenuto.workflow.handles import ActivityHandle, ChildWorkflowHandle, NexusOperationHandle
    from tenuto.workflow.interception import (
        ContinueAsNewInput,
        ExecuteWorkflowInput,
        HandleQueryInput,
        HandleSignalInput,
        HandleUpdateInput,
        SignalChildWorkflowInput,
        SignalExternalWorkflowInput,
        StartActivityInput,
        StartChildWorkflowInput,
        StartLocalActivityInput,
        StartNexusOperationInput,
    )


class RunContinueAsNewError(ContinueAsNewError):
    """Carries what the next run begins with."""

    def __init__(self, wanted: ContinueAsNewInput) -> None:
        super().__init__("Continued as new")
        self.wanted = wanted


class Inbound(WorkflowInboundInterceptor):
    """The last link of the inbound chain: the workflow's code."""

    def __init__(self, core: Core, handlers: Handlers) -> None:
        self.core = core
        self.handlers = handlers

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        self.core.outbound = outbound

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        return await input.run_fn(self.core.instance, *input.args)

    async def handle_signal(self, input: HandleSignalInput) -> None:
        await self.handlers.run_signal(input)

    async def handle_query(self, input: HandleQueryInput) -> Any:
        return await self.handlers.run_query(input)

    def handle_update_validator(self, input: HandleUpdateInput) -> None:
        self.handlers.validate_update(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:
        return await self.handlers.run_update(input)


class Outbound(WorkflowOutboundInterceptor):
    """The last link of the outbound chain: the run's machines."""

    def __init__(self, core: Core) -> None:
        self.core = core

    def continue_as_new(self, input: ContinueAsNewInput) -> NoReturn:
        raise RunContinueAsNewError(input)

    def info(self) -> Info:
        return self.core.info

    async def signal_child_workflow(self, input: SignalChildWorkflowInput) -> None:
        await external.signal(
            self.core,
            input.signal,
            input.args,
            input.headers,
            input.child_workflow_id,
            child=True,
            groups=input.event_groups,
        )

    async def signal_external_workflow(self, input: SignalExternalWorkflowInput) -> None:
        await external.signal(
            self.core,
            input.signal,
            input.args,
            input.headers,
            input.workflow_id,
            run_id=input.workflow_run_id,
            namespace=input.namespace,
            groups=input.event_groups,
        )

    def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:
        return activity.start(self.core, input)

    async def start_child_workflow(self, input: StartChildWorkflowInput) -> ChildWorkflowHandle[Any, Any]:
        return await child.start(self.core, input)

    def start_local_activity(self, input: StartLocalActivityInput) -> ActivityHandle[Any]:
        return local_activity.start(self.core, input)

    async def start_nexus_operation(self, input: StartNexusOperationInput) -> NexusOperationHandle[Any]:
        return await nexus.start(self.core, input)


class Context(Runtime):
    """One run's answers to its workflow code."""

    def __init__(self, core: Core, handlers: Handlers, outcome: Outcome) -> None:
        self.core = core
        self.handlers = handlers
        self.outcome = outcome
        self.details = ""
        self._memo: Mapping[str, Any] | None = None
        self._memo_of: Any = None
        self._streams: list[tuple[str | None, Random]] = []
        self._seed_callbacks: list[Callable[[int], object]] = []

    # ---- facts ------------------------------------------------------------------------------------------------------

    def info(self) -> Info:
        return self.core.outbound.info()

    def namespace(self) -> str:
        return self.core.options.namespace

    def task_facts(self) -> TaskFacts:
        return self.core.task

    def instance(self) -> Any:
        return self.core.instance

    def time_ns(self) -> int:
        return self.core.now_ns

    def is_replaying(self) -> bool:
        return self.core.replaying

    def is_replaying_history_events(self) -> bool:
        return self.core.replaying and not self.core.in_query and not self.core.read_only

    def is_read_only(self) -> bool:
        return bool(self.core.read_only)

    def assert_not_read_only(self, doing: str) -> None:
        self.core.check(doing)

    def cancellation_reason(self) -> str | None:
        return self.core.cancel_reason

    def is_failure_exception(self, error: BaseException) -> bool:
        return self.outcome.fails_workflow(error)

    def payload_converter(self) -> PayloadConverter:
        return self.core.options.payload_converter

    def metric_meter(self) -> MetricMeter:
        from tenuto.common import MetricMeter
        from tenuto.run.metrics import ReplaySafeMeter

        options, meter = self.core.options, self.core.options.metric_meter
        if meter is None or meter is MetricMeter.noop:
            return MetricMeter.noop
        whose = {"namespace": options.namespace, "task_queue": options.task_queue}
        return ReplaySafeMeter(
            meter.with_additional_attributes({**whose, "workflow_type": self.core.info.workflow_type}),
            self.core,
        )

    def extern_functions(self) -> Mapping[str, Callable[..., Any]]:
        return self.core.options.extern_functions

    @contextlib.contextmanager
    def _unguarded(self) -> Iterator[None]:
        self.core.unguarded += 1
        try:
            yield
        finally:
            self.core.unguarded -= 1

    @property
    def guarded(self) -> bool:
        """Whether the determinism guard is to watch."""
        return self.core.unguarded == 0 and self.core.options.definition.sandboxed

    @property
    def allowed(self) -> frozenset[str]:
        """What the determinism guard lets this run call all the same."""
        return self.core.options.definition.allowed

    def unguarded(self) -> contextlib.AbstractContextManager[None]:
        return self._unguarded()

    # ---- chance -----------------------------------------------------------------------------------------------------

    def random(self) -> Random:
        self.core.check("random")
        return self.core.rng

    def new_random(self, name: str | None) -> Random:
        self.core.check("make a random stream")
        stream = Random(self._stream_seed(name))
        self._streams.append((name, stream))
        return stream

    def _stream_seed(self, name: str | None) -> int:
        if name is None:
            return self.core.rng.getrandbits(64)
        return siphash13(f"{self.core.seed}:{name}".encode())

    def random_seed(self) -> int:
        return self.core.seed

    def on_random_seed(self, callback: Callable[[int], object]) -> None:
        self.core.check("register random seed callback")
        self._seed_callbacks.append(callback)

    def reseed(self, seed: int) -> None:
        """The run was reset: chance begins anew, and everybody who holds a stream of it learns so."""
        self.core.reseed(seed)
        for name, stream in self._streams:
            stream.seed(self._stream_seed(name))
        for callback in self._seed_callbacks:
            callback(seed)

    def uuid4(self) -> uuid.UUID:
        self.core.check("make a UUID")
        return uuid.UUID(bytes=self.core.rng.getrandbits(128).to_bytes(16, "big"), version=4)

    def uuid7(self) -> uuid.UUID:
        self.core.check("make a UUID")
        rng = self.core.rng
        number = (self.core.now_ns // 1_000_000) << 80 | 7 << 76
        number |= rng.getrandbits(12) << 64 | 2 << 62 | rng.getrandbits(62)
        return uuid.UUID(int=number)

    # ---- patches ----------------------------------------------------------------------------------------------------

    def patch(self, patch_id: str, deprecated: bool) -> bool:
        core = self.core
        core.check("patch")
        known = core.patched.get(patch_id)
        if known is not None and not deprecated:
            return known
        use = deprecated or not core.replaying or patch_id in core.notified_patches
        if use and not deprecated and not core.replaying and core.options.on_patch is not None:
            from tenuto.workflow.facts import PatchActivationInput

            core.read_only = "a patch activation callback"
            try:
                use = core.options.on_patch(PatchActivationInput(core.info, patch_id))
            finally:
                core.read_only = ""
            if not isinstance(use, bool):
                raise TypeError("Patch activation callback must return true or false")
        core.patched[patch_id] = use
        if use:
            patch.ask(core, patch_id, deprecated)
        return use

    # ---- waiting ----------------------------------------------------------------------------------------------------

    async def sleep(self, seconds: float, summary: str | None) -> None:
        self.core.check_wait("sleep")
        loop = self.core.loop
        future: asyncio.Future[None] = loop.create_future()
        token = timer_summary.set(summary)
        try:
            timer = loop.call_later(seconds, _wake, future)
        finally:
            timer_summary.reset(token)
        try:
            await future
        finally:
            timer.cancel()

    async def wait_condition(
        self, predicate: Callable[[], bool], timeout: float | None, timeout_summary: str | None
    ) -> None:
        self.core.check_wait("wait condition")
        future: asyncio.Future[None] = self.core.loop.create_future()
        self.core.loop.conditions.append((predicate, future))
        if timeout is None:
            await future
            return
        core = self.core
        before = core.cancel_requested
        token = timer_summary.set(timeout_summary) if timeout_summary is not None else None
        try:
            await asyncio.wait_for(future, timeout)
        except TimeoutError:
            if not (core.single_batch and core.cancel_requested and not before):
                raise
        finally:
            if token is not None:
                # The collector, which closes what nobody took down, is in another context.
                with contextlib.suppress(ValueError):
                    timer_summary.reset(token)
        if core.single_batch and core.cancel_requested and not before:
            # The result and the cancel came together, and some versions of wait_for prefer the result.
            raise asyncio.CancelledError

    # ---- asking -----------------------------------------------------------------------------------------------------

    def start_activity(self, asked: StartActivityInput) -> ActivityHandle[Any]:
        self.core.check("start an activity")
        return self.core.outbound.start_activity(asked)

    def start_local_activity(self, asked: StartLocalActivityInput) -> ActivityHandle[Any]:
        self.core.check("start a local activity")
        return self.core.outbound.start_local_activity(asked)

    async def start_child_workflow(self, asked: StartChildWorkflowInput) -> ChildWorkflowHandle[Any, Any]:
        self.core.check("start a child workflow")
        return await self.core.outbound.start_child_workflow(asked)

    async def signal_external_workflow(self, asked: SignalExternalWorkflowInput) -> None:
        self.core.check("signal a workflow")
        await self.core.outbound.signal_external_workflow(asked)

    async def cancel_external_workflow(self, workflow_id: str, run_id: str | None, reason: str) -> None:
        await external.cancel(self.core, workflow_id, run_id, reason)

    async def start_nexus_operation(self, asked: StartNexusOperationInput) -> NexusOperationHandle[Any]:
        self.core.check("start a Nexus operation")
        return await self.core.outbound.start_nexus_operation(asked)

    def continue_as_new(self, asked: ContinueAsNewInput) -> NoReturn:
        self.core.check("continue as new")
        self.core.outbound.continue_as_new(asked)
        raise Evicted  # an interceptor that returns has broken the chain

    def upsert_search_attributes(
        self, updates: Sequence[SearchAttributeUpdate[Any]] | Mapping[str, Sequence[Any]]
    ) -> None:
        attributes.upsert(self.core, updates)

    def upsert_memo(self, updates: Mapping[str, Any]) -> None:
        attributes.upsert_memo(self.core, updates)

    def memo(self) -> Mapping[str, Any]:
        raw = self.core.info.raw_memo
        if self._memo is None or self._memo_of is not raw:
            self._memo_of = raw
            names, payloads = list(raw), list(raw.values())
            self._memo = MappingProxyType(dict(zip(names, self.core.decode(payloads, None), strict=True)))
        return self._memo

    def memo_value(self, key: str, default: Any, type_hint: type | None) -> Any:
        payload = self.core.info.raw_memo.get(key)
        if payload is None:
            if default is UNSET:
                raise KeyError(f"Memo does not have a value for key {key}")
            return default
        return self.core.decode_result([payload], type_hint)

    # ---- handlers and the rest --------------------------------------------------------------------------------------

    def get_handler(self, kind: str, name: str | None) -> Callable[..., Any] | None:
        return self.handlers.get(kind, name)

    def set_handler(
        self,
        kind: str,
        name: str | None,
        handler: Callable[..., Any] | None,
        validator: Callable[..., Any] | None = None,
    ) -> None:
        self.core.check(f"set a {kind} handler")
        self.handlers.set(kind, name, handler, validator)

    def all_handlers_finished(self) -> bool:
        return not self.handlers.unfinished

    def has_last_completion_result(self) -> bool:
        return bool(self.core.started.last_completion_result.payloads)

    def last_completion_result(self, type_hint: type | None) -> Any:
        return self.core.decode_result(self.core.started.last_completion_result.payloads, type_hint)

    def last_failure(self) -> BaseException | None:
        started = self.core.started
        return (
            self.core.error_of(started.continued_failure) if started.HasField("continued_failure") else None
        )

    def current_details(self) -> str:
        return self.details

    def set_current_details(self, text: str) -> None:
        self.core.check("set current details")
        self.details = text


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
