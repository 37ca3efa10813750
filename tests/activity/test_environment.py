"""The functions of `tenuto.activity`, as an activity sees them in the test environment."""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tenuto import activity
from tenuto.activity import ActivityCancellationDetails, CompleteAsyncError
from tenuto.exceptions import CancelledError
from tenuto.testing.activity import ActivityEnvironment


def sync(fn: Callable[[], Any]) -> Callable[[], Any]:
    return activity.defn(fn)


@pytest.fixture
def environment() -> ActivityEnvironment:
    return ActivityEnvironment()


@pytest.mark.parametrize(
    "call",
    [activity.info, activity.heartbeat, activity.is_cancelled, activity.client, activity.metric_meter],
)
def test_outside_an_activity_the_functions_refuse(call: Callable[[], object]) -> None:
    assert not activity.in_activity()
    with pytest.raises(RuntimeError, match="Not in activity context"):
        call()


def test_a_sync_activity_runs_in_the_calling_thread(environment: ActivityEnvironment) -> None:
    def work(value: int) -> tuple[int, str, bool, str]:
        return value, activity.info().activity_id, activity.in_activity(), threading.current_thread().name

    assert environment.run(work, 3) == (3, "test", True, threading.current_thread().name)
    assert not activity.in_activity()


def test_an_async_activity_gives_a_coroutine(environment: ActivityEnvironment) -> None:
    async def work(value: int, *, more: int = 0) -> int:
        return value + more + activity.info().attempt

    assert asyncio.run(environment.run(work, 3, more=4)) == 8


def test_activities_of_both_styles_run(environment: ActivityEnvironment) -> None:
    @activity
    async def new(value: int) -> str:
        return f"{value} {activity.info().workflow_id}"

    @activity
    def new_sync(value: int) -> str:
        return f"{value} {activity.in_activity()}"

    assert asyncio.run(environment.run(new, 1)) == "1 test"
    assert environment.run(new_sync, 2) == "2 True"  # type: ignore[comparison-overlap]


def test_heartbeats_reach_the_callback_at_once(environment: ActivityEnvironment) -> None:
    seen: list[tuple[Any, ...]] = []
    environment.on_heartbeat = lambda *details: seen.append(details)

    def work() -> int:
        activity.heartbeat(1, "two")
        activity.heartbeat()
        return len(seen)

    assert environment.run(work) == 2
    assert seen == [(1, "two"), ()]


def test_an_async_activity_is_cancelled_and_knows_why(environment: ActivityEnvironment) -> None:
    async def work() -> tuple[bool, ActivityCancellationDetails | None]:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return activity.is_cancelled(), activity.cancellation_details()
        raise AssertionError

    async def story() -> tuple[bool, ActivityCancellationDetails | None]:
        task = asyncio.ensure_future(environment.run(work))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        environment.cancel(ActivityCancellationDetails(paused=True))
        environment.cancel()
        return await task

    assert asyncio.run(story()) == (True, ActivityCancellationDetails(paused=True))


def test_coroutines_may_wait_for_cancellation_and_for_shutdown(environment: ActivityEnvironment) -> None:
    async def work() -> str:
        await activity.wait_for_worker_shutdown()
        assert activity.is_worker_shutdown()
        try:
            await activity.wait_for_cancelled()
        except asyncio.CancelledError:
            return "both"
        return "waited"

    async def story() -> str:
        task = asyncio.ensure_future(environment.run(work))
        await asyncio.sleep(0)
        environment.worker_shutdown()
        await asyncio.sleep(0.001)
        environment.cancel()
        return await task

    assert asyncio.run(story()) in ("both", "waited")


def test_a_thread_is_interrupted(environment: ActivityEnvironment) -> None:
    started = threading.Event()

    def work() -> str:
        started.set()
        try:
            while True:
                activity.wait_for_worker_shutdown_sync(0.001)
        except CancelledError as error:
            return str(error)

    def cancel() -> None:
        started.wait()
        environment.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    assert environment.run(work) == "Cancelled"
    canceller.join()


def test_a_shield_holds_the_interruption_back_until_it_closes(environment: ActivityEnvironment) -> None:
    steps: list[str] = []

    def work() -> None:
        with activity.shield_thread_cancel_exception():
            threading.Thread(target=environment.cancel).start()
            activity.wait_for_cancelled_sync(10)
            with activity.shield_thread_cancel_exception():
                steps.append("inner")
            steps.append("outer")
        steps.append("never")

    with pytest.raises(CancelledError):
        environment.run(work)
    assert steps == ["inner", "outer"]


def test_a_thread_may_refuse_to_be_interrupted(environment: ActivityEnvironment) -> None:
    @activity.defn(no_thread_cancel_exception=True)
    def work() -> bool:
        threading.Thread(target=environment.cancel).start()
        activity.wait_for_cancelled_sync(10)
        with pytest.raises(CancelledError):
            activity.check_cancelled()
        return activity.is_cancelled()

    assert environment.run(work) is True


def test_waiting_in_a_thread_ends_after_its_timeout(environment: ActivityEnvironment) -> None:
    def work() -> tuple[bool, bool]:
        activity.wait_for_cancelled_sync(0.001)
        activity.wait_for_worker_shutdown_sync(0)
        return activity.is_cancelled(), activity.is_worker_shutdown()

    assert environment.run(work) == (False, False)


def test_leaving_the_completion_to_somebody_else_is_no_exception_to_catch(
    environment: ActivityEnvironment,
) -> None:
    def work() -> None:
        try:
            activity.raise_complete_async()
        except Exception as error:
            raise AssertionError from error

    with pytest.raises(CompleteAsyncError):
        environment.run(work)


def test_there_is_no_client_unless_the_test_gives_one() -> None:
    with pytest.raises(RuntimeError, match="No client available"):
        ActivityEnvironment().run(activity.client)


def test_log_lines_name_the_activity(
    environment: ActivityEnvironment, caplog: pytest.LogCaptureFixture
) -> None:
    def work() -> None:
        activity.logger.warning("hello", extra={"mine": 1})

    environment.run(work)
    record: Any = caplog.records[-1]
    assert record.getMessage().startswith("hello ({'activity_id': 'test', 'activity_type': 'unknown'")
    assert record.temporal_activity["workflow_id"] == "test"
    assert record.mine == 1


def test_log_lines_outside_an_activity_stay_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    activity.logger.warning("plain")
    assert caplog.records[-1].getMessage() == "plain"


def test_what_log_lines_say_can_be_chosen(
    environment: ActivityEnvironment, caplog: pytest.LogCaptureFixture
) -> None:
    adapter = activity.LoggerAdapter(logging.getLogger("chosen"), None)
    adapter.activity_info_on_message = False
    adapter.full_activity_info_on_extra = True

    environment.run(lambda: adapter.warning("short"))
    record: Any = caplog.records[-1]
    assert record.getMessage() == "short"
    assert record.activity_info is environment.info
    assert adapter.base_logger.name == "chosen"
