"""The differential suite: a scenario driven against the real server and against ours must tell one story."""
