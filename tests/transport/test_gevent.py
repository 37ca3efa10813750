"""Clients and workers in programs that gevent has patched: greenlets do the sync activities and the workflow code."""

import asyncio
import subprocess
import sys
import textwrap

import pytest

from tenuto.testing import WorkflowEnvironment

pytest.importorskip("gevent")

PROGRAM = textwrap.dedent("""
    from gevent import monkey
    monkey.patch_all()
    import asyncio, sys, threading
    from concurrent.futures import Future
    import gevent
    from gevent.threadpool import ThreadPoolExecutor
    from tenuto import activity, workflow
    from tenuto.client import Client
    from tenuto.worker import Worker

    class Executor(ThreadPoolExecutor):
        # Futures of gevent's are not those that asyncio waits for.
        def submit(self, fn, *args, **kwargs):
            made = Future()
            def run():
                try:
                    made.set_result(fn(*args, **kwargs))
                except BaseException as error:
                    made.set_exception(error)
            super().submit(run)
            return made

    @activity.defn
    def greet(name: str) -> str:
        return f"Hello, {name}, from a {type(gevent.getcurrent()).__name__}"

    @workflow.defn
    class Greeting:
        @workflow.run
        async def run(self, name: str) -> str:
            return await workflow.execute_activity(greet, name, start_to_close_timeout=60)

    async def main():
        client = await Client.connect(sys.argv[1])
        with Executor(max_workers=20) as executor:
            async with Worker(
                client, task_queue="q", workflows=[Greeting], activities=[greet],
                activity_executor=executor, workflow_task_executor=executor, max_concurrent_activities=5,
            ):
                print(await client.execute_workflow(Greeting.run, "Clara", id="w", task_queue="q"))
        assert type(threading).__name__ == "module"

    with Executor(max_workers=1) as executor:
        executor.submit(asyncio.run, main()).result()
""")


def test_a_worker_under_gevent_works_with_a_server() -> None:
    async def play() -> str:
        async with await WorkflowEnvironment.start_local(port=0) as env:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-c", PROGRAM, str(env.address), stdout=subprocess.PIPE
            )
            try:
                said, _ = await asyncio.wait_for(child.communicate(), 60)
            finally:
                if child.returncode is None:
                    child.kill()
            return said.decode().strip()

    assert asyncio.run(play()).startswith("Hello, Clara, from a ")
