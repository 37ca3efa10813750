"""Workers: what runs workflows and activities, and everything that is set about how.

Names and behaviour of the official ``temporalio.worker``, and a few more: see `Worker`.
"""
