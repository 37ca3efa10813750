"""What a run looks like from outside, open, closed and long gone; and where its history ends."""

import uuid
from typing import Any

import pytest

from tenuto.engine import types
from tenuto.engine.describe import execution_info
from tenuto.limits import HOUR, SECOND
from tenuto.wire import command as wire_command
from tenuto.wire import common, duration_pb2, sdk_metadata, workflow
from tenuto.wire import workflowservice as ws
from tests.engine.support import START_AT, World
from tests.engine.worlds import Worlds, canceled, complete, continue_as_new, start_child


def describe(world: World, run_id: str = "") -> ws.DescribeWorkflowExecutionResponse:
    reply: ws.DescribeWorkflowExecutionResponse = world.ask(types.Describe(run_id))
    assert world.last is not None and not world.last.dirty, "a read must not be committed"
    return reply


def begun(**fields: Any) -> World:
    world = World()
    world.start(**fields)
    return world


def seconds(count: int) -> duration_pb2.Duration:
    return duration_pb2.Duration(seconds=count)


def schedule_activity() -> wire_command.Command:
    command = wire_command.Command(command_type=1)  # type: ignore[arg-type]
    attributes = command.schedule_activity_task_command_attributes
    attributes.activity_id, attributes.activity_type.name, attributes.task_queue.name = "a", "Act", "q"
    attributes.start_to_close_timeout.seconds = 100
    return command


def test_a_plain_run_is_described_field_by_field() -> None:
    world = begun()
    run_id = world.run_id
    shown = describe(world)
    expected = ws.DescribeWorkflowExecutionResponse()
    config = expected.execution_config
    config.task_queue.name, config.task_queue.kind = "queue", 1  # type: ignore[assignment]
    config.default_workflow_task_timeout.seconds = 10
    info = expected.workflow_execution_info
    info.execution.workflow_id, info.execution.run_id = "w", run_id
    info.type.name, info.task_queue, info.first_run_id = "Flow", "queue", run_id
    info.start_time.seconds = info.execution_time.seconds = START_AT // SECOND
    info.status, info.history_length, info.state_transition_count = 1, 2, 1  # type: ignore[assignment]
    info.history_size_bytes = shown.workflow_execution_info.history_size_bytes
    assert info.history_size_bytes > 0
    info.memo.SetInParent()
    info.search_attributes.SetInParent()
    info.auto_reset_points.SetInParent()
    info.root_execution.workflow_id, info.root_execution.run_id = "w", run_id
    task = expected.pending_workflow_task
    task.state, task.attempt = 1, 1  # type: ignore[assignment]
    task.scheduled_time.seconds = task.original_scheduled_time.seconds = START_AT // SECOND
    extended = expected.workflow_extended_info
    extended.run_expiration_time.seconds = -62_135_596_800
    extended.original_start_time.seconds = START_AT // SECOND
    extended.request_id_infos["start-request"].event_type = 1  # type: ignore[assignment]
    extended.request_id_infos["start-request"].event_id = 1
    assert shown == expected


def test_terms_given_at_the_start_are_shown() -> None:
    memo = common.Memo(fields={"m": common.Payload(data=b"1")})
    metadata = sdk_metadata.UserMetadata(summary=common.Payload(data=b'"s"'))
    world = World()
    world.now += 163_127_830
    world.start(
        workflow_execution_timeout=seconds(3600),
        memo=memo,
        user_metadata=metadata,
        priority=common.Priority(priority_key=2),
    )
    shown = describe(world)
    config, info, extended = (
        shown.execution_config,
        shown.workflow_execution_info,
        shown.workflow_extended_info,
    )
    assert config.workflow_execution_timeout.seconds == config.workflow_run_timeout.seconds == 3600
    assert config.user_metadata == metadata and info.memo == memo and info.priority.priority_key == 2
    assert info.start_time.nanos == 163_127_830
    assert extended.execution_expiration_time.seconds == START_AT // SECOND + 3600
    assert extended.execution_expiration_time.nanos == 163_000_000, "whole milliseconds"
    assert extended.run_expiration_time == extended.execution_expiration_time


def test_a_run_timeout_alone_keeps_its_nanoseconds() -> None:
    world = World()
    world.now += 601_750_198
    world.start(workflow_run_timeout=seconds(1))
    shown = describe(world)
    assert shown.workflow_extended_info.run_expiration_time.nanos == 601_750_198
    assert not shown.workflow_extended_info.HasField("execution_expiration_time")
    assert not shown.execution_config.HasField("workflow_execution_timeout")
    assert shown.execution_config.default_workflow_task_timeout.seconds == 1


def test_a_started_task_says_since_when() -> None:
    world = begun()
    world.now += SECOND
    world.poll()
    task = describe(world).pending_workflow_task
    assert task.state == 2 and task.started_time.seconds == START_AT // SECOND + 1
    assert task.scheduled_time.seconds == START_AT // SECOND


def test_a_delayed_run_shows_when_it_will_begin_and_no_task() -> None:
    shown = describe(begun(workflow_start_delay=seconds(30)))
    assert shown.workflow_execution_info.execution_time.seconds == START_AT // SECOND + 30
    assert not shown.HasField("pending_workflow_task")


def test_pending_activities_and_children_are_listed_by_age() -> None:
    worlds = Worlds("p")
    worlds["p"].step(start_child("c"), schedule_activity(), start_child("d", parent_close_policy=2))
    worlds.deliver("p", worlds.owed("p")[1])
    shown = describe(worlds["p"])
    assert [activity.activity_id for activity in shown.pending_activities] == ["a"]
    first, second = shown.pending_children
    assert (first.workflow_id, first.run_id, first.initiated_id) == ("c", "", 5)
    assert (second.workflow_id, second.run_id, second.initiated_id) == ("d", worlds["d"].run_id, 7)
    assert (first.parent_close_policy, second.parent_close_policy) == (1, 2)
    assert first.workflow_type_name == "Child"


def test_a_child_shows_its_parent_its_root_and_an_explicit_run_timeout() -> None:
    worlds = Worlds("p")
    worlds["p"].step(start_child("c"))
    worlds.settle()
    shown = describe(worlds["c"])
    info = shown.workflow_execution_info
    parent = common.WorkflowExecution(workflow_id="p", run_id=worlds["p"].run_id)
    assert info.parent_namespace_id == worlds["p"].key[0]
    assert info.parent_execution == parent and info.root_execution == parent
    assert shown.execution_config.HasField("workflow_run_timeout")
    assert list(shown.workflow_extended_info.request_id_infos) == [f"{worlds['p'].run_id}:5:0"]


def test_a_closed_run_still_lists_what_was_pending() -> None:
    world = begun()
    world.step(schedule_activity())
    world.now += 3 * SECOND + 5
    world.ask(types.Terminate(ws.TerminateWorkflowExecutionRequest()))
    shown = describe(world)
    info = shown.workflow_execution_info
    assert info.status == 5 and info.close_time.seconds == START_AT // SECOND + 3
    assert (info.execution_duration.seconds, info.execution_duration.nanos) == (3, 5)
    assert [activity.activity_id for activity in shown.pending_activities] == ["a"]
    assert not shown.HasField("pending_workflow_task")


def test_a_run_closed_before_it_was_to_begin_has_a_negative_duration() -> None:
    world = begun(workflow_start_delay=seconds(100))
    world.now += SECOND // 2
    world.ask(types.Terminate(ws.TerminateWorkflowExecutionRequest()))
    duration = describe(world).workflow_execution_info.execution_duration
    assert (duration.seconds, duration.nanos) == (-99, -500_000_000)


def test_a_run_that_is_no_longer_current_is_described_from_its_record() -> None:
    worlds = Worlds("p")
    world = worlds["p"]
    first = world.run_id
    world.step(schedule_activity(), start_child("c"))
    worlds.settle()
    world.step(continue_as_new())
    shown = describe(world, first)
    info = shown.workflow_execution_info
    assert (info.execution.run_id, info.status, info.first_run_id) == (first, 6, first)
    assert info.history_length == len(world.histories[first])
    assert len(shown.pending_activities) == 1 and len(shown.pending_children) == 1
    now = describe(world).workflow_execution_info
    assert now.execution.run_id == world.run_id != first and now.first_run_id == first
    assert now.root_execution.run_id == world.run_id


def test_reset_runs_name_each_other_and_their_beginnings() -> None:
    world = begun()
    world.step()
    base = world.run_id
    world.now += HOUR
    reset = ws.ResetWorkflowExecutionRequest(reason="r", workflow_task_finish_event_id=4, request_id="x")
    world.ask(types.Reset(reset, base, tuple(world.histories[base])))
    old, new = describe(world, base).workflow_extended_info, describe(world).workflow_extended_info
    assert old.reset_run_id == world.run_id and not old.HasField("last_reset_time")
    assert new.last_reset_time.seconds == (START_AT + HOUR) // SECOND
    assert new.original_start_time.seconds == START_AT // SECOND
    assert describe(world).workflow_execution_info.start_time.seconds == (START_AT + HOUR) // SECOND


def test_a_requested_cancel_and_a_pause_are_visible() -> None:
    world = World(namespace=types.Namespace(str(uuid.UUID(int=1)), "default", HOUR, pause_enabled=True))
    world.start()
    world.ask(types.RequestCancel(ws.RequestCancelWorkflowExecutionRequest()))
    assert describe(world).workflow_extended_info.cancel_requested
    world.ask(types.PauseRun(ws.PauseWorkflowExecutionRequest(identity="me", reason="why", request_id="p")))
    shown = describe(world)
    assert shown.workflow_execution_info.status == 8
    pause = shown.workflow_extended_info.pause_info
    assert (pause.identity, pause.reason, pause.paused_time.seconds) == ("me", "why", START_AT // SECOND)


def test_an_override_of_versions_is_shown_also_where_older_clients_look() -> None:
    override = workflow.VersioningOverride(auto_upgrade=True)
    info = describe(begun(versioning_override=override)).workflow_execution_info
    assert info.versioning_info.versioning_override.behavior == 2
    assert (
        info.search_attributes.indexed_fields["TemporalWorkflowVersioningBehavior"].data == b'"AutoUpgrade"'
    )


def test_timeouts_are_shown_when_the_start_named_them_be_they_zero() -> None:
    zero = duration_pb2.Duration()
    silent = describe(begun()).execution_config
    spoken = describe(begun(workflow_run_timeout=zero, workflow_execution_timeout=zero)).execution_config
    for field in ("workflow_run_timeout", "workflow_execution_timeout"):
        assert (silent.HasField(field), spoken.HasField(field)) == (False, True)


def test_reset_points_and_search_attributes_are_shown() -> None:
    world = begun()
    world.step()
    info = describe(world).workflow_execution_info
    [point] = info.auto_reset_points.points
    assert point.run_id == world.run_id and point.first_workflow_task_completed_id == 4 and point.resettable
    assert info.search_attributes.indexed_fields["BuildIds"].data == b'["unversioned"]'


def test_callbacks_stand_by_until_the_workflow_closes() -> None:
    callback = common.Callback(nexus=common.Callback.Nexus(url="http://localhost/cb"))
    [shown] = describe(begun(completion_callbacks=[callback])).callbacks
    assert shown.callback == callback and shown.state == 1
    assert shown.trigger.HasField("workflow_closed") and shown.registration_time.seconds == START_AT // SECOND


def test_the_same_facts_make_a_visibility_row() -> None:
    world = begun()
    assert world.chain is not None
    state = world.chain.current
    info = execution_info(state.run, state.terms, "w")
    assert isinstance(info, workflow.WorkflowExecutionInfo)
    assert info == describe(world).workflow_execution_info


def test_what_does_not_exist_is_not_found() -> None:
    other = str(uuid.uuid4())
    with pytest.raises(types.Rejected, match="workflow not found for ID: w"):
        World().ask(types.Describe())
    with pytest.raises(types.Rejected) as refused:
        begun().ask(types.Describe(other))
    assert refused.value.message == f'workflow execution not found for workflow ID "w" and run ID "{other}"'
    with pytest.raises(types.Rejected, match="workflow not found for ID: w"):
        World().ask(types.AskHistory())


# ---- where history ends -----------------------------------------------------------------------------------------------


def ask_history(world: World, run_id: str = "") -> types.HistoryReply:
    reply: types.HistoryReply = world.ask(types.AskHistory(run_id))
    assert world.last is not None and not world.last.dirty
    return reply


def fail_task(world: World) -> None:
    handout = world.poll()
    from tests.engine.support import token_of

    message = ws.RespondWorkflowTaskFailedRequest(cause=14, identity="worker")  # type: ignore[arg-type]
    world.ask(types.FailWorkflowTask(token_of(handout), message))


def test_an_open_run_with_a_recorded_task_has_no_virtual_tail() -> None:
    world = begun()
    assert ask_history(world) == types.HistoryReply(world.run_id, 3, True, 0, ())
    world.poll()
    assert ask_history(world).virtual == ()


def test_a_transient_task_hangs_on_as_a_virtual_tail_without_its_workers_name() -> None:
    world = begun()
    fail_task(world)
    reply = ask_history(world)
    assert reply.next_event_id == 5
    [scheduled] = reply.virtual
    assert (scheduled.event_id, scheduled.event_type) == (5, 5)
    assert scheduled.workflow_task_scheduled_event_attributes.attempt == 2
    handout = world.poll()
    scheduled, started = ask_history(world).virtual
    assert (started.event_id, started.event_type) == (6, 6)
    attributes = started.workflow_task_started_event_attributes
    assert attributes.identity == "" and attributes.request_id and attributes.scheduled_event_id == 5
    assert handout.virtual[1].workflow_task_started_event_attributes.identity == "worker"


def test_a_signal_beside_a_transient_task_ends_the_tail() -> None:
    world = begun()
    fail_task(world)
    world.signal()
    assert ask_history(world).virtual == (), "its id is taken: it will be scheduled anew when it is started"


@pytest.mark.parametrize("closing", [complete(), canceled()])
def test_a_closed_run_names_its_last_event(closing: wire_command.Command) -> None:
    world = begun()
    world.step(closing)
    assert ask_history(world) == types.HistoryReply(world.run_id, 6, False, 5, ())


def test_the_history_of_a_run_that_is_no_longer_current_is_found() -> None:
    world = begun()
    first = world.run_id
    world.step(continue_as_new())
    assert ask_history(world, first) == types.HistoryReply(first, 6, False, 5, ())
    assert ask_history(world).run_id == world.run_id
