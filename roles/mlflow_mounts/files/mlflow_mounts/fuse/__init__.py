"""The kernel's protocol for file systems of programs (linux/fuse.h)."""
