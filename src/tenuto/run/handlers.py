"""Signals, updates and queries: found by name, decoded, run, answered."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenuto.common import RawValue
from tenuto.exceptions import CancelledError, FailureError
from tenuto.run.builtin import BUILT_IN
from tenuto.run.ledger import nondeterminism
from tenuto.run.types import QueryAnswer
from tenuto.wire import any_pb2, common, enums_command, enums_event, failure, protocol
from tenuto.wire import update as updates
from tenuto.workflow import event_groups
from tenuto.workflow._hints import hints_of, takes_vararg
from tenuto.workflow._runtime import current_update
from tenuto.workflow.definition import QueryDefinition, SignalDefinition, UpdateDefinition
from tenuto.workflow.enums import HandlerUnfinishedPolicy
from tenuto.workflow.errors import ContinueAsNewError, ReadOnlyContextError
from tenuto.workflow.facts import UpdateInfo
from tenuto.workflow.interception import HandleQueryInput, HandleSignalInput, HandleUpdateInput
from tenuto.workflow.log import facts_of

if TYPE_CHECKING:
    from tenuto.run.core import Core
    from tenuto.run.outcome import Outcome
    from tenuto.wire import command, history
    from tenuto.wire import query as queries

logger = logging.getLogger("tenuto.workflow")
_TYPE_URL = "type.googleapis.com/"


@dataclass(slots=True)
class Unfinished:
    """A handler that runs now."""

    name: str
    policy: HandlerUnfinishedPolicy
    update_id: str | None = None


@dataclass(slots=True, kw_only=True)
class UpdateJob:
    """An update to run. ``validate`` is False when history says that it was accepted."""

    id: str
    name: str
    args: Sequence[common.Payload]
    headers: Mapping[str, common.Payload]
    request: updates.Request
    message_id: str
    sequencing_id: int
    validate: bool


class Handlers:
    """The handlers of one run, as defined and as set since."""

    def __init__(self, core: Core, outcome: Outcome) -> None:
        definition = core.options.definition
        self.core = core
        self.outcome = outcome
        self.signals: dict[str | None, SignalDefinition] = dict(definition.signals)
        self.queries: dict[str | None, QueryDefinition] = dict(definition.queries)
        self.updates: dict[str | None, UpdateDefinition] = dict(definition.updates)
        self.buffered: dict[str, list[history.HistoryEvent]] = {}
        self.unfinished: dict[int, Unfinished] = {}
        self.messages: list[protocol.Message] = []
        self._count = 0

    # ---- common -----------------------------------------------------------------------------------------------------

    def _begin(self, name: str, policy: HandlerUnfinishedPolicy, update_id: str | None = None) -> int:
        self._count += 1
        self.unfinished[self._count] = Unfinished(name, policy, update_id)
        return self._count

    def _args(self, definition: Any, name: str, payloads: Sequence[common.Payload]) -> list[Any]:
        """The arguments of a handler. A dynamic one gets the name, and the payloads as they are."""
        if definition.name is not None:
            return self.outcome.arguments(payloads, definition.arg_types)
        if definition.dynamic_vararg:
            return [name, *self.outcome.arguments(payloads, None)]
        return [name, [RawValue(payload) for payload in payloads]]

    def call(self, definition: Any, args: Sequence[Any]) -> Any:
        """Call the handler (or validator) with what interceptors left of the arguments."""
        fn = definition.fn
        return fn(self.core.instance, *args) if definition.is_method else fn(*args)

    # ---- signals ----------------------------------------------------------------------------------------------------

    def signal(self, event: history.HistoryEvent) -> None:
        """A signal arrived: run its handler, or keep it until there is one."""
        name = event.workflow_execution_signaled_event_attributes.signal_name
        definition = self.signals.get(name) or self.signals.get(None)
        if definition is None:
            self.buffered.setdefault(name, []).append(event)
            return
        self._run_signal(definition, event)

    def _run_signal(self, definition: SignalDefinition, event: history.HistoryEvent) -> None:
        sent = event.workflow_execution_signaled_event_attributes
        try:
            args = self._args(definition, sent.signal_name, sent.input.payloads)
        except Exception:
            # Nobody can take a signal back, so one that cannot be read must not stop the run for ever.
            facts = facts_of(self.core.info)
            logger.exception(
                "Failed deserializing signal input for %s, dropping the signal (%s)",
                sent.signal_name,
                facts,
                extra={"temporal_workflow": facts},
            )
            return
        headers = dict(sent.header.fields)
        wanted = HandleSignalInput(signal=sent.signal_name, args=args, headers=headers)
        number = self._begin(sent.signal_name, definition.unfinished_policy)
        self.core.loop.create_task(
            self.outcome.guard(self._signal_task(wanted, number, event.event_id)),
            name=f"signal: {sent.signal_name}",
        )

    async def _signal_task(self, wanted: HandleSignalInput, number: int, event_id: int) -> None:
        event_groups.begin(event_groups.Inbound(event_id=event_id))
        try:
            await self.core.inbound.handle_signal(wanted)
        finally:
            self.unfinished.pop(number, None)

    async def run_signal(self, wanted: HandleSignalInput) -> None:
        """The end of the interceptors' chain."""
        definition = self.signals.get(wanted.signal) or self.signals.get(None)
        if definition is None:
            raise RuntimeError(f"Signal handler for {wanted.signal!r} expected but not found")
        made = self.call(definition, wanted.args)
        if inspect.isawaitable(made):
            await made

    # ---- updates ----------------------------------------------------------------------------------------------------

    def update(self, job: UpdateJob) -> None:
        """An update arrived, or history says that it was accepted here."""
        self.core.loop.create_task(
            self.outcome.guard(self._update_task(job)), name=f"update: {job.name} ({job.id})"
        )

    async def _update_task(self, job: UpdateJob) -> None:
        current_update.set(UpdateInfo(id=job.id, name=job.name))
        event_groups.begin(event_groups.Inbound(update_id=job.id))
        definition = self.updates.get(job.name) or self.updates.get(None)
        number = 0
        accepted = False
        try:
            if definition is None:
                known = " ".join(sorted(name for name in self.updates if name is not None))
                raise RuntimeError(
                    f"Update handler for '{job.name}' expected but not found, and there is no dynamic handler. "
                    f"known updates: [{known}]"
                )
            number = self._begin(job.name, definition.unfinished_policy, job.id)
            wanted = self._update_input(definition, job)
            if job.validate and definition.validator is not None:
                self.core.read_only = "an update validator"
                try:
                    self.core.inbound.handle_update_validator(wanted)
                finally:
                    self.core.read_only = ""
                # The validator may have changed what it was shown.
                wanted = self._update_input(definition, job)
            self._accept(job)
            accepted = True
            self.outcome.state_changed = True
            result = await self.core.inbound.handle_update_handler(wanted)
            made = updates.Outcome()
            made.success.payloads.append(self.core.encode_one(result))
            self._complete(job, made)
        except ContinueAsNewError as error:
            wrong = RuntimeError("an update handler cannot continue as new: do it in the main function")
            wrong.__cause__ = error
            self.outcome.fail_task(wrong)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - any error answers the update
            self._update_failed(job, error, accepted)
        finally:
            self.unfinished.pop(number, None)

    def _update_input(self, definition: UpdateDefinition, job: UpdateJob) -> HandleUpdateInput:
        args = self._args(definition, job.name, job.args)
        return HandleUpdateInput(id=job.id, update=job.name, args=args, headers=job.headers)

    def _update_failed(self, job: UpdateJob, error: BaseException, accepted: bool) -> None:
        if self.core.evicted:
            return
        if isinstance(error, asyncio.CancelledError):
            cancelled = CancelledError(f"Cancellation raised within update {error}")
            cancelled.__cause__ = error
            error = cancelled
        if not accepted:
            if isinstance(error, ReadOnlyContextError):
                self.outcome.fail_task(error)
                return
            self._reject(job, error)
        elif isinstance(error, FailureError) or self.outcome.fails_workflow(error):
            made = updates.Outcome()
            made.failure.CopyFrom(self.core.failure_of(error))
            self._complete(job, made)
        else:
            self.outcome.fail_task(error)

    def _message(self, job: UpdateJob, suffix: str, body: Any) -> protocol.Message:
        packed = any_pb2.Any(
            type_url=_TYPE_URL + body.DESCRIPTOR.full_name, value=body.SerializeToString(deterministic=True)
        )
        return protocol.Message(id=f"{job.id}/{suffix}", protocol_instance_id=job.id, body=packed)

    def _say(self, job: UpdateJob, suffix: str, body: Any, event_type: int) -> None:
        """Send a message, at its place among the commands."""
        core = self.core
        if not core.replaying:
            self.messages.append(self._message(job, suffix, body))

        def fill(made: command.Command) -> None:
            made.protocol_message_command_attributes.message_id = f"{job.id}/{suffix}"

        core.ask(
            event_type,
            _UpdateMachine(job, suffix),
            enums_command.COMMAND_TYPE_PROTOCOL_MESSAGE,
            fill,
        )

    def _accept(self, job: UpdateJob) -> None:
        body = updates.Acceptance(
            accepted_request_message_id=job.message_id,
            accepted_request_sequencing_event_id=job.sequencing_id,
            accepted_request=job.request,
        )
        self._say(job, "accept", body, enums_event.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED)

    def _complete(self, job: UpdateJob, outcome: updates.Outcome) -> None:
        body = updates.Response(meta=job.request.meta, outcome=outcome)
        self._say(job, "complete", body, enums_event.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED)

    def _reject(self, job: UpdateJob, error: BaseException) -> None:
        if self.core.replaying:
            return
        body = updates.Rejection(
            rejected_request_message_id=job.message_id,
            rejected_request_sequencing_event_id=job.sequencing_id,
            rejected_request=job.request,
            failure=self.core.failure_of(error),
        )
        self.messages.append(self._message(job, "reject", body))

    def validate_update(self, wanted: HandleUpdateInput) -> None:
        """The end of the interceptors' chain."""
        definition = self.updates.get(wanted.update) or self.updates.get(None)
        if definition is None or definition.validator is None:
            return
        if definition.is_method:
            definition.validator(self.core.instance, *wanted.args)
        else:
            definition.validator(*wanted.args)

    async def run_update(self, wanted: HandleUpdateInput) -> Any:
        """The end of the interceptors' chain."""
        definition = self.updates.get(wanted.update) or self.updates.get(None)
        if definition is None:
            raise RuntimeError(f"Update handler for {wanted.update!r} expected but not found")
        made = self.call(definition, wanted.args)
        return await made if inspect.isawaitable(made) else made

    # ---- queries ----------------------------------------------------------------------------------------------------

    def query(self, asked: queries.WorkflowQuery, query_id: str, answers: list[QueryAnswer]) -> None:
        """Start answering; the answer is put into ``answers``."""
        self.core.loop.create_task(
            self._query_task(asked, query_id, answers), name=f"query: {asked.query_type}"
        )

    async def _query_task(
        self, asked: queries.WorkflowQuery, query_id: str, answers: list[QueryAnswer]
    ) -> None:
        try:
            definition = self.queries.get(asked.query_type) or self.queries.get(None)
            if definition is None:
                known = " ".join(sorted({*BUILT_IN, *(name for name in self.queries if name is not None)}))
                raise RuntimeError(
                    f"Query handler for '{asked.query_type}' expected but not found, known queries: [{known}]"
                )
            args = self._args(definition, asked.query_type, asked.query_args.payloads)
            wanted = HandleQueryInput(
                id=query_id, query=asked.query_type, args=args, headers=dict(asked.header.fields)
            )
            result = await self.core.inbound.handle_query(wanted)
            answers.append(QueryAnswer(result=self.core.encode_one(result)))
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - any error answers the query
            answers.append(self._query_failed(error))

    def _query_failed(self, error: BaseException) -> QueryAnswer:
        try:
            sent = self.core.failure_of(error)
        except Exception as inner:  # noqa: BLE001 - an error that cannot be written is told in words
            sent = failure.Failure(message=f"Failed converting failure: {inner}")
        return QueryAnswer(failure=sent, message=sent.message)

    async def run_query(self, wanted: HandleQueryInput) -> Any:
        """The end of the interceptors' chain."""
        definition = self.queries.get(wanted.query) or self.queries.get(None)
        if definition is None:
            raise RuntimeError(f"Query handler for {wanted.query!r} expected but not found")
        made = self.call(definition, wanted.args)
        return await made if inspect.isawaitable(made) else made

    # ---- setting ----------------------------------------------------------------------------------------------------

    def table(self, kind: str) -> dict[str | None, Any]:
        tables: dict[str, dict[str | None, Any]] = {
            "signal": self.signals,
            "query": self.queries,
            "update": self.updates,
        }
        return tables[kind]

    def get(self, kind: str, name: str | None) -> Callable[..., Any] | None:
        """The handler as user code would call it: bound to the instance."""
        definition = self.table(kind).get(name)
        if definition is None:
            return None
        if definition.is_method:
            bound: Callable[..., Any] = definition.fn.__get__(self.core.instance)
            return bound
        own: Callable[..., Any] = definition.fn
        return own

    def set(
        self,
        kind: str,
        name: str | None,
        handler: Callable[..., Any] | None,
        validator: Callable[..., Any] | None,
    ) -> None:
        """Put a handler in place (None: take it away), and give it the signals that waited for it."""
        table = self.table(kind)
        if handler is None:
            table.pop(name, None)
            return
        arg_types, ret_type = hints_of(handler, False)
        vararg = name is None and takes_vararg(handler, arg_types, False)
        common_fields: dict[str, Any] = {
            "name": name,
            "fn": handler,
            "is_method": False,
            "arg_types": arg_types,
            "dynamic_vararg": vararg,
        }
        if kind == "signal":
            table[name] = SignalDefinition(**common_fields)
            self._flush(name)
        elif kind == "query":
            table[name] = QueryDefinition(**common_fields, ret_type=ret_type)
        else:
            table[name] = UpdateDefinition(**common_fields, ret_type=ret_type, validator=validator)

    def _flush(self, name: str | None) -> None:
        names = list(self.buffered) if name is None else [name]
        definition = self.signals[name]
        for waiting in names:
            for sent in self.buffered.pop(waiting, ()):
                self._run_signal(definition, sent)


class _UpdateMachine:
    """An update's acceptance or completion among the commands."""

    __slots__ = ("job", "suffix")

    def __init__(self, job: UpdateJob, suffix: str) -> None:
        self.job = job
        self.suffix = suffix

    def describe(self) -> str:
        return f"update {self.job.name!r} (id {self.job.id!r}): {self.suffix}"

    def recorded(self, event: history.HistoryEvent) -> None:
        if self.suffix == "accept":
            held = event.workflow_execution_update_accepted_event_attributes.protocol_instance_id
        else:
            held = event.workflow_execution_update_completed_event_attributes.meta.update_id
        if held != self.job.id:
            raise nondeterminism(event, None, f"this is of update {held!r}, not of {self.job.id!r}")
