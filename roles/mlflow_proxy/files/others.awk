# Reads what `nginx -T` prints of other files than this role's, and prints, a line each: "user NAME GROUP", "connections NUMBER"
# of the main file, "sets DIRECTIVE FILE VALUE" for what may be there only once, and "listens ADDRESS FILE FLAGS".
/^# configuration file .*:$/ {
    file = substr($0, 22, length($0) - 22)
    count = 0
    next
}
{
    if (match($0, /(^|[ \t;{}])#/))
        $0 = substr($0, 1, RSTART + RLENGTH - 2)
    gsub(/[;{}]/, " & ")
    words = split($0, word)
    for (number = 1; number <= words; number++)
        if (word[number] == ";" || word[number] == "{" || word[number] == "}") {
            if (count)
                tell()
            count = 0
        } else
            said[++count] = word[number]
}

function tell(    rest, each, address, first, last) {
    gsub(/["']/, "", said[2])
    if (said[1] == "user" && count > 1)
        print "user", said[2], (count > 2 ? said[3] : "")
    else if (said[1] == "worker_connections" && file == main)
        print "connections", said[2]
    else if (said[1] == "worker_rlimit_nofile" || said[1] == "server_names_hash_bucket_size")
        print "sets", said[1], file, said[2]
    else if (said[1] == "listen" && count > 1 && said[2] !~ /^unix:/) {
        for (each = 3; each <= count; each++)
            rest = rest " " said[each]
        # Over UDP, nobody is in the way.
        if (rest !~ / (quic|udp)( |$)/) {
            address = said[2]
            # A range of ports is as many addresses.
            if (match(address, /(^|:)[0-9]+-[0-9]+$/)) {
                last = first = substr(address, RSTART)
                sub(/^:/, "", first)
                sub(/.*-/, "", last)
                address = substr(address, 1, RSTART - 1)
                for (first += 0; first <= last + 0; first++)
                    print "listens", full((address == "" ? "" : address ":") first), file rest
            } else
                print "listens", full(address), file rest
        }
    }
}

# An address as nginx understands it, with its port.
function full(address) {
    if (address ~ /^[0-9]+$/)
        return "*:" address
    if (address !~ /:[0-9]+$/ || address ~ /^\[[^]]*$/)
        address = address ":80"
    sub(/^0\.0\.0\.0:/, "*:", address)
    sub(/^localhost:/, "127.0.0.1:", address)
    sub(/^\[[0:]+\]:/, "[::]:", address)
    return address
}
