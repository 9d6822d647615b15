# shellcheck shell=sh
# Prints what certbot's certificate $1 is, a line each: its server, its directory, and its names. Nothing when there is none.
live=/etc/letsencrypt/live/$1/fullchain.pem
test -f "$live" || exit 0
sed -n 's/^\(server\|webroot_path\) = \([^,]*\),*$/\2/p' "/etc/letsencrypt/renewal/$1.conf"
openssl x509 -in "$live" -noout -ext subjectAltName | grep -o 'DNS:[^,]*' | cut -d: -f2
