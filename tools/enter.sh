#!/bin/sh
# Runs a command on a throwaway host: enter.sh PIDFILE COMMAND [ARGUMENT …]
# It enters the namespaces of the host's first process, which takes a tenth of the time that `podman exec` does.
pid=$(cat "$1") && shift &&
	exec nsenter --target "$pid" --all -- \
		env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb container=podman "$@"
