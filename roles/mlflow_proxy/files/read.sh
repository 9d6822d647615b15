# shellcheck shell=sh
# Notes in directory $2 what nginx has read of the files that follow: "begin" before it starts, "end" when it has. With "again",
# it is to read them again, now: that fails when nginx keeps what it has, which its own reload does not tell. "count" runs
# what follows, by which the kernel counts connections: when that fails, nothing counts as read, so that it is tried again.
set -eu
step=$1 directory=$2
shift 2
log=/var/log/nginx/error.log

# Workers that nginx's first process has now, without those that only finish what they began.
workers() {
    children=$(cat "/proc/$MAINPID/task/$MAINPID/children")
    for child in $children; do
        if tr '\0' ' ' <"/proc/$child/cmdline" | grep -qx 'nginx: worker process *'; then
            echo "$child"
        fi
    done 2>/dev/null
}

# By what is in them, since a clock may have been ahead. What comes after this is new.
begin() {
    rm -f "$directory/uncounted"
    sha256sum -- "$@" >"$directory/reading" || true
}

# nginx starts new workers for what it has read, and none where it keeps to what it had.
again() {
    nginx -t -q
    before=" $(workers | tr '\n' ' ') "
    said=$(wc -l 2>/dev/null <"$log" || echo 0)
    kill -HUP "$MAINPID"
    tries=0
    while test $((tries += 1)) -le 300; do
        for worker in $(workers); do
            case $before in *" $worker "*) ;; *) return 0 ;; esac
        done
        if tail -n "+$((said + 1))" "$log" 2>/dev/null | grep -F '[emerg]'; then
            break
        fi
        sleep 0.1
    done
    echo 'nginx has not read its files again; it serves what it had'
    return 1
}

# What it says is kept for the next run, since a journal may keep nothing.
count() {
    if said=$(timeout 30 "$@" 2>&1); then
        return 0
    fi
    rm -f "$directory/reading" "$directory/loaded"
    echo "connections are not counted: $said" | tee "$directory/uncounted"
    return 1
}

end() {
    ! test -e "$directory/reading" || mv "$directory/reading" "$directory/loaded"
}

case $step in
    begin) begin "$@" ;;
    end) end ;;
    again)
        begin "$@"
        again
        ;;
    count) count "$@" ;;
esac
