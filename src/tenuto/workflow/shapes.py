"""Shapes of functions, for those who write typed code over workflows. This file must never hold behaviour."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol, TypeVar

ParamType = TypeVar("ParamType")
ReturnType = TypeVar("ReturnType")
SelfType = TypeVar("SelfType")
_Param = TypeVar("_Param", contravariant=True)
_Self = TypeVar("_Self", contravariant=True)
_Return = TypeVar("_Return", covariant=True)


class CallableAsyncNoParam(Protocol[_Return]):
    """An async function without parameters."""

    def __call__(self) -> Awaitable[_Return]: ...


class CallableSyncNoParam(Protocol[_Return]):
    """A function without parameters."""

    def __call__(self) -> _Return: ...


class CallableAsyncSingleParam(Protocol[_Param, _Return]):
    """An async function that can be called with one argument."""

    def __call__(self, __arg: _Param, /) -> Awaitable[_Return]: ...


class CallableSyncSingleParam(Protocol[_Param, _Return]):
    """A function that can be called with one argument."""

    def __call__(self, __arg: _Param, /) -> _Return: ...


class MethodAsyncNoParam(Protocol[_Self, _Return]):
    """An async method without parameters."""

    def __call__(__self, self: _Self) -> Awaitable[_Return]: ...


class MethodSyncNoParam(Protocol[_Self, _Return]):
    """A method without parameters."""

    def __call__(__self, self: _Self) -> _Return: ...


class MethodAsyncSingleParam(Protocol[_Self, _Param, _Return]):
    """An async method that can be called with one argument."""

    def __call__(self, __self: _Self, __arg: _Param, /) -> Awaitable[_Return]: ...


class MethodSyncSingleParam(Protocol[_Self, _Param, _Return]):
    """A method that can be called with one argument."""

    def __call__(self, __self: _Self, __arg: _Param, /) -> _Return: ...


class MethodSyncOrAsyncNoParam(Protocol[_Self, _Return]):
    """A method without parameters."""

    def __call__(__self, self: _Self) -> _Return | Awaitable[_Return]: ...


class MethodSyncOrAsyncSingleParam(Protocol[_Self, _Param, _Return]):
    """A method that can be called with one argument."""

    def __call__(self, __self: _Self, __arg: _Param, /) -> _Return | Awaitable[_Return]: ...
