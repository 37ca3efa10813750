"""Use cases: every RPC of the protocol as a plain coroutine over shards and matching.

Speaks protocol messages natively; must never import grpc, a store driver, or look inside a chain.
"""
