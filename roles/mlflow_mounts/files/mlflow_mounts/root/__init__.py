"""All that runs as root: mounts, forks and drops rights; it asks no server and reads no file of a user."""
