"""The plugin's fixtures and hook, also where the package is not installed."""

from tenuto.testing.pytest_plugin import pytest_pyfunc_call, tenuto_client, tenuto_env, tenuto_worker

__all__ = ["pytest_pyfunc_call", "tenuto_client", "tenuto_env", "tenuto_worker"]
