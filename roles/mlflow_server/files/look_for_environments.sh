# shellcheck shell=sh
# Prints who else than root could exchange what is in a directory, and what the complete environments there are made of.
look() {
    # Up to the root, as it is named and on the way that links lead; what is not there yet will be root's.
    for path in "$1" "$(realpath -m -- "$1")"; do
        while [ "$path" != / ]; do
            if [ -e "$path" ] && is_loose "$path"; then
                echo "others $path ($(stat -c '%U:%G %a' -- "$path"))"
            fi
            path=$(dirname -- "$path")
        done
    done
    cd -- "$1" 2>/dev/null || return 0
    for marker in */"$2"; do
        if works "${marker%/*}"; then sha256sum -- "$marker"; fi
    done
}

# With the sticky bit, as /tmp has it, nobody exchanges what is somebody else's. The mode of a link means nothing.
is_loose() {
    owner=$(stat -c %u -- "$1")
    if [ "$owner" != 0 ] && [ "$owner" != "$(id -u)" ]; then return 0; fi
    [ -n "$(find "$1" -maxdepth 0 ! -type l \( -perm /002 -o -perm /020 ! -gid 0 \) ! -perm -1000)" ]
}
