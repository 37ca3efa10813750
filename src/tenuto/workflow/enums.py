"""The choices that workflow code may name, with the numbers of the protocol where it has them."""

from enum import Enum, Flag, IntEnum, auto


class ActivityCancellationType(IntEnum):
    """What the caller of an activity sees when it is cancelled."""

    TRY_CANCEL = 0
    """Ask for cancellation, and go on at once as cancelled."""
    WAIT_CANCELLATION_COMPLETED = 1
    """Ask for cancellation, and wait for what the activity makes of it."""
    ABANDON = 2
    """Go on at once as cancelled, and leave the activity alone."""


class ChildWorkflowCancellationType(IntEnum):
    """What the caller of a child workflow sees when it is cancelled."""

    ABANDON = 0
    TRY_CANCEL = 1
    WAIT_CANCELLATION_COMPLETED = 2
    WAIT_CANCELLATION_REQUESTED = 3


class ParentClosePolicy(IntEnum):
    """What becomes of a child when its parent closes."""

    UNSPECIFIED = 0
    TERMINATE = 1
    ABANDON = 2
    REQUEST_CANCEL = 3


class NexusOperationCancellationType(IntEnum):
    """What the caller of a Nexus operation sees when it is cancelled."""

    WAIT_COMPLETED = 0
    ABANDON = 1
    TRY_CANCEL = 2
    WAIT_REQUESTED = 3


class VersioningIntent(Enum):
    """Which worker build should take a command (worker build id sets; deprecated)."""

    COMPATIBLE = 1
    DEFAULT = 2


class ContinueAsNewVersioningBehavior(IntEnum):
    """Which version of a deployment the next run starts on."""

    UNSPECIFIED = 0
    AUTO_UPGRADE = 1
    USE_RAMPING_VERSION = 2


class HandlerUnfinishedPolicy(Enum):
    """What happens when a run ends while a handler of it still runs."""

    WARN_AND_ABANDON = 1
    ABANDON = 2


class SandboxImportNotificationPolicy(Flag):
    """Accepted for programs that name it. Workflow modules are never imported again, so there is nothing to notify of."""

    SILENT = auto()
    WARN_ON_DYNAMIC_IMPORT = auto()
    WARN_ON_UNINTENTIONAL_PASSTHROUGH = auto()
    RAISE_ON_UNINTENTIONAL_PASSTHROUGH = auto()
