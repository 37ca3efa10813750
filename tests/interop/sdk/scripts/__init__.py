"""Programs, written once for the official SDK; `tests.interop.sdk.loading` loads them a second time for ours."""
