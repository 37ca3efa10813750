"""Over a real socket to a real listener: answers, refusals, cancellation, TLS, several loops."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tenuto.frontend.native import Frontend
from tenuto.server import Node
from tenuto.store.memory import MemoryStore
from tenuto.transport.config import GrpcCompression, TLSConfig
from tenuto.transport.errors import ConnectError, RPCError, RPCStatusCode
from tenuto.wire import common, errordetails
from tenuto.wire import workflowservice as ws
from tests.transport import raw
from tests.transport.raw import connect, run


@asynccontextmanager
async def server(context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A whole server in this process; its address."""
    node = Node(MemoryStore())
    service = await node.open()
    frontend = Frontend(service)
    port = await frontend.start("127.0.0.1", 0, context)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        node.matching.close()
        await frontend.drain(1)
        await node.close()


def test_calls_are_answered_and_health_is_told() -> None:
    async def story() -> None:
        async with server() as address:
            client = await connect(address)
            assert await client.check_health()
            started = await client.workflow_service.start_workflow_execution(raw.start("w"))
            assert started.run_id
            assert (await raw.answer_task(client, raw.completion())).workflow_execution.workflow_id == "w"
            await client.close()
            await client.close()

    run(story())


def test_a_target_may_be_a_url() -> None:
    async def story() -> None:
        async with server() as address:
            client = await connect(f"http://{address}")
            assert await client.check_health()
            await client.close()

    run(story())


def test_a_refusal_comes_with_code_text_and_typed_details() -> None:
    async def story() -> None:
        async with server() as address:
            client = await connect(address)
            with pytest.raises(RPCError) as refused:
                await client.workflow_service.describe_namespace(
                    ws.DescribeNamespaceRequest(namespace="shop")
                )
            assert refused.value.status is RPCStatusCode.NOT_FOUND
            assert refused.value.message == "Namespace shop is not found."
            found = refused.value.details(errordetails.NamespaceNotFoundFailure)
            assert found is not None
            assert found.namespace == "shop"
            await client.close()

    run(story())


def test_a_cancelled_poll_takes_no_work_with_it() -> None:
    async def story() -> None:
        async with server() as address:
            client = await connect(address)
            polling = asyncio.ensure_future(client.workflow_service.poll_workflow_task_queue(raw.poll()))
            await asyncio.sleep(0.1)
            polling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await polling
            await client.workflow_service.start_workflow_execution(raw.start("w"))
            task = await client.workflow_service.poll_workflow_task_queue(raw.poll(), timeout=raw.PATIENCE)
            assert (task.workflow_execution.workflow_id, task.attempt) == ("w", 1)
            await client.close()

    run(story())


def test_a_call_that_takes_too_long_says_so() -> None:
    async def story() -> None:
        async with server() as address:
            client = await connect(address)
            await client.workflow_service.start_workflow_execution(raw.start("w"))
            request = ws.QueryWorkflowRequest(namespace=raw.NAMESPACE)
            request.execution.workflow_id = "w"
            request.query.query_type = "nobody answers"
            with pytest.raises(RPCError) as late:
                await client.workflow_service.query_workflow(request, timeout=timedelta(seconds=0.2))
            assert late.value.status is RPCStatusCode.DEADLINE_EXCEEDED
            await client.close()

    run(story())


def test_large_messages_pass_compressed_and_plain() -> None:
    async def story() -> None:
        async with server() as address:
            for compression in (GrpcCompression.GZIP, GrpcCompression.NONE):
                client = await connect(address, grpc_compression=compression)
                client.transport._compress = compression is GrpcCompression.GZIP  # type: ignore[attr-defined]
                request = raw.start(f"w-{compression}")
                request.input.payloads.add(data=b"x" * 1_500_000)
                assert (await client.workflow_service.start_workflow_execution(request)).run_id
                history = await client.workflow_service.get_workflow_execution_history(
                    ws.GetWorkflowExecutionHistoryRequest(
                        namespace=raw.NAMESPACE,
                        execution=common.WorkflowExecution(workflow_id=request.workflow_id),
                    )
                )
                assert (
                    len(history.history.events[0].workflow_execution_started_event_attributes.input.payloads)
                    == 1
                )
                await client.close()

    run(story())


def test_a_connection_that_breaks_is_made_again() -> None:
    async def story() -> None:
        async with server() as address:
            client = await connect(address)
        with pytest.raises(RPCError) as gone:
            await client.workflow_service.get_system_info(ws.GetSystemInfoRequest())
        assert gone.value.status is RPCStatusCode.UNAVAILABLE
        node = Node(MemoryStore())
        frontend = Frontend(await node.open())
        host, _, port = address.rpartition(":")
        await frontend.start(host, int(port))
        assert await client.workflow_service.get_system_info(ws.GetSystemInfoRequest(), retry=True)
        await client.close()
        await frontend.drain(1)
        await node.close()

    run(story())


def test_one_client_serves_several_event_loops() -> None:
    async def story() -> None:
        async with server() as address:
            client = await connect(address)

            def elsewhere() -> bool:
                return asyncio.run(client.check_health())

            found = await asyncio.gather(
                *(asyncio.to_thread(elsewhere) for _ in range(2)), client.check_health()
            )
            assert found == [True, True, True]
            await client.close()

    run(story())


def test_a_closed_client_says_that_it_is_closed() -> None:
    async def story() -> None:
        async with server() as address:
            client = await connect(address)
            await client.close()
            with pytest.raises(RPCError, match="closed"):
                await client.workflow_service.get_system_info(ws.GetSystemInfoRequest())

    run(story())


def test_binary_headers_arrive_as_bytes() -> None:
    async def story() -> None:
        async with server() as address:
            client = await connect(address, rpc_metadata={"trace-bin": b"\x00\xff", "plain": "text"})
            assert await client.check_health(metadata={"more-bin": b"\x01"})
            await client.close()

    run(story())


# ---- TLS ------------------------------------------------------------------------------------------------------------------


def _openssl(home: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=home, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and what it certifies: a server called ``tenuto.test``, and a client."""
    home = tmp_path_factory.mktemp("certificates")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    _openssl(
        home,
        "req",
        "-x509",
        *key,
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
        "-days",
        "2",
        "-subj",
        "/CN=authority",
    )
    for name in ("tenuto.test", "client"):
        _openssl(home, "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (home / "names").write_text(f"subjectAltName=DNS:{name}")
        _openssl(
            home, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", "names", "-out", f"{name}.pem",
        )  # fmt: skip
    return home


def _context(home: Path, clients: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(home / "tenuto.test.pem", home / "tenuto.test.key")
    context.set_alpn_protocols(["h2"])
    if clients:
        context.load_verify_locations(home / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _read(home: Path) -> Callable[[str], bytes]:
    return lambda name: (home / name).read_bytes()


def test_tls_verifies_the_server_by_the_name_that_is_given(certificates: Path) -> None:
    async def story() -> None:
        read = _read(certificates)
        async with server(_context(certificates, clients=False)) as address:
            trusted: dict[str, Any] = {"server_root_ca_cert": read("ca.pem")}
            for tls in (
                TLSConfig(**trusted, domain="tenuto.test"),
                TLSConfig(**trusted, verification_server_name="tenuto.test"),
            ):
                client = await connect(address, tls=tls)
                assert await client.check_health()
                await client.close()
            for doubted in (TLSConfig(**trusted, domain="other.test"), TLSConfig(**trusted), True, False):
                with pytest.raises(ConnectError):
                    await connect(address, tls=doubted, connect_timeout=timedelta(seconds=5))

    run(story())


def test_a_client_shows_its_certificate_where_one_is_demanded(certificates: Path) -> None:
    async def story() -> None:
        read = _read(certificates)
        async with server(_context(certificates, clients=True)) as address:
            bare = TLSConfig(server_root_ca_cert=read("ca.pem"), domain="tenuto.test")
            with pytest.raises(ConnectError):
                await connect(address, tls=bare, connect_timeout=timedelta(seconds=5))
            known = TLSConfig(
                server_root_ca_cert=read("ca.pem"),
                domain="tenuto.test",
                client_cert=read("client.pem"),
                client_private_key=read("client.key"),
            )
            client = await connect(address, tls=known, api_key="key")
            assert await client.check_health()
            await client.close()

    run(story())


def test_half_a_client_certificate_is_refused() -> None:
    async def story() -> None:
        with pytest.raises(ValueError, match="go together"):
            await connect("localhost:1", tls=TLSConfig(client_cert=b"x"))

    run(story())


def test_an_api_key_turns_tls_on_unless_told_otherwise() -> None:
    async def story() -> None:
        async with server() as address:
            with pytest.raises(ConnectError):
                await connect(address, api_key="key", connect_timeout=timedelta(seconds=2))
            client = await connect(address, api_key="key", tls=False)
            assert await client.check_health()
            await client.close()

    run(story())


def test_another_name_to_verify_asks_for_the_authority_that_vouches_for_it() -> None:
    async def story() -> None:
        with pytest.raises(ValueError, match="server root CA cert"):
            await connect("localhost:1", tls=TLSConfig(verification_server_name="pinned.test"))

    run(story())
