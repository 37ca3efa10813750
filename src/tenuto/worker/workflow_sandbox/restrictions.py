"""What workflow code had better not touch, as data. `SandboxRestrictions.denies` is the question to ask of it.

This file must never enforce anything.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import ClassVar

from tenuto.exceptions import TemporalError
from tenuto.run.forbidden import BUILT_IN, FORBIDDEN
from tenuto.run.guard import RestrictedWorkflowAccessError as RestrictedWorkflowAccessError
from tenuto.workflow import SandboxImportNotificationPolicy


class UnintentionalPassthroughError(TemporalError):
    """A module was loaded that had not been passed through on purpose."""

    def __init__(self, qualified_name: str) -> None:
        super().__init__(
            f"Module {qualified_name} was not intentionally passed through to the sandbox. "
            "If it is safe to pass through, add it to the passthrough modules."
        )
        self.qualified_name = qualified_name


class RestrictionContext:
    """When a question is asked: while a module loads, or (``is_runtime``) while workflow code runs."""

    def __init__(self) -> None:
        self.is_runtime = False


_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True)
class SandboxMatcher:
    """A tree of names. ``access``: not to be looked at. ``use``: not to be called or otherwise used; ``*`` is every name.

    ``exclude`` takes names out. ``match_self`` denies the whole of this place. ``only_runtime``: not while modules load.
    Combine two with ``|``.
    """

    access: Set[str] = _NONE
    use: Set[str] = _NONE
    children: Mapping[str, SandboxMatcher] = field(default_factory=dict)
    match_self: bool = False
    only_runtime: bool = False
    leaf_message: str | None = None
    leaf_warning: type[Warning] | None = None
    exclude: Set[str] = _NONE

    all: ClassVar[SandboxMatcher]
    none: ClassVar[SandboxMatcher]
    all_runtime: ClassVar[SandboxMatcher]
    all_uses: ClassVar[SandboxMatcher]
    all_uses_runtime: ClassVar[SandboxMatcher]

    @staticmethod
    def nested_child(path: Sequence[str], child: SandboxMatcher) -> SandboxMatcher:
        """``child`` at the end of ``path``."""
        for name in reversed(path):
            child = SandboxMatcher(children={name: child})
        return child

    def child_matcher(self, *child_path: str) -> SandboxMatcher | None:
        """What is said about the place ``child_path``; None for nothing."""
        found: SandboxMatcher = self
        for name in child_path:
            child = found.children.get(name)
            if child is None:
                return None
            found = child
        return found

    def access_matcher(
        self, context: RestrictionContext, *child_path: str, include_use: bool = False
    ) -> SandboxMatcher | None:
        """What denies access to ``child_path``; None when it is free."""
        found: SandboxMatcher = self
        for name in child_path:
            if found._applies(context) and found._denies(name, include_use):
                return found
            child = found.children.get(name)
            if child is None:
                return None
            found = child
        return found if found.match_self and found._applies(context) else None

    def match_access(self, context: RestrictionContext, *child_path: str, include_use: bool = False) -> bool:
        """Whether access to ``child_path`` is denied."""
        return self.access_matcher(context, *child_path, include_use=include_use) is not None

    def with_child_unrestricted(self, *child_path: str) -> SandboxMatcher:
        """The same, with ``child_path`` free. Raises ValueError for an empty path."""
        if not child_path:
            raise ValueError("a path to leave unrestricted must name something")
        name, *rest = child_path
        children = dict(self.children)
        if rest:
            child = children.get(name)
            if child is None:
                return self
            children[name] = child.with_child_unrestricted(*rest)
            return dataclasses.replace(self, children=children)
        children.pop(name, None)
        return dataclasses.replace(
            self,
            access=frozenset(self.access) - {name},
            use=frozenset(self.use) - {name},
            children=children,
            exclude=frozenset(self.exclude) | {name},
        )

    def __or__(self, other: SandboxMatcher) -> SandboxMatcher:
        if not isinstance(other, SandboxMatcher):
            return NotImplemented
        if self.only_runtime != other.only_runtime and (self._says_something() and other._says_something()):
            raise ValueError("Cannot combine only-runtime and non-only-runtime matchers")
        children = dict(self.children)
        for name, child in other.children.items():
            children[name] = children[name] | child if name in children else child
        return SandboxMatcher(
            access=frozenset(self.access) | other.access,
            use=frozenset(self.use) | other.use,
            children=children,
            match_self=self.match_self or other.match_self,
            only_runtime=self.only_runtime or other.only_runtime,
            leaf_message=self.leaf_message or other.leaf_message,
            leaf_warning=self.leaf_warning or other.leaf_warning,
            exclude=frozenset(self.exclude) | other.exclude,
        )

    def _says_something(self) -> bool:
        return bool(self.access or self.use or self.children or self.match_self)

    def _applies(self, context: RestrictionContext) -> bool:
        return context.is_runtime or not self.only_runtime

    def _denies(self, name: str, include_use: bool) -> bool:
        if name in self.exclude:
            return False
        if self.match_self or name in self.access or "*" in self.access:
            return True
        return include_use and (name in self.use or "*" in self.use)


SandboxMatcher.none = SandboxMatcher()
SandboxMatcher.all = SandboxMatcher(match_self=True)
SandboxMatcher.all_runtime = SandboxMatcher(match_self=True, only_runtime=True)
SandboxMatcher.all_uses = SandboxMatcher(use={"*"})
SandboxMatcher.all_uses_runtime = SandboxMatcher(use={"*"}, only_runtime=True)


def _uses(names: str, *, only_runtime: bool = False, **children: SandboxMatcher) -> SandboxMatcher:
    return SandboxMatcher(use=frozenset(names.split()), children=children, only_runtime=only_runtime)


def _members() -> SandboxMatcher:
    everything = (
        "curses dbm filecmp fileinput ftplib getopt getpass gettext glob imaplib poplib readline sched shelve "
        "shutil smtplib socketserver subprocess tempfile webbrowser xmlrpc"
    )
    while_running = "mmap multiprocessing platform select selectors signal socket threading"
    found = dict.fromkeys(everything.split(), SandboxMatcher.all_uses)
    found |= dict.fromkeys(while_running.split(), SandboxMatcher.all_uses_runtime)
    opening = "bz2 gzip lzma tarfile zipfile"
    found |= dict.fromkeys(opening.split(), _uses("open"))
    found |= {
        "__builtins__": SandboxMatcher(
            use={"input", "open"}, children={"breakpoint": SandboxMatcher.all_runtime}, only_runtime=True
        ),
        "concurrent": SandboxMatcher(children={"futures": SandboxMatcher.all_uses_runtime}),
        "datetime": SandboxMatcher(
            children={"date": _uses("today"), "datetime": _uses("now today utcnow")},
        ),
        "http": SandboxMatcher(
            children={"client": SandboxMatcher.all_uses, "server": SandboxMatcher.all_uses}
        ),
        "marshal": _uses("dump load"),
        "os": SandboxMatcher(access={"name"}, use={"*"}, only_runtime=True, exclude={"path", "stat"}),
        "pathlib": SandboxMatcher(
            children={
                "Path": _uses(
                    "chmod cwd exists expanduser glob group hardlink_to home is_block_device is_char_device is_dir "
                    "is_fifo is_file is_mount is_socket is_symlink iterdir lchmod link_to lstat mkdir open owner "
                    "read_bytes read_link read_text rename replace resolve rglob rmdir samefile stat symlink_to touch "
                    "unlink write_bytes write_text"
                )
            }
        ),
        "random": _uses(
            "betavariate choice choices expovariate gammavariate gauss getrandbits getstate lognormvariate "
            "normalvariate paretovariate randbytes randint random randrange sample seed setstate shuffle triangular "
            "uniform vonmisesvariate"
        ),
        "secrets": _uses("SystemRandom choice randbelow randbits token_bytes token_hex token_urlsafe"),
        "time": _uses(
            "get_clock_info localtime monotonic monotonic_ns perf_counter perf_counter_ns process_time "
            "process_time_ns pthread_getcpuclockid sleep thread_time thread_time_ns time time_ns tzset",
            only_runtime=True,
        ),
        "urllib": SandboxMatcher(children={"request": SandboxMatcher.all_uses}),
        "uuid": _uses("uuid1 uuid4 uuid7", only_runtime=True),
        "zoneinfo": SandboxMatcher(children={"ZoneInfo": _uses("clear_cache from_file reset_tzpath")}),
    }
    return SandboxMatcher(children=found)


_MINIMUM = frozenset(
    {"google.protobuf", "grpc", "importlib", "pathlib", "platform", "typing", "typing_extensions", "zipfile"}
)
_OWN = _MINIMUM | {
    "abc",
    "annotated_types",
    "asyncio",
    "nexusrpc",
    "pydantic",
    "pydantic_core",
    "tenuto",
    "temporalio",
}
_MOST = _OWN | frozenset(sys.stdlib_module_names)


@dataclass(frozen=True)
class SandboxRestrictions:
    """What workflow code may not use, and which modules pass through. Make others from ``SandboxRestrictions.default``."""

    passthrough_modules: Set[str]
    invalid_modules: SandboxMatcher
    invalid_module_members: SandboxMatcher
    import_notification_policy: SandboxImportNotificationPolicy = (
        SandboxImportNotificationPolicy.WARN_ON_DYNAMIC_IMPORT
    )
    passthrough_all_modules: bool = False
    disable_lazy_sys_module_passthrough: bool = False

    passthrough_modules_minimum: ClassVar[Set[str]] = _MINIMUM
    passthrough_modules_with_temporal: ClassVar[Set[str]] = _OWN
    passthrough_modules_maximum: ClassVar[Set[str]] = _MOST
    passthrough_modules_default: ClassVar[Set[str]] = _MOST
    invalid_module_members_default: ClassVar[SandboxMatcher] = _members()
    default: ClassVar[SandboxRestrictions]

    def with_passthrough_modules(self, *modules: str) -> SandboxRestrictions:
        """The same with these modules passed through too."""
        return dataclasses.replace(
            self, passthrough_modules=frozenset(self.passthrough_modules) | set(modules)
        )

    def with_passthrough_all_modules(self) -> SandboxRestrictions:
        """The same with every module passed through."""
        return dataclasses.replace(self, passthrough_all_modules=True)

    def with_import_notification_policy(self, policy: SandboxImportNotificationPolicy) -> SandboxRestrictions:
        """The same with other notes about imports."""
        return dataclasses.replace(self, import_notification_policy=policy)

    def denies(self, module: str, *path: str) -> bool:
        """Whether running workflow code may not use ``path`` of ``module``, as in ``denies("time", "sleep")``."""
        context = RestrictionContext()
        context.is_runtime = True
        place = (*module.split("."), *path)
        return self.invalid_modules.match_access(
            context, *place, include_use=True
        ) or self.invalid_module_members.match_access(context, *place, include_use=True)

    def allowed(self) -> frozenset[str]:
        """What the determinism guard refuses and these restrictions let through, though the default ones do not."""
        if self is SandboxRestrictions.default:
            return frozenset()
        default = SandboxRestrictions.default
        return frozenset(
            rule.name
            for rule in (*FORBIDDEN, *BUILT_IN)
            if default.denies(*(place := _place(rule.name))) and not self.denies(*place)
        )


def _place(name: str) -> list[str]:
    """Where the restrictions have what the guard calls ``name``."""
    for ours, theirs in _ELSEWHERE.items():
        if name.startswith(ours):
            return theirs.split() if theirs else ["__builtins__", name.rpartition(".")[2]]
    return name.removesuffix(".__init__").split(".")


_ELSEWHERE = {
    "builtins.": "",
    "io.open": "__builtins__ open",
    "os._Environ": "os environ",
    "_thread.start_new_thread": "threading Thread",
    "multiprocessing.process.BaseProcess": "multiprocessing Process",
}

SandboxRestrictions.default = SandboxRestrictions(
    passthrough_modules=SandboxRestrictions.passthrough_modules_default,
    invalid_modules=SandboxMatcher.none,
    invalid_module_members=SandboxRestrictions.invalid_module_members_default,
)
