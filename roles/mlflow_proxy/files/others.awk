# Reads what `nginx -T` prints of other files than this role's, and prints, a line each: "user NAME GROUP", "connections NUMBER"
# of the main file, "sets DIRECTIVE FILE VALUE" for what may be there only once, "listens ADDRESS FILE FLAGS", and "takes ADDRESS
# FILE" where it is no site that listens there, but a stream or a mail server.
/^# configuration file .*:$/ {
    file = substr($0, 22, length($0) - 22)
    count = depth = 0
    open_quote = ""
    # What is included is shown after what includes it.
    block[0] = ""
    for (pattern in included)
        if (file ~ pattern)
            block[0] = included[pattern]
    next
}
{
    $0 = plain($0)
    gsub(/[;{}]/, " & ")
    words = split($0, word)
    for (number = 1; number <= words; number++)
        if (word[number] == ";" || word[number] == "{" || word[number] == "}") {
            if (count)
                tell()
            if (word[number] == "{") {
                block[depth + 1] = block[depth] == "" ? said[1] : block[depth]
                depth++
            } else if (word[number] == "}" && depth > 0)
                depth--
            count = 0
        } else
            said[++count] = word[number]
}

# A line without its comment, in which what stands in quotes is one word and ends nothing.
function plain(line,    found, at, sign, begins) {
    found = ""
    begins = 1
    for (at = 1; at <= length(line); at++) {
        sign = substr(line, at, 1)
        if (open_quote != "") {
            if (sign == "\\") {
                at++
                sign = "_"
            } else if (sign == open_quote)
                open_quote = ""
            else if (sign ~ /[#;{} \t]/)
                sign = "_"
            begins = 0
        } else {
            if (begins && sign == "#")
                break
            if (begins && (sign == "\"" || sign == "'"))
                open_quote = sign
            begins = sign ~ /[ \t;{}]/
        }
        found = found sign
    }
    return found
}

function tell(    rest, each, address, first, last) {
    gsub(/["']/, "", said[2])
    if (said[1] == "user" && count > 1)
        print "user", said[2], (count > 2 ? said[3] : "")
    else if (said[1] == "worker_connections" && file == main)
        print "connections", said[2]
    else if (said[1] == "worker_rlimit_nofile" || said[1] == "server_names_hash_bucket_size")
        print "sets", said[1], file, said[2]
    else if (said[1] == "include" && count > 1)
        included[regular(said[2])] = block[depth]
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
                    show(full((address == "" ? "" : address ":") first), rest)
            } else
                show(full(address), rest)
        }
    }
}

function show(address, rest) {
    if (block[depth] == "stream" || block[depth] == "mail")
        print "takes", address, file
    else
        print "listens", address, file rest
}

# A pattern of files as an expression; a relative one begins where the main file stands.
function regular(pattern,    directory) {
    directory = main
    sub(/[^\/]*$/, "", directory)
    if (pattern !~ /^\//)
        pattern = directory pattern
    gsub(/[.+(){}|$]/, "[&]", pattern)
    gsub(/\*/, "[^/]*", pattern)
    gsub(/\?/, "[^/]", pattern)
    return "^" pattern "$"
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
