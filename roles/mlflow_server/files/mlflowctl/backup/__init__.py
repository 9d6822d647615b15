"""Backups: restic, snapshots and what is in them, restores, drills."""
