"""Several chains side by side, and the messages between them: what a shard's outbox does, one delivery at a time."""

from typing import Any, cast

from tenuto.engine import outgoing, types
from tenuto.engine.chain import Outgoing
from tenuto.wire import command as wire_command
from tests.engine.support import World


class Worlds:
    """Chains by workflow id. A message travels only when the test says so."""

    def __init__(self, *workflow_ids: str) -> None:
        self._worlds: dict[str, World] = {}
        for workflow_id in workflow_ids:
            self[workflow_id].start()

    def __getitem__(self, workflow_id: str) -> World:
        if workflow_id not in self._worlds:
            world = self._worlds[workflow_id] = World(workflow_id)
            # Ids are made from the seed: chains must not share theirs.
            world._seed = len(self._worlds) << 32
        return self._worlds[workflow_id]

    def owed(self, workflow_id: str) -> list[Outgoing]:
        chain = self[workflow_id].chain
        return [] if chain is None else [chain.out[key] for key in sorted(chain.out)]

    def ask_target(self, workflow_id: str, message: Outgoing) -> tuple[Any, types.Rejected | None]:
        """Bring the message to its receiver; the answer is on its way back."""
        source = self[workflow_id]
        (_, target), request = outgoing.to_request(message, source.key, source.namespace)
        world = self[target]
        world.now = max(world.now, source.now)
        try:
            return world.ask(request), None
        except types.Rejected as refusal:
            return None, refusal

    def deliver(self, workflow_id: str, message: Outgoing, times: int = 1) -> Any:
        """Bring the message to its receiver, ``times`` times, and the last answer back."""
        for _ in range(times):
            reply, refusal = self.ask_target(workflow_id, message)
        return self[workflow_id].ask(types.Delivered(message.out_id, reply, refusal))

    def settle(self, times: int = 1) -> None:
        """Deliver until nobody owes anything."""
        for _ in range(100):
            owed = [(name, message) for name in list(self._worlds) for message in self.owed(name)]
            if not owed:
                return
            for name, message in owed:
                self.deliver(name, message, times)
        raise AssertionError("messages do not come to an end")


def start_child(workflow_id: str, **fields: Any) -> wire_command.Command:
    command = wire_command.Command(command_type=cast(Any, 11))
    attributes = command.start_child_workflow_execution_command_attributes
    attributes.MergeFrom(
        wire_command.StartChildWorkflowExecutionCommandAttributes(workflow_id=workflow_id, **fields)
    )
    attributes.workflow_type.name = attributes.workflow_type.name or "Child"
    return command


def signal_external(workflow_id: str, run_id: str = "", **fields: Any) -> wire_command.Command:
    command = wire_command.Command(command_type=cast(Any, 12))
    attributes = command.signal_external_workflow_execution_command_attributes
    attributes.MergeFrom(
        wire_command.SignalExternalWorkflowExecutionCommandAttributes(**{"signal_name": "s", **fields})
    )
    attributes.execution.workflow_id, attributes.execution.run_id = workflow_id, run_id
    return command


def cancel_external(workflow_id: str, **fields: Any) -> wire_command.Command:
    command = wire_command.Command(command_type=cast(Any, 8))
    command.request_cancel_external_workflow_execution_command_attributes.MergeFrom(
        wire_command.RequestCancelExternalWorkflowExecutionCommandAttributes(
            workflow_id=workflow_id, **fields
        )
    )
    return command


def complete(data: bytes = b'"r"') -> wire_command.Command:
    command = wire_command.Command(command_type=cast(Any, 4))
    result = command.complete_workflow_execution_command_attributes.result.payloads.add(data=data)
    result.metadata["encoding"] = b"json/plain"
    return command


def fail(message: str = "boom") -> wire_command.Command:
    command = wire_command.Command(command_type=cast(Any, 5))
    command.fail_workflow_execution_command_attributes.failure.message = message
    return command


def canceled() -> wire_command.Command:
    command = wire_command.Command(command_type=cast(Any, 7))
    command.cancel_workflow_execution_command_attributes.details.payloads.add(data=b'"d"')
    return command


def continue_as_new() -> wire_command.Command:
    command = wire_command.Command(command_type=cast(Any, 10))
    command.continue_as_new_workflow_execution_command_attributes.SetInParent()
    return command
