#!/bin/sh
# Runs a command among the programs of Debian 13: in_debian13.sh ROOT CHECKOUT COMMAND [ARGUMENT …]
# Everything else of this machine is seen there at its own path, in a mount namespace that ends with the command.
root=$1 && checkout=$2 && shift 2
if [ -e /etc/mlops-debian13 ]; then exec "$@"; fi
# shellcheck disable=SC2016 # what is expanded is expanded in there
exec unshare --mount sh -ec '
	root=$1 checkout=$2 && shift 2
	for it in /*; do
		case $it in /bin | /boot | /etc | /lib* | /opt | /sbin | /usr | /var) continue ;; esac
		if [ -d "$it" ] && [ ! -L "$it" ]; then
			mkdir -p "$root$it"
			mount --rbind "$it" "$root$it"
		fi
	done
	if [ ! -d "$root$checkout/tools" ]; then
		mkdir -p "$root$checkout"
		mount --rbind "$checkout" "$root$checkout"
	fi
	# This machine is not to be seen in there a second time, below build/, which somebody may remove.
	if [ -d "$root$root" ]; then mount -t tmpfs none "$root$root"; fi
	for it in /etc/hosts /etc/resolv.conf; do
		[ -e "$it" ] || continue
		touch "$root$it"
		mount --bind "$it" "$root$it"
	done
	exec chroot "$root" env -C "$PWD" "$@"
' sh "$root" "$checkout" "$@"
