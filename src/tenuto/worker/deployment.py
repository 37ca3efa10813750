"""Which build of the code a worker runs, as polls and answers say it.

This file must never decide where work goes: the server does.
"""

from __future__ import annotations

import hashlib
import os
import sys
import sysconfig
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenuto.common import VersioningBehavior

if TYPE_CHECKING:
    from tenuto.common import WorkerDeploymentVersion
    from tenuto.wire import common, deployment
    from tenuto.worker.config import WorkerConfig

UNVERSIONED, VERSIONED = 1, 2
"""WorkerVersioningMode."""

_memoized: str | None = None


def load_default_build_id(*, memoize: bool = True) -> str:
    """A fingerprint of the program: Python's version and every module that is loaded now, 32 hex digits.

    Modules of the program itself count with their text, those of installed packages with their size, so that it costs few
    milliseconds. The same code gives the same fingerprint on every host. With ``memoize`` it is made once per process.
    """
    global _memoized
    if memoize and _memoized is not None:
        return _memoized
    digest = hashlib.md5(sys.version.encode(), usedforsecurity=False)
    paths = sysconfig.get_paths()
    installed = tuple({paths["purelib"], paths["platlib"]})
    standard = tuple({paths["stdlib"], paths["platstdlib"]})
    for name, module in sorted(sys.modules.items(), key=lambda item: item[0]):
        origin = getattr(module, "__file__", None)
        if not isinstance(origin, str) or name.startswith("__mp_main"):
            continue
        try:
            if origin.startswith(installed):
                mark = str(os.stat(origin).st_size).encode()
            elif origin.startswith(standard):
                continue
            else:
                with open(origin, "rb") as source:
                    mark = source.read()
        except OSError:
            continue
        digest.update(name.encode())
        digest.update(mark)
    found = digest.hexdigest()
    if memoize:
        _memoized = found
    return found


@dataclass(frozen=True, slots=True)
class Build:
    """What a worker says of its build. Messages are None when the worker has nothing to say in them."""

    build_id: str
    use_versioning: bool = False
    """The old way, by build ids."""
    deployment_version: WorkerDeploymentVersion | None = None
    deployment_versioning: bool = False
    default_versioning_behavior: VersioningBehavior = VersioningBehavior.UNSPECIFIED

    @staticmethod
    def of(config: WorkerConfig) -> Build:
        """The build that ``config`` names."""
        chosen = config.get("deployment_config")
        if chosen is not None:
            return Build(
                chosen.version.build_id,
                deployment_version=chosen.version,
                deployment_versioning=chosen.use_worker_versioning,
                default_versioning_behavior=chosen.default_versioning_behavior,
            )
        return Build(
            config.get("build_id") or load_default_build_id(), bool(config.get("use_worker_versioning"))
        )

    @property
    def capabilities(self) -> common.WorkerVersionCapabilities | None:
        """For polls."""
        from tenuto.wire import common

        if self.deployment_version is not None:
            return None
        return common.WorkerVersionCapabilities(build_id=self.build_id, use_versioning=self.use_versioning)

    @property
    def stamp(self) -> common.WorkerVersionStamp | None:
        """For answers to workflow tasks and activity tasks."""
        from tenuto.wire import common

        if self.deployment_versioning:
            return None
        return common.WorkerVersionStamp(build_id=self.build_id, use_versioning=self.use_versioning)

    @property
    def options(self) -> deployment.WorkerDeploymentOptions | None:
        """For polls and answers."""
        from tenuto.wire import deployment

        if self.deployment_version is None:
            return None
        return deployment.WorkerDeploymentOptions(
            deployment_name=self.deployment_version.deployment_name,
            build_id=self.build_id,
            worker_versioning_mode=VERSIONED if self.deployment_versioning else UNVERSIONED,  # type: ignore[arg-type]
        )
