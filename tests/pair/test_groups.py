"""Which commands belong together: by scopes, by what a call says, and by the signal or update that asked for them."""

from datetime import timedelta

from tenuto import workflow
from tenuto.wire import enums_event
from tests.pair.support import Play

SOON = timedelta(seconds=10)


def echo(value: str) -> str:
    return value


@workflow.defn
class Grouped:
    def __init__(self) -> None:
        self.over = False

    @workflow.signal
    async def finish(self) -> None:
        await workflow.sleep(1)
        await workflow.execute_local_activity("echo", "signal", start_to_close_timeout=SOON)
        self.over = True

    @workflow.update
    async def ask(self) -> str:
        return str(await workflow.execute_activity("echo", "update", start_to_close_timeout=SOON))

    @workflow.run
    async def run(self) -> None:
        one = workflow.create_event_group("one", label="the first")
        two = workflow.create_event_group("two")
        with one.scope():
            await workflow.execute_activity("echo", "scope", start_to_close_timeout=SOON, event_groups=[two])
            workflow.upsert_memo({"in": "scope"})
        await workflow.sleep(1, event_groups=[two])
        await workflow.wait_condition(lambda: self.over, timeout=1000)


def groups(play: Play) -> dict[str, list[str]]:
    """By event, the names of its groups; the last of its kind counts."""
    told: dict[str, list[str]] = {}
    for event in play.world.history:
        marks = event.event_group_markers
        told[enums_event.EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")] = [
            mark.label.id
            or mark.inbound_update.inbound_update_id
            or f"event {mark.inbound_event.inbound_event_id}"
            for mark in marks
        ]
    return told


def test_commands_carry_the_groups_of_scopes_and_calls() -> None:
    play = Play(Grouped, echo).start().until_quiet()
    assert groups(play)["ACTIVITY_TASK_SCHEDULED"] == ["one", "two"]
    assert groups(play)["WORKFLOW_PROPERTIES_MODIFIED"] == ["one"]
    assert groups(play)["TIMER_STARTED"] == ["two"]


def test_commands_of_a_handler_carry_the_signal_or_update() -> None:
    play = Play(Grouped, echo).start().until_quiet()
    play.update("ask", id="u1")
    play.until_quiet()
    told = groups(play)
    assert told["ACTIVITY_TASK_SCHEDULED"] == ["u1"]
    assert not told["WORKFLOW_EXECUTION_UPDATE_ACCEPTED"] and not told["WORKFLOW_EXECUTION_UPDATE_COMPLETED"]
    play.signal("finish")
    play.to_end()
    signal = next(event.event_id for event in play.world.history if event.event_type == 26)
    assert groups(play)["MARKER_RECORDED"] == [f"event {signal}"]
    assert groups(play)["WORKFLOW_EXECUTION_COMPLETED"] == []
    play.replayed()
