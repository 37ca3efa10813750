"""Workers and the service: polls, completions, queries and updates, with a real shard behind."""

import asyncio
from typing import Any

import pytest

from tenuto.service.errors import Code, ServiceError
from tenuto.wire import any_pb2, failure, protocol, update
from tests.service.house import House, S, on_virtual_time, said


def activity(name: str) -> dict[str, Any]:
    return {
        "command_type": 1,
        "schedule_activity_task_command_attributes": {
            "activity_id": name,
            "activity_type": {"name": "A"},
            "task_queue": {"name": "aq"},
            "start_to_close_timeout": {"seconds": 10},
            "input": {"payloads": [{"data": b"in"}]},
        },
    }


def test_a_poll_without_work_is_answered_empty_before_its_deadline() -> None:
    async def scene(house: House) -> None:
        for method in ("PollWorkflowTaskQueue", "PollActivityTaskQueue", "PollNexusTaskQueue"):
            begun = house.clock.now()
            poll = house.begin(method, 10, task_queue={"name": "q"})
            await house.clock.flow(9 * S - 1)
            assert not poll.done()
            await house.clock.flow(1)
            assert not (await poll).task_token
            assert house.clock.now() == begun + 9 * S

    on_virtual_time(scene)


@pytest.mark.parametrize("method", ["PollWorkflowTaskQueue", "PollActivityTaskQueue", "PollNexusTaskQueue"])
def test_a_poll_needs_time_to_wait(method: str) -> None:
    async def scene(house: House) -> None:
        short = await house.refusal(method, seconds=1.9, task_queue={"name": "q"})
        assert said(short) == (Code.FAILED_PRECONDITION, "Context timeout is too short.")
        none = await house.refusal(method, seconds=0, task_queue={"name": "q"})
        assert said(none) == (Code.INVALID_ARGUMENT, "Context timeout is not set.")

    on_virtual_time(scene)


def test_a_task_arrives_with_its_history() -> None:
    async def scene(house: House) -> None:
        started = await house.start()
        task = await house.poll()
        assert [event.event_id for event in task.history.events] == [1, 2, 3]
        assert task.started_event_id == 3 and task.workflow_execution.run_id == started.run_id
        assert task.workflow_execution_task_queue.name == "q" and not task.next_page_token

    on_virtual_time(scene)


def test_the_task_of_a_cancelled_poll_reaches_the_next_one() -> None:
    async def scene(house: House) -> None:
        poll = house.begin("PollWorkflowTaskQueue", 60, task_queue={"name": "q"})
        await house.clock.flow()
        poll.cancel()
        await house.clock.flow()
        await house.start()
        assert (await house.poll()).started_event_id == 3

    on_virtual_time(scene)


def test_an_activity_goes_out_and_its_result_comes_back() -> None:
    async def scene(house: House) -> None:
        await house.start()
        await house.complete(await house.poll(), activity("a"))
        task = await house.call("PollActivityTaskQueue", 60, task_queue={"name": "aq"}, identity="me")
        assert task.activity_id == "a" and task.input.payloads[0].data == b"in"
        assert task.retry_policy.backoff_coefficient == 2
        await house.call("RecordActivityTaskHeartbeat", task_token=task.task_token)
        await house.call("RespondActivityTaskCompleted", task_token=task.task_token)
        again = await house.refusal("RespondActivityTaskCompleted", task_token=task.task_token)
        assert said(again) == (
            Code.NOT_FOUND,
            "invalid activityID or activity already timed out or invoking workflow is completed",
        )
        kinds = [event.event_type for event in (await house.poll()).history.events]
        assert kinds[-4:] == [11, 12, 5, 6]

    on_virtual_time(scene)


def test_a_token_counts_only_in_its_own_namespace_and_as_what_it_is() -> None:
    async def scene(house: House) -> None:
        await house.start()
        task = await house.poll()
        other = await house.refusal(
            "RespondWorkflowTaskFailed", namespace="temporal-system", task_token=task.task_token
        )
        assert said(other) == (
            Code.INVALID_ARGUMENT,
            "Operation requested with a token from a different namespace.",
        )
        kind = await house.refusal("RespondActivityTaskCompleted", task_token=task.task_token)
        assert kind.code is Code.NOT_FOUND
        bent = await house.refusal("RespondWorkflowTaskCompleted", task_token=b"abc")
        assert said(bent) == (Code.INVALID_ARGUMENT, "Error deserializing task token.")
        none = await house.refusal("RespondWorkflowTaskCompleted")
        assert said(none) == (Code.INVALID_ARGUMENT, "Task token not set on request.")
        await house.complete(task, namespace="")

    on_virtual_time(scene)


def test_unknown_search_attributes_in_a_command_fail_the_task() -> None:
    async def scene(house: House) -> None:
        await house.start()
        upsert = {
            "command_type": 13,
            "upsert_workflow_search_attributes_command_attributes": {
                "search_attributes": {"indexed_fields": {"Nope": {"data": b"1"}}}
            },
        }
        task = await house.poll()
        error = await house.refusal(
            "RespondWorkflowTaskCompleted", task_token=task.task_token, commands=[upsert]
        )
        assert error.code is Code.INVALID_ARGUMENT
        assert error.message.startswith("BadSearchAttributes: ")
        page = await house.call("GetWorkflowExecutionHistory", execution={"workflow_id": "w"})
        failed = page.history.events[3].workflow_task_failed_event_attributes
        assert failed.cause == 23 and failed.failure.message == error.message

    on_virtual_time(scene)


# ---- queries ----------------------------------------------------------------------------------------------------


def ask(house: House, **fields: Any) -> "asyncio.Task[Any]":
    wanted = {"execution": {"workflow_id": "w"}, "query": {"query_type": "state"}, **fields}
    return house.begin("QueryWorkflow", 10, **wanted)


def test_a_query_on_a_resting_workflow_is_a_task_of_its_own() -> None:
    async def scene(house: House) -> None:
        await house.start()
        await house.complete(await house.poll())
        query = ask(house)
        task = await house.poll()
        assert task.query.query_type == "state" and task.started_event_id == 0
        assert [event.event_id for event in task.history.events] == [1, 2, 3, 4]
        await house.call(
            "RespondQueryTaskCompleted",
            task_token=task.task_token,
            completed_type=1,
            query_result={"payloads": [{"data": b"42"}]},
        )
        assert (await query).query_result.payloads[0].data == b"42"
        late = await house.refusal("RespondQueryTaskCompleted", task_token=task.task_token)
        assert said(late) == (Code.NOT_FOUND, "query task not found, or already expired")

    on_virtual_time(scene)


def test_a_query_before_the_first_task_rides_on_it() -> None:
    async def scene(house: House) -> None:
        await house.start()
        query = ask(house)
        await house.clock.flow()
        task = await house.poll()
        (name,) = task.queries
        await house.complete(
            task, query_results={name: {"result_type": 1, "answer": {"payloads": [{"data": b"ok"}]}}}
        )
        await house.clock.flow()
        assert (await query).query_result.payloads[0].data == b"ok"

    on_virtual_time(scene)


def test_a_query_that_fails_says_why_with_a_typed_detail() -> None:
    async def scene(house: House) -> None:
        await house.start()
        await house.complete(await house.poll())
        query = ask(house)
        task = await house.poll()
        await house.call(
            "RespondQueryTaskCompleted",
            task_token=task.task_token,
            completed_type=2,
            error_message="unknown query",
            failure={"message": "f"},
        )
        await house.clock.flow()
        with pytest.raises(ServiceError) as caught:
            await query
        assert said(caught.value) == (Code.INVALID_ARGUMENT, "unknown query")
        assert caught.value.details[0].failure.message == "f"  # type: ignore[attr-defined]

    on_virtual_time(scene)


def test_a_query_that_no_worker_takes_ends_before_its_deadline() -> None:
    async def scene(house: House) -> None:
        await house.start()
        await house.complete(await house.poll())
        query = ask(house)
        await house.clock.flow(10 * S)
        with pytest.raises(ServiceError) as caught:
            await query
        assert said(caught.value) == (
            Code.DEADLINE_EXCEEDED,
            "query timed out before a worker could process it",
        )

    on_virtual_time(scene)


def test_a_query_falls_back_from_a_silent_sticky_queue() -> None:
    async def scene(house: House) -> None:
        await house.start()
        sticky = {
            "worker_task_queue": {"name": "mine", "kind": 2, "normal_name": "q"},
            "schedule_to_start_timeout": {"seconds": 5},
        }
        await house.complete(await house.poll(), sticky_attributes=sticky)
        query = ask(house)
        task = await house.poll()
        assert task.query.query_type == "state" and len(task.history.events) == 4
        await house.call("RespondQueryTaskCompleted", task_token=task.task_token, completed_type=1)
        await query

    on_virtual_time(scene)


# ---- updates ----------------------------------------------------------------------------------------------------


def message(name: str, update_id: str, body: Any) -> protocol.Message:
    box = any_pb2.Any()
    box.Pack(body)
    return protocol.Message(id=name, protocol_instance_id=update_id, body=box)


def the_request(update_id: str) -> update.Request:
    return update.Request(meta=update.Meta(update_id=update_id), input=update.Input(name="set"))


def accept(task: Any, update_id: str = "u") -> protocol.Message:
    (asked,) = task.messages
    return message(
        "accept",
        update_id,
        update.Acceptance(
            accepted_request_message_id=asked.id,
            accepted_request_sequencing_event_id=asked.event_id,
            accepted_request=the_request(update_id),
        ),
    )


def says(name: str) -> dict[str, Any]:
    return {"command_type": 14, "protocol_message_command_attributes": {"message_id": name}}


def send(house: House, seconds: float = 60, **fields: Any) -> "asyncio.Task[Any]":
    request = {"meta": {"update_id": "u"}, "input": {"name": "set"}, "request_id": "rq"}
    wanted = {"workflow_execution": {"workflow_id": "w"}, "request": request, **fields}
    return house.begin("UpdateWorkflowExecution", seconds, **wanted)


async def resting(house: House) -> None:
    await house.start()
    await house.complete(await house.poll())


def test_an_update_is_accepted_then_completed() -> None:
    async def scene(house: House) -> None:
        await resting(house)
        sent = send(house, wait_policy={"lifecycle_stage": 2})
        task = await house.poll()
        await house.complete(task, says("accept"), messages=[accept(task)])
        await house.clock.flow()
        answer = await sent
        assert answer.stage == 2 and not answer.HasField("outcome")
        assert answer.link.workflow_event.request_id_ref.request_id == "rq"
        waiting = house.begin(
            "PollWorkflowExecutionUpdate",
            60,
            update_ref=answer.update_ref,
            wait_policy={"lifecycle_stage": 3},
        )
        await house.clock.flow(20 * S)
        soft = await waiting
        assert soft.stage == 2 and not soft.HasField("outcome")

    on_virtual_time(scene)


def test_a_rejected_update_is_an_answer_and_leaves_no_trace() -> None:
    async def scene(house: House) -> None:
        await resting(house)
        sent = send(house)
        task = await house.poll()
        (asked,) = task.messages
        no = update.Rejection(
            rejected_request_message_id=asked.id,
            rejected_request_sequencing_event_id=asked.event_id,
            rejected_request=the_request("u"),
            failure=failure.Failure(message="no"),
        )
        done = await house.complete(task, says("no"), messages=[message("no", "u", no)])
        await house.clock.flow()
        answer = await sent
        assert answer.stage == 3 and answer.outcome.failure.message == "no"
        assert answer.link.workflow.reason == "Update rejected"
        assert done.reset_history_event_id == 3
        gone = await house.refusal(
            "PollWorkflowExecutionUpdate",
            update_ref={"workflow_execution": {"workflow_id": "w"}, "update_id": "u"},
        )
        assert said(gone) == (Code.NOT_FOUND, 'update "u" not found')

    on_virtual_time(scene)


def test_an_update_that_nobody_handles_is_admitted_softly() -> None:
    async def scene(house: House) -> None:
        await resting(house)
        sent = send(house)
        await house.clock.flow(20 * S)
        answer = await sent
        assert answer.stage == 1 and not answer.HasField("outcome")

    on_virtual_time(scene)


def test_updates_are_checked_member_by_member_in_update_with_start() -> None:
    start = {"workflow_id": "w", "workflow_type": {"name": "T"}, "task_queue": {"name": "q"}}
    change = {
        "workflow_execution": {"workflow_id": "w"},
        "request": {"meta": {"update_id": "u"}, "input": {"name": "set"}},
    }

    async def scene(house: House) -> None:
        shape = await house.refusal("ExecuteMultiOperation", operations=[{"start_workflow": start}])
        assert said(shape) == (Code.INVALID_ARGUMENT, "Operations have to be exactly [Start, Update].")
        error = await house.refusal(
            "ExecuteMultiOperation",
            operations=[
                {"start_workflow": {**start, "cron_schedule": "* * * * *"}},
                {"update_workflow": change},
            ],
        )
        assert said(error) == (Code.INVALID_ARGUMENT, "Update-with-Start could not be executed.")
        statuses = error.details[0].statuses  # type: ignore[attr-defined]
        assert [(one.code, one.message) for one in statuses] == [
            (3, "CronSchedule is not allowed."),
            (10, "Operation was aborted."),
        ]
        assert statuses[1].details[0].type_url.endswith("MultiOperationExecutionAborted")
        both = house.begin(
            "ExecuteMultiOperation",
            60,
            operations=[{"start_workflow": start}, {"update_workflow": change}],
        )
        task = await house.poll()
        await house.complete(task, says("accept"), messages=[accept(task)])
        await house.clock.flow(20 * S)
        answer = await both
        assert answer.responses[0].start_workflow.started
        assert answer.responses[1].update_workflow.stage == 2

    on_virtual_time(scene)
