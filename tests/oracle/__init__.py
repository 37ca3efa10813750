"""The differential suite: one scenario, driven against the real server and against ours, must tell the same story."""
