# shellcheck shell=sh
# Prints "nginx VERSION", what others.awk reads of nginx's files beside this role's, "refused TEXT" where nginx does not take those,
# "stock FILE" for Debian's page that nobody has changed, "ipv6" where the host has it, "copy FILE" for certificates that came
# from the controller, "part TEAM" for each that has a directory of what it uses, "keepalived own" or "keepalived other" for whose
# configuration keepalived has, "keepalived unread" where that is newer than it has read, "interface NAME" of the proxy's own address, "missing FILE" for what is not there, and
# "expires FILE" for certificates with less than 30 days left, and "beside UNIT" for each unit, or else program, that runs under the
# account of nginx's workers and is not nginx.
# The arguments are the program others.awk, this role's two files of nginx, the directories of those copies and of what teams use,
# keepalived's configuration, the proxy's own address or nothing, the certificates of the CA and of the proxy, its key, and a
# file of log-ins.
others=$1 sites=$2 limits=$3 directory=$4 parts=$5 keepalived=$6 address=$7
shift 7

# All but this role's: what it wrote before may be what others are in the way of now.
dumped() {
    if test -e "$sites" || test -e "$limits"; then
        unshare --mount sh -eu -s "$sites" "$limits" <<'EOF'
for file; do
    test ! -e "$file" || mount --bind /dev/null "$file"
done
exec nginx -T
EOF
    else
        nginx -T
    fi
}

# By real, effective or saved user; root reads everything. Containers have processes of the same number, who see none of
# nginx's, and somebody may have started an nginx by hand.
beside() {
    test "${1:-0}" != 0 || return 0
    nginx=$(readlink -f -- "$(command -v nginx)")
    tab=$(printf '\t')
    grep -ls "^Uid:.*$tab$1$tab" /proc/[0-9]*/status | while read -r status; do
        process=${status%/status}
        test "$(readlink "$process/ns/pid")" = "$(readlink /proc/self/ns/pid)" || continue
        unit=$(sed -n 's,.*/\([^/]*\.\(service\|scope\)\).*,\1,p' "$process/cgroup" 2>/dev/null | tail -n 1)
        if test "$unit" = nginx.service || test "$(readlink "$process/exe")" = "${nginx:-none}"; then
            continue
        fi
        echo "beside ${unit:-$(cat "$process/comm" 2>/dev/null)}" | tr -cd '[:alnum:] \n@:.\\_-'
    done
}

# nginx is not there before the first run, and says its version to stderr.
if command -v nginx >/dev/null; then
    nginx -v 2>&1 | sed 's|.*nginx/\([0-9.]*\).*|nginx \1|'
    if said=$(dumped 2>&1); then
        # The group is the user's own where the file names none.
        read=$(printf '%s\n' "$said" | awk -v main=/etc/nginx/nginx.conf "$others" | while read -r kind name rest; do
            case $kind-$rest in
                user-) echo "user $name $(id -gn -- "$name" 2>/dev/null || echo "$name")" ;;
                *) printf '%s\n' "$kind $name $rest" ;;
            esac
        done)
        test -z "$read" || printf '%s\n' "$read"
    else
        # With a time and a number, where it has no log to write to.
        why=$(printf '%s\n' "$said" | sed -nE 's/^.*\[emerg\] ([0-9]+#[0-9]+: )?//p')
        printf 'refused %s\n' "${why:-$(printf '%s\n' "$said" | tail -n 1)}"
    fi
fi
account=$(printf '%s\n' "${read:-}" | sed -n 's/^user \([^ ]*\) .*/\1/p')
beside "$(id -u -- "${account:-www-data}" 2>/dev/null)" | sort -u
site=/etc/nginx/sites-available/default
if test "$(readlink -f /etc/nginx/sites-enabled/default)" = "$site"; then
    # As the package brought it: somebody may have made it their own.
    dpkg-query --show --showformat='${Conffiles}\n' nginx-common 2>/dev/null | while read -r file sum _more; do
        if test "$file" = "$site" && echo "$sum  $file" | md5sum --check --status; then
            echo stock /etc/nginx/sites-enabled/default
        fi
    done
fi
# By what is in it: files in /proc have no size.
grep -q . /proc/net/if_inet6 2>/dev/null && echo ipv6
if test -e "$keepalived"; then
    if head -n 1 "$keepalived" | grep -qF mlops.mlflow; then
        echo "keepalived own"
        loaded=$(systemctl show --value --property=StateChangeTimestamp --timestamp=unix keepalived.service 2>/dev/null)
        test "$(stat -c %Y "$keepalived")" -le "$(printf '%s' "${loaded#@}" | grep -x '[0-9]*' || echo 0)" || echo "keepalived unread"
    else
        echo "keepalived other"
    fi
fi
test -z "$address" || ip -oneline address show to "$address" | awk '{ print "interface " $2 }'
find "$directory" -regextype posix-extended -regex '.*/[0-9a-f]{64}\.pem' -printf 'copy %p\n' 2>/dev/null
find "$parts" -mindepth 1 -maxdepth 1 -type d -printf 'part %f\n' 2>/dev/null
for file; do
    test -f "$file" || echo "missing $file"
done
for file in "$1" "$2"; do
    test -f "$file" && ! openssl x509 -in "$file" -noout -checkend 2592000 >/dev/null 2>&1 && echo "expires $file"
done
exit 0
