"""Shows Unix users the artifacts of MLflow that they may read, each with their own log-in.

root        what is privileged: mounts, and starts a process with a user's rights when that user looks
fuse        the kernel's protocol: bytes in, bytes out
artifacts   MLflow: what a user's teams show them
"""
