"""Ways to reach the service, whatever the service is: another process, a cluster, or this very process.

One call, one method, one message each way, the same errors everywhere. This room must never know what a message means
beyond its name and its namespace.
"""
