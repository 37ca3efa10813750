"""What operators do to pending activities: pause, unpause, reset, change options (execution-semantics 1.21).

Two generations of calls ask for the same things; the newer is put into the words of the older.
"""

from tenuto.engine import types
from tenuto.engine.retry import validate as retry_problem
from tenuto.engine.standalone_types import OperateStandalone
from tenuto.service import validate
from tenuto.service.call import Call
from tenuto.service.core import Core
from tenuto.service.errors import invalid
from tenuto.service.standalone import chain_key, check_operation
from tenuto.store.spi import ChainKey
from tenuto.wire import workflowservice as ws

Older = (
    ws.PauseActivityRequest
    | ws.UnpauseActivityRequest
    | ws.ResetActivityRequest
    | ws.UpdateActivityOptionsRequest
)
Newer = (
    ws.PauseActivityExecutionRequest
    | ws.UnpauseActivityExecutionRequest
    | ws.ResetActivityExecutionRequest
    | ws.UpdateActivityExecutionOptionsRequest
)


class Operations:
    """Pending activities under an operator's hands."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def pause_activity(self, request: ws.PauseActivityRequest, call: Call) -> ws.PauseActivityResponse:
        _check_target(request, bool(request.id or request.type))
        await self._operate(request, call)
        return ws.PauseActivityResponse()

    async def unpause_activity(
        self, request: ws.UnpauseActivityRequest, call: Call
    ) -> ws.UnpauseActivityResponse:
        _check_target(request, bool(request.id or request.type or request.unpause_all))
        await self._operate(request, call)
        return ws.UnpauseActivityResponse()

    async def reset_activity(self, request: ws.ResetActivityRequest, call: Call) -> ws.ResetActivityResponse:
        _check_target(request, bool(request.id or request.type or request.match_all))
        await self._operate(request, call)
        return ws.ResetActivityResponse()

    async def update_activity_options(
        self, request: ws.UpdateActivityOptionsRequest, call: Call
    ) -> ws.UpdateActivityOptionsResponse:
        _check_target(request, bool(request.id or request.type or request.match_all))
        _check_options(request)
        return await self._operate(request, call)

    async def _operate(self, request: Older, call: Call) -> ws.UpdateActivityOptionsResponse:
        execution = request.execution
        key = ChainKey(call.namespace.id, execution.workflow_id)
        asked: types.OperateActivities | OperateStandalone = types.OperateActivities(
            request, execution.run_id
        )
        if not execution.workflow_id:
            key = chain_key(call, request.id)
            asked = OperateStandalone(request, execution.run_id)
        reply: ws.UpdateActivityOptionsResponse = await self._core.shards.submit(key, asked)
        return reply

    # -- the newer generation

    async def pause_activity_execution(
        self, request: ws.PauseActivityExecutionRequest, call: Call
    ) -> ws.PauseActivityExecutionResponse:
        older = ws.PauseActivityRequest(reason=request.reason, request_id=request.request_id)
        await self._operate(_addressed(older, request), call)
        return ws.PauseActivityExecutionResponse()

    async def unpause_activity_execution(
        self, request: ws.UnpauseActivityExecutionRequest, call: Call
    ) -> ws.UnpauseActivityExecutionResponse:
        older = ws.UnpauseActivityRequest()
        if request.HasField("jitter"):
            older.jitter.CopyFrom(request.jitter)
        await self._operate(_addressed(older, request), call)
        return ws.UnpauseActivityExecutionResponse()

    async def reset_activity_execution(
        self, request: ws.ResetActivityExecutionRequest, call: Call
    ) -> ws.ResetActivityExecutionResponse:
        older = ws.ResetActivityRequest(
            keep_paused=request.keep_paused,
            restore_original_options=request.restore_original_options,
            reset_heartbeat=request.reset_heartbeat,
        )
        if request.HasField("jitter"):
            older.jitter.CopyFrom(request.jitter)
        await self._operate(_addressed(older, request), call)
        return ws.ResetActivityExecutionResponse()

    async def update_activity_execution_options(
        self, request: ws.UpdateActivityExecutionOptionsRequest, call: Call
    ) -> ws.UpdateActivityExecutionOptionsResponse:
        older = ws.UpdateActivityOptionsRequest(restore_original=request.restore_original)
        _addressed(older, request)
        if request.HasField("activity_options"):
            older.activity_options.CopyFrom(request.activity_options)
        if request.HasField("update_mask"):
            older.update_mask.CopyFrom(request.update_mask)
        if not request.workflow_id:
            _check_standalone(older)
        elif request.restore_original and (
            older.HasField("activity_options") or older.HasField("update_mask")
        ):
            invalid("RestoreOriginal cannot be combined with ActivityOptions or UpdateMask")
        _check_options(older)
        reply = await self._operate(older, call)
        return ws.UpdateActivityExecutionOptionsResponse(activity_options=reply.activity_options)


def _check_target(request: Older, says_which: bool) -> None:
    validate.run(request.execution.workflow_id, request.execution.run_id)
    if not says_which:
        invalid("Either Activity.Id or Activity.Type should be set on request.")


def _check_options(request: ws.UpdateActivityOptionsRequest) -> None:
    if request.restore_original:
        return  # the engine says what may not go with it
    if not request.HasField("activity_options"):
        invalid("ActivityOptions are not provided")
    if not request.HasField("update_mask"):
        invalid("UpdateMask is not provided")
    options = request.activity_options
    if options.HasField("retry_policy") and (problem := retry_problem(options.retry_policy)):
        invalid(problem)
    if options.HasField("priority"):
        validate.priority(options.priority)


def _check_standalone(request: ws.UpdateActivityOptionsRequest) -> None:
    """Of an activity on its own options may be given and, when all are to be restored, are ignored."""
    if request.restore_original:
        if request.update_mask.paths:
            invalid("Both UpdateMask and RestoreOriginal are provided")
        request.ClearField("activity_options")
        request.ClearField("update_mask")
    elif request.HasField("activity_options") and request.HasField("update_mask"):
        if not request.update_mask.paths:
            invalid("UpdateMask must specify at least one path")


def _addressed(older: Older, request: Newer) -> Older:
    """Fill in which activity of which workflow. Without a workflow an activity on its own is meant."""
    if not request.activity_id:
        invalid("activity ID is required")
    if not request.workflow_id:
        check_operation(request)
    elif request.run_id and not validate.is_uuid(request.run_id):
        invalid("Invalid RunId.")
    older.namespace, older.identity, older.id = request.namespace, request.identity, request.activity_id
    older.execution.workflow_id, older.execution.run_id = request.workflow_id, request.run_id
    return older
