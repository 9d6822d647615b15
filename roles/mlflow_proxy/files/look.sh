# shellcheck shell=sh
# Prints "nginx VERSION", "connections NUMBER", "files NUMBER" and "user NAME GROUP" of its main file, "ipv6" where the host
# has it, "copy FILE" for certificates that came from the controller, "missing FILE" for what is not there, and "expires FILE" for certificates
# with less than 30 days left. The arguments are the directory of those copies, the certificates of the CA and of the proxy,
# and its key.
directory=$1
shift
# nginx says it to stderr, and is not there before the first run.
command -v nginx >/dev/null && nginx -v 2>&1 | sed 's|.*nginx/\([0-9.]*\).*|nginx \1|'
sed -nE 's/^\s*worker_connections\s+([0-9]+)\s*;.*/connections \1/p; s/^\s*worker_rlimit_nofile\s+([0-9]+)\s*;.*/files \1/p' \
    /etc/nginx/nginx.conf 2>/dev/null
# The group is the user's own where the file names none.
sed -nE 's/^\s*user\s+([A-Za-z0-9_.-]+)(\s+([A-Za-z0-9_.-]+))?\s*;.*/\1 \3/p' /etc/nginx/nginx.conf 2>/dev/null | while read -r name group; do
    echo "user $name ${group:-$(id -gn -- "$name" 2>/dev/null || echo "$name")}"
done
# By what is in it: files in /proc have no size.
grep -q . /proc/net/if_inet6 2>/dev/null && echo ipv6
find "$directory" -regextype posix-extended -regex '.*/[0-9a-f]{64}\.pem' -printf 'copy %p\n' 2>/dev/null
for file; do
    test -f "$file" || echo "missing $file"
done
for file in "$1" "$2"; do
    test -f "$file" && ! openssl x509 -in "$file" -noout -checkend 2592000 >/dev/null 2>&1 && echo "expires $file"
done
exit 0
