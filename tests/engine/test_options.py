"""Options of a running workflow, and pausing it."""

from typing import Any

import msgspec
import pytest

from tenuto.engine import agenda, options, types
from tenuto.engine.chain import Terms
from tenuto.engine.types import Reason
from tenuto.limits import SECOND
from tenuto.wire import common, field_mask_pb2, workflow
from tenuto.wire import workflowservice as ws
from tests.engine.activities import scheduled
from tests.engine.support import NAMESPACE, World
from tests.engine.words import begun, current, done, fail_task, last, refused, said, terminate


def pausable() -> World:
    world = World(namespace=msgspec.structs.replace(NAMESPACE, pause_enabled=True))
    world.start()
    return world


def pause(world: World, request_id: str = "p") -> None:
    world.ask(
        types.PauseRun(ws.PauseWorkflowExecutionRequest(identity="op", reason="why", request_id=request_id))
    )


def unpause(world: World) -> None:
    world.ask(types.UnpauseRun(ws.UnpauseWorkflowExecutionRequest(identity="op", request_id="u")))


def change(*paths: str, **options: Any) -> types.UpdateOptions:
    return types.UpdateOptions(
        ws.UpdateWorkflowExecutionOptionsRequest(
            workflow_execution_options=workflow.WorkflowExecutionOptions(**options),
            update_mask=field_mask_pb2.FieldMask(paths=paths),
            identity="op",
        )
    )


def terms(world: World) -> Terms:
    assert world.chain is not None
    return world.chain.current.terms


def test_a_change_of_options_is_an_event_that_workers_may_ignore_and_no_task() -> None:
    world = begun()
    world.step()
    reply = world.ask(change("priority", priority=common.Priority(priority_key=2)))
    assert reply.workflow_execution_options.priority.priority_key == 2
    assert (world.names()[-1], last(world).worker_may_ignore, current(world).task) == (
        "WF_OPTIONS_UPDATED",
        True,
        None,
    )


def test_a_change_that_changes_nothing_is_no_event() -> None:
    world = begun()
    wanted = change("priority.priority_key", priority=common.Priority(priority_key=2))
    world.ask(wanted)
    events = len(world.history)
    world.ask(wanted)
    world.ask(change("versioning_override"))
    assert len(world.history) == events


def test_only_the_named_fields_change() -> None:
    world = begun(priority=common.Priority(priority_key=1, fairness_key="f"))
    reply = world.ask(
        change("priority.fairnessKey", priority=common.Priority(priority_key=5, fairness_key="g"))
    )
    assert reply.workflow_execution_options.priority == common.Priority(priority_key=1, fairness_key="g")


def test_a_versioning_override_can_be_set_and_taken_away() -> None:
    world = begun()
    override = workflow.VersioningOverride(auto_upgrade=True)
    world.ask(change("versioning_override", versioning_override=override))
    assert said(last(world)).versioning_override == override
    world.ask(change("versioning_override"))
    assert said(last(world)).unset_versioning_override


def test_only_a_run_without_an_override_counts_as_unversioned() -> None:
    world = begun()
    world.step()
    seen = []
    for versioning in ({"versioning_override": workflow.VersioningOverride(auto_upgrade=True)}, {}):
        seen.append("BuildIds" in terms(world).search_attributes)
        world.ask(change("versioning_override", **versioning))
    assert [*seen, "BuildIds" in terms(world).search_attributes] == [True, False, True]


def test_builds_that_have_worked_on_a_run_stay_named_whatever_ties_it_to_a_version() -> None:
    world = begun()
    world.step(worker_version_stamp=common.WorkerVersionStamp(build_id="b1"))
    seen = []
    for versioning in ({"versioning_override": workflow.VersioningOverride(auto_upgrade=True)}, {}):
        world.ask(change("versioning_override", **versioning))
        seen.append(common.Payload.FromString(terms(world).search_attributes["BuildIds"]).data)
    assert seen == [b'["unversioned:b1"]', b'["unversioned","unversioned:b1"]']


def test_a_task_of_a_run_with_an_override_leaves_no_build_id() -> None:
    world = begun(versioning_override=workflow.VersioningOverride(auto_upgrade=True))
    world.step()
    assert "BuildIds" not in terms(world).search_attributes


def test_deprecated_words_for_an_override_become_present_ones() -> None:
    world = begun()
    deprecated = workflow.VersioningOverride(behavior=2)  # type: ignore[arg-type]
    world.ask(change("versioning_override", versioning_override=deprecated))
    assert said(last(world)).versioning_override == workflow.VersioningOverride(auto_upgrade=True)


def test_no_run_is_tied_to_a_version_that_no_worker_has() -> None:
    world = begun()
    pinned = workflow.VersioningOverride()
    pinned.pinned.version.deployment_name, pinned.pinned.version.build_id = "d", "b"
    older = workflow.VersioningOverride(behavior=options.PINNED, pinned_version="d.b")
    for override in (pinned, older):
        refusal = refused(world, change("versioning_override", versioning_override=override))
        text = "Pinned version 'd:b' is not present in task queue 'queue' of type 'Workflow'"
        assert (refusal.reason, refusal.message) == (Reason.PRECONDITION, text)


def test_the_event_says_all_options_changed_or_not() -> None:
    world = begun()
    world.ask(change("priority", priority=common.Priority(priority_key=4)))
    assert said(last(world)).unset_versioning_override
    world.ask(
        change("versioning_override", versioning_override=workflow.VersioningOverride(auto_upgrade=True))
    )
    assert said(last(world)).priority.priority_key == 4


def test_unknown_paths_and_closed_runs_are_refused() -> None:
    world = begun()
    assert refused(world, change("nope")).reason is Reason.INVALID
    terminate(world)
    assert refused(world, change("priority")).reason is Reason.NOT_FOUND


def test_a_change_beside_a_started_task_waits() -> None:
    world = begun()
    handout = world.poll()
    world.ask(change("priority", priority=common.Priority(priority_key=2)))
    assert world.names()[-1] == "WFT_STARTED"
    world.respond(handout)
    assert world.names()[3:] == ["WFT_COMPLETED", "WF_OPTIONS_UPDATED", "WFT_SCHEDULED"]


# ---- pause --------------------------------------------------------------------------------------------------------------


def test_pausing_must_be_enabled() -> None:
    world = begun()
    assert refused(world, types.PauseRun(ws.PauseWorkflowExecutionRequest())).reason is Reason.UNIMPLEMENTED
    refusal = refused(world, types.UnpauseRun(ws.UnpauseWorkflowExecutionRequest()))
    assert (refusal.reason, refusal.message) == (Reason.PRECONDITION, "workflow is not paused.")


def test_a_task_that_waits_is_failed_by_a_pause() -> None:
    world = pausable()
    pause(world)
    assert world.names()[2:] == ["WFT_FAILED", "WF_PAUSED"]
    failed = said(world.history[2])
    assert (failed.cause, failed.started_event_id, failed.identity) == (39, 0, "history-service")


def test_a_later_attempt_that_waits_vanishes_without_an_event() -> None:
    world = pausable()
    fail_task(world)
    pause(world)
    assert world.names()[3:] == ["WFT_FAILED", "WF_PAUSED"]


def test_a_started_task_may_be_completed_in_a_pause_and_none_follows() -> None:
    world = pausable()
    handout = world.poll()
    pause(world)
    world.signal()
    world.respond(handout)
    assert world.names()[3:] == ["WFT_COMPLETED", "WF_PAUSED", "WF_SIGNALED"]
    unpause(world)
    assert world.names()[6:] == ["WF_UNPAUSED", "WFT_SCHEDULED"]
    assert said(last(world)).attempt == 1


def test_a_paused_workflow_shows_it_and_hears_but_does_not_act() -> None:
    world = pausable()
    world.step(scheduled())
    pause(world)
    assert current(world).status == 8
    world.signal()
    assert world.chain is not None
    assert world.agenda is not None
    assert not list(agenda.dispatches(world.chain, world.agenda))
    unpause(world)
    assert [offer.kind for offer in agenda.dispatches(world.chain, world.agenda)] == [1, 2]


def test_an_offer_of_an_activity_from_before_a_pause_is_void() -> None:
    world = pausable()
    world.step(scheduled())
    pause(world)
    unpause(world)
    assert refused(world, types.StartActivityTask(world.run_id, 5, 1, 0, "w", "r")).reason is Reason.NOT_FOUND
    world.poll_activity()


def test_pausing_twice_is_refused_unless_it_is_the_same_request() -> None:
    world = pausable()
    pause(world)
    events = len(world.history)
    pause(world)
    assert len(world.history) == events
    with pytest.raises(types.Rejected, match="already paused"):
        pause(world, "other")


def test_unpausing_what_is_not_paused_is_refused() -> None:
    refusal = refused(pausable(), types.UnpauseRun(ws.UnpauseWorkflowExecutionRequest()))
    assert (refusal.reason, refusal.message) == (Reason.PRECONDITION, "workflow is not paused.")


def test_time_runs_out_in_a_pause_too() -> None:
    world = World(namespace=msgspec.structs.replace(NAMESPACE, pause_enabled=True))
    world.start(workflow_run_timeout={"seconds": 5})
    pause(world)
    world.pass_time(5 * SECOND)
    assert (world.names()[-1], current(world).status) == ("WF_TIMED_OUT", 7)


def test_a_closed_workflow_cannot_be_paused() -> None:
    world = pausable()
    world.step(done())
    assert refused(world, types.PauseRun(ws.PauseWorkflowExecutionRequest())).reason is Reason.NOT_FOUND
