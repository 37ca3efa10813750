"""Schedules: what they start, what they do when one still runs, how they are changed."""

from typing import Any

import pytest

from tenuto.engine import codec, outgoing, types
from tenuto.engine.chain import Out, Outgoing, ParentLink
from tenuto.engine.schedule_state import PREFIX
from tenuto.engine.schedule_text import canonical
from tenuto.engine.types import Reason, Rejected
from tenuto.limits import DAY, HOUR, SECOND
from tenuto.wire import command, common, history, schedule
from tenuto.wire import enums_command as kinds
from tenuto.wire import workflowservice as ws
from tests.engine.support import NAMESPACE, START_AT, World, payloads, start_message

SKIP, BUFFER_ONE, BUFFER_ALL, CANCEL_OTHER, TERMINATE_OTHER, ALLOW_ALL = range(1, 7)
BEGIN = START_AT - START_AT % HOUR
TEMPLATE = start_message("wf", request_id="")


class Plan(World):
    """One schedule that acts every hour; its messages are answered by hand."""

    def __init__(
        self, overlap: int = SKIP, *, spec: schedule.ScheduleSpec | None = None, **policies: Any
    ) -> None:
        super().__init__(PREFIX + "s")
        self.now = BEGIN + SECOND
        self.definition = schedule.Schedule(spec=spec if spec is not None else hourly())
        self.definition.action.start_workflow.workflow_id = "wf"
        self.definition.policies.overlap_policy = overlap  # type: ignore[assignment]
        self.definition.policies.catchup_window.FromSeconds(365 * 24 * 3600)
        for name, value in policies.items():
            setattr(self.definition.policies, name, value)
        self.told: list[Outgoing] = []

    def create(self, patch: schedule.SchedulePatch | None = None, request_id: str = "r") -> "Plan":
        message = ws.CreateScheduleRequest(
            schedule_id="s", schedule=self.definition, request_id=request_id, initial_patch=patch
        )
        self.ask(types.CreateSchedule(message, TEMPLATE))
        return self

    def update(self, token: bytes = b"", **fields: Any) -> None:
        message = ws.UpdateScheduleRequest(schedule=self.definition, conflict_token=token, **fields)
        self.ask(types.UpdateSchedule(message, TEMPLATE))

    def patch(self, request_id: str = "", **fields: Any) -> None:
        message = ws.PatchScheduleRequest(patch=schedule.SchedulePatch(**fields), request_id=request_id)
        self.ask(types.PatchSchedule(message))

    def trigger(self, overlap: int = 0) -> None:
        self.patch(trigger_immediately=schedule.TriggerImmediatelyRequest(overlap_policy=overlap))  # type: ignore[arg-type]

    def describe(self) -> ws.DescribeScheduleResponse:
        shown: ws.DescribeScheduleResponse = self.ask(types.DescribeSchedule())
        return shown

    @property
    def info(self) -> schedule.ScheduleInfo:
        return self.describe().info

    def owed(self, kind: int) -> list[Outgoing]:
        assert self.chain is not None
        return [message for _, message in sorted(self.chain.out.items()) if message.kind == kind]

    def requests(self) -> list[ws.StartWorkflowExecutionRequest]:
        """The starts that are owed."""
        return [
            outgoing.to_request(one, self.key, NAMESPACE)[1].message for one in self.owed(Out.SCHEDULED_START)
        ]

    def answer(self) -> list[str]:
        """Let every start that is owed succeed; the workflow ids."""
        started = []
        for one in self.owed(Out.SCHEDULED_START):
            run_id = f"run of {one.workflow_id}"
            self.ask(types.Delivered(one.out_id, types.StartReply(run_id, run_id, True, 1), None))
            started.append(one.workflow_id)
        for kind in (Out.SCHEDULED_CANCEL, Out.SCHEDULED_TERMINATE):
            for one in self.owed(kind):
                self.told.append(one)
                self.ask(types.Delivered(one.out_id, True, None))
        return started

    def close(self, number: int, event: history.HistoryEvent) -> None:
        self.ask(types.ScheduledClosed(self.run_id, number, "run", event))

    def running(self) -> int:
        """Number of the action that runs."""
        assert self.chain is not None
        numbers = [
            part.number
            for name, part in self.chain.current.schedule.items()
            if name[:2] == "a/" and part.running
        ]
        return int(numbers[-1])


def hourly() -> schedule.ScheduleSpec:
    made = schedule.ScheduleSpec()
    made.interval.add().interval.seconds = 3600
    return canonical(made)


def completed(result: common.Payloads | None = None) -> history.HistoryEvent:
    event = history.HistoryEvent(event_type=2)  # type: ignore[arg-type]
    event.workflow_execution_completed_event_attributes.SetInParent()
    if result is not None:
        event.workflow_execution_completed_event_attributes.result.CopyFrom(result)
    return event


def failed(text: str = "broken") -> history.HistoryEvent:
    event = history.HistoryEvent(event_type=3)  # type: ignore[arg-type]
    event.workflow_execution_failed_event_attributes.failure.message = text
    return event


def backfill(hours: int, overlap: int) -> schedule.BackfillRequest:
    made = schedule.BackfillRequest(overlap_policy=overlap)  # type: ignore[arg-type]
    made.start_time.FromNanoseconds(BEGIN - 100 * HOUR)
    made.end_time.FromNanoseconds(BEGIN - 100 * HOUR + (hours - 1) * HOUR)
    return made


def test_a_time_that_comes_owes_one_start() -> None:
    plan = Plan().create()
    assert plan.requests() == []
    plan.pass_time(HOUR)
    (request,) = plan.requests()
    assert request.workflow_id == "wf-2023-11-14T23:00:00Z"
    assert request.identity == "temporal-scheduler-default-s"
    attributes = request.search_attributes.indexed_fields
    assert attributes["TemporalScheduledStartTime"].data == b'"2023-11-14T23:00:00Z"'
    assert attributes["TemporalScheduledById"].data == b'"s"'
    plan.answer()
    info = plan.info
    assert (info.action_count, len(info.running_workflows), len(info.recent_actions)) == (1, 1, 1)
    assert info.recent_actions[0].schedule_time.ToNanoseconds() == BEGIN + HOUR


def test_what_is_owed_survives_the_memory_and_keeps_its_request_id() -> None:
    plan = Plan().create()
    plan.pass_time(HOUR)
    before = plan.requests()
    assert plan.chain is not None
    parts = {f"z/{name}": codec.encode_value(part) for name, part in plan.chain.current.schedule.items()}
    parts |= {f"o/{number}": codec.encode_out(one) for number, one in plan.chain.out.items()}
    parts["terms"] = codec.encode_value(plan.chain.current.terms)
    plan.chain = codec.decode_chain(plan.key, codec.encode_header(plan.chain), parts)
    assert plan.requests() == before


def test_a_start_that_is_refused_was_not_due() -> None:
    plan = Plan().create()
    plan.pass_time(HOUR)
    (owed,) = plan.owed(Out.SCHEDULED_START)
    plan.ask(types.Delivered(owed.out_id, None, Rejected(Reason.ALREADY_STARTED, "it runs")))
    assert plan.info.action_count == 0 and not plan.info.running_workflows
    plan.pass_time(HOUR)
    assert len(plan.requests()) == 1


def test_while_one_runs_others_are_skipped() -> None:
    plan = Plan(SKIP).create()
    plan.pass_time(HOUR)
    plan.answer()
    plan.pass_time(3 * HOUR)
    assert plan.info.overlap_skipped == 3 and plan.requests() == []
    plan.close(plan.running(), completed())
    plan.pass_time(HOUR)
    assert len(plan.answer()) == 1


def test_a_start_under_way_counts_as_running() -> None:
    plan = Plan(SKIP).create()
    plan.pass_time(2 * HOUR)
    assert plan.info.overlap_skipped == 1 and len(plan.requests()) == 1


@pytest.mark.parametrize(
    ("overlap", "waiting", "skipped"),
    [(SKIP, 0, 3), (BUFFER_ONE, 1, 2), (BUFFER_ALL, 3, 0), (ALLOW_ALL, 0, 0)],
)
def test_overlap_policies_decide_what_waits(overlap: int, waiting: int, skipped: int) -> None:
    plan = Plan().create()
    plan.patch(backfill_request=[backfill(4, overlap)])
    info = plan.info
    assert (info.buffer_size, info.overlap_skipped) == (waiting, skipped)
    assert len(plan.answer()) == (4 if overlap == ALLOW_ALL else 1)


def test_what_waits_goes_one_after_another() -> None:
    plan = Plan().create()
    plan.patch(backfill_request=[backfill(3, BUFFER_ALL)])
    started = []
    for _ in range(3):
        started += plan.answer()
        plan.close(plan.running(), completed())
    assert len(set(started)) == 3 and plan.info.action_count == 3 and plan.info.buffer_size == 0


@pytest.mark.parametrize("overlap", [CANCEL_OTHER, TERMINATE_OTHER])
def test_others_are_ended_once_and_then_the_latest_goes(overlap: int) -> None:
    plan = Plan().create()
    plan.trigger(overlap)
    first = plan.answer()
    for _ in range(2):
        plan.now += SECOND
        plan.trigger(overlap)
        assert plan.answer() == []
    assert [one.workflow_id for one in plan.told] == first
    plan.close(plan.running(), completed())
    assert plan.answer() == [f"wf-2023-11-14T22:00:0{3}Z"] and plan.info.buffer_size == 0


def test_the_next_learns_the_result_of_the_last_and_what_failed_since() -> None:
    plan = Plan().create()
    for event in (completed(payloads(b'"first"')), failed("second")):
        plan.trigger()
        plan.answer()
        plan.close(plan.running(), event)
        plan.now += SECOND
    plan.trigger()
    (request,) = plan.requests()
    assert request.last_completion_result == payloads(b'"first"')
    assert request.continued_failure.message == "second"
    plan.answer()
    plan.close(plan.running(), completed(payloads(b'"third"')))
    plan.now += SECOND
    plan.trigger(ALLOW_ALL)
    assert not plan.requests()[0].HasField("last_completion_result")


def test_news_of_an_end_may_overtake_the_answer_to_the_start() -> None:
    plan = Plan().create()
    plan.trigger()
    (owed,) = plan.owed(Out.SCHEDULED_START)
    plan.close(owed.reference, completed())
    plan.ask(types.Delivered(owed.out_id, types.StartReply("run", "run", True, 1), None))
    info = plan.info
    assert info.action_count == 1 and not info.running_workflows
    assert info.recent_actions[0].start_workflow_status == 2


def test_a_failure_pauses_a_schedule_that_wants_it() -> None:
    plan = Plan(pause_on_failure=True).create()
    plan.pass_time(HOUR)
    (started,) = plan.answer()
    plan.close(plan.running(), failed("no luck"))
    shown = plan.describe()
    assert shown.schedule.state.paused
    assert shown.schedule.state.notes == f"paused due to workflow failure: {started}: no luck"
    plan.pass_time(DAY)
    assert plan.requests() == [] and plan.info.missed_catchup_window == 0


def test_a_paused_schedule_acts_only_when_told_to_and_makes_up_for_nothing() -> None:
    plan = Plan().create()
    plan.patch(pause="holidays")
    plan.pass_time(5 * HOUR)
    assert plan.requests() == []
    plan.trigger()
    assert len(plan.answer()) == 1
    plan.close(plan.running(), completed())
    plan.patch(unpause="back")
    assert plan.requests() == [] and plan.describe().schedule.state.notes == "back"
    plan.pass_time(HOUR)
    assert len(plan.requests()) == 1


def test_what_is_too_late_is_missed() -> None:
    plan = Plan(ALLOW_ALL)
    plan.definition.policies.catchup_window.FromSeconds(2 * 3600)
    plan.create()
    plan.now += 5 * HOUR
    plan.ask(types.Tick(timers=("schedule",)))
    assert plan.info.missed_catchup_window == 3 and len(plan.answer()) == 2


def test_only_so_many_actions_are_taken_and_manual_ones_are_free() -> None:
    plan = Plan(ALLOW_ALL)
    plan.definition.state.limited_actions = True
    plan.definition.state.remaining_actions = 2
    plan.create()
    assert len(plan.info.future_action_times) == 2
    plan.trigger()
    plan.pass_time(5 * HOUR)
    assert len(plan.answer()) == 3
    shown = plan.describe()
    assert shown.schedule.state.remaining_actions == 0 and not shown.info.future_action_times
    assert shown.conflict_token == (3).to_bytes(8, "big")


def test_an_update_replaces_all_and_a_stale_token_changes_nothing() -> None:
    plan = Plan().create()
    plan.definition.state.notes = "changed"
    plan.update(token=b"\0" * 8)
    assert plan.describe().schedule.state.notes == ""
    plan.update(token=plan.describe().conflict_token)
    shown = plan.describe()
    assert shown.schedule.state.notes == "changed" and shown.conflict_token == (2).to_bytes(8, "big")
    assert shown.info.update_time.ToNanoseconds() == plan.now


def test_an_update_without_search_attributes_keeps_them() -> None:
    plan = Plan()
    value = common.Payload(data=b'"x"', metadata={"encoding": b"json/plain", "type": b"Keyword"})
    message = ws.CreateScheduleRequest(schedule_id="s", schedule=plan.definition, request_id="r")
    message.search_attributes.indexed_fields["Mine"].CopyFrom(value)
    message.memo.fields["note"].CopyFrom(value)
    plan.ask(types.CreateSchedule(message, TEMPLATE))
    plan.update()
    shown = plan.describe()
    assert dict(shown.search_attributes.indexed_fields) == {"Mine": value}
    assert dict(shown.memo.fields) == {"note": value}
    plan.update(search_attributes=common.SearchAttributes())
    assert not plan.describe().search_attributes.indexed_fields


def test_a_patch_that_is_sent_again_does_nothing() -> None:
    plan = Plan(ALLOW_ALL).create()
    for _ in range(2):
        plan.patch("once", trigger_immediately=schedule.TriggerImmediatelyRequest())
    assert len(plan.answer()) == 1


def test_a_schedule_is_made_once() -> None:
    plan = Plan().create()
    plan.create()
    with pytest.raises(Rejected, match='schedule "s" is already registered'):
        plan.create(request_id="another")


def test_a_deleted_schedule_is_gone_and_its_id_is_free() -> None:
    plan = Plan().create()
    plan.ask(types.DeleteSchedule(ws.DeleteScheduleRequest(identity="me")))
    with pytest.raises(Rejected, match="schedule not found"):
        plan.describe()
    plan.pass_time(DAY)
    assert plan.requests() == []
    plan.create(request_id="another")
    plan.pass_time(HOUR)
    assert len(plan.requests()) == 1


def test_a_large_backfill_is_done_piece_by_piece() -> None:
    plan = Plan().create()
    plan.patch(backfill_request=[backfill(130, BUFFER_ALL)])
    plan.pass_time(SECOND)
    assert 100 <= plan.info.buffer_size < 130
    for _ in range(130):
        plan.answer()
        plan.close(plan.running(), completed())
        plan.pass_time(1)
    assert plan.info.action_count == 130 and plan.info.buffer_dropped == 0


def test_starts_that_carry_much_go_a_few_at_a_time() -> None:
    plan = Plan()
    request = start_message("wf", request_id="")
    request.input.CopyFrom(payloads(b"x" * (1 << 20)))
    message = ws.CreateScheduleRequest(schedule_id="s", schedule=plan.definition, request_id="r")
    plan.ask(types.CreateSchedule(message, request))
    plan.patch(backfill_request=[backfill(9, ALLOW_ALL)])
    assert len(plan.requests()) == 3 and plan.info.buffer_size == 6
    plan.pass_time(1)
    assert len(plan.answer()) == 9 and plan.info.action_count == 9


def test_a_schedule_with_nothing_more_to_do_goes_after_a_week() -> None:
    plan = Plan(spec=schedule.ScheduleSpec()).create()
    plan.pass_time(6 * DAY)
    assert plan.info.action_count == 0
    plan.pass_time(2 * DAY)
    with pytest.raises(Rejected, match="schedule not found"):
        plan.describe()


def test_descriptions_show_ten_times_to_come() -> None:
    found = [at.ToNanoseconds() for at in Plan().create().info.future_action_times]
    assert found == [BEGIN + hours * HOUR for hours in range(1, 11)]


def test_a_workflow_of_a_schedule_is_started_once_whatever_it_has_become() -> None:
    workflow = World("wf-now")
    link = ParentLink("default", NAMESPACE.id, PREFIX + "s", "schedule run", 1)
    message = start_message("wf-now", reuse=3, request_id="from the schedule")
    first = workflow.ask(types.Start(message, scheduled_by=link))
    again = workflow.ask(types.Start(message, scheduled_by=link))
    assert again.first_run_id == first.run_id and len(workflow.histories) == 1


def test_the_last_run_of_a_workflow_reports_its_end_to_the_schedule() -> None:
    workflow = World("wf-now")
    link = ParentLink("default", NAMESPACE.id, PREFIX + "s", "schedule run", 7)
    workflow.ask(types.Start(start_message("wf-now"), scheduled_by=link))
    first = workflow.run_id
    again = command.Command(command_type=kinds.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION)
    again.continue_as_new_workflow_execution_command_attributes.SetInParent()
    workflow.step(again)
    assert workflow.chain is not None and not workflow.chain.out
    workflow.pass_time(2 * SECOND)
    done = command.Command(command_type=kinds.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION)
    done.complete_workflow_execution_command_attributes.SetInParent()
    workflow.step(done)
    (owed,) = workflow.chain.out.values()
    target, news = outgoing.to_request(owed, workflow.key, NAMESPACE)
    assert target == (NAMESPACE.id, PREFIX + "s")
    assert (news.run_id, news.number, news.first_run_id) == ("schedule run", 7, first)
    assert news.event.event_type == 2
