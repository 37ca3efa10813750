"""The simulator: whole clusters of the real rooms on virtual time, with faults, from one seed.

A composition root: it wires the product's rooms to a simulated disk, clock and network, and must never replace one of them.
"""
