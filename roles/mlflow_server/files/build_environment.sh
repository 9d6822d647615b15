# shellcheck shell=sh
# Builds an environment beside its place and renames it when complete, so that a run cut off leaves nothing that a
# later one trusts. Reads the constraints from its input, and prints "built" unless another run did it meanwhile.
python=$1 install_dir=$2 version=$3 marker=$4 requirements=$5 lean=$6 wheel_dir=$7 index_url=$8
environment=$install_dir/$version workshop=$install_dir/.$version.new former=$install_dir/.$version.old
umask 022
mkdir -p "$install_dir"

# A host sets variables for all that runs on it. Those that say whence and how packages are fetched are the site's; the
# others say what is installed, or where, or let every Python read modules of somebody else.
for name in $(env | sed -n 's/^\(\(PYTHON\|PIP_\|UV_\)[A-Za-z0-9_]*\)=.*/\1/p'); do
    case $name in
    PIP_*INDEX* | PIP_FIND_LINKS | PIP_*CERT | PIP_TRUSTED_HOST | PIP_PROXY | PIP_*TIMEOUT | PIP_RETRIES) ;;
    PIP_*CACHE* | PIP_KEYRING_PROVIDER | PIP_USE_* | PIP_CONFIG_FILE) ;;
    UV_*INDEX* | UV_FIND_LINKS | UV_*CERT* | UV_NATIVE_TLS | UV_INSECURE_HOST | UV_HTTP_* | UV_REQUEST_TIMEOUT) ;;
    UV_*CACHE* | UV_KEYRING_PROVIDER | UV_*CONFIG* | UV_OFFLINE | UV_CONCURRENT_* | UV_LINK_MODE) ;;
    *) unset "$name" ;;
    esac
done
# Also where a file of pip's settings says the opposite.
export PIP_USER=0
# What stands in the working directory is nobody's module.
cd /

# One build at a time. What a killed one has started holds the lock too, until it writes no more.
exec 9<"$install_dir"
if ! flock --timeout 1800 9; then
    echo "another run has been building in $install_dir for half an hour" >&2
    exit 1
fi
# Only a run cut off between the two renames at the end leaves this, where they could not be exchanged.
if [ -d "$former" ] && [ ! -e "$environment" ]; then
    mv -T "$former" "$environment"
fi
if [ "$(cat "$environment/$marker" 2>/dev/null)" = "$requirements" ] && works "$environment"; then
    exit 0
fi

rm -rf "$workshop" "$former"
mkdir "$workshop"
printf '%s\n' "$requirements" >"$workshop/wanted.txt"
cat >"$workshop/constraints.txt"
set --
if [ -n "$wheel_dir" ]; then
    set -- --no-index --find-links "$wheel_dir" --only-binary :all:
elif [ -n "$index_url" ]; then
    set -- --index-url "$index_url"
fi
# uv reads none of pip's settings, such as the index, the proxy or the authorities of a site: where there are only those,
# and something is to be fetched, it is pip that fetches it.
only_pip_knows() {
    if [ -n "$wheel_dir" ] || [ -e /etc/uv/uv.toml ] || [ -e "${HOME:-/root}/.config/uv/uv.toml" ]; then return 1; fi
    if env | grep -q '^UV_[A-Z_]*INDEX'; then return 1; fi
    env | grep -q '^PIP_[A-Z_]*INDEX' || [ -e /etc/pip.conf ] || [ -e "${HOME:-/root}/.config/pip/pip.conf" ] || [ -e "${HOME:-/root}/.pip/pip.conf" ]
}
if command -v uv >/dev/null && ! only_pip_knows; then
    uv venv --quiet --allow-existing --python "$python" "$workshop"
    fetch() { uv pip install --quiet --no-compile-bytecode --python "$workshop/bin/python" "$@"; }
else
    "$python" -I -m venv "$workshop"
    fetch() { "$workshop/bin/python" -I -m pip install --quiet --no-compile --disable-pip-version-check --no-input "$@"; }
fi
# A lean one has what that list names and nothing that MLflow says it needs, then the packages beside MLflow, which comes
# first in the requirements, with all that they need.
beside=$workshop/wanted.txt
if [ -n "$lean" ]; then
    beside=$workshop/beside.txt
    printf '%s\n' "$lean" >"$workshop/lean.txt"
    sed 1d "$workshop/wanted.txt" >"$beside"
    fetch --no-deps --requirement "$workshop/lean.txt" "$@"
fi
fetch --requirement "$beside" --constraint "$workshop/constraints.txt" "$@"
# Without compiled bytecode the first answer of a server takes three times as long. No server loads what packages test
# themselves with, a third of it all; and what some bring for other Pythons cannot be compiled. None of these processes
# waits for another, so that all end when one is killed.
find "$workshop/lib" -name '*.py' -not -path '*/site-packages/*/tests/*' -print0 |
    xargs -0 -n 200 -P "$(nproc)" "$workshop/bin/python" -I -W ignore -m compileall -qq || true
# Scripts name their interpreter by the path they were installed under.
grep -rlIFZ "$workshop" "$workshop/bin" | xargs -r0 sed -i "s|$workshop|$environment|g"

# The marker says that it is complete, so it comes last, when all the rest would outlast a power cut.
sync -f "$workshop"
mv -T "$workshop/wanted.txt" "$workshop/$marker"
sync "$workshop"
# A server that runs from the former one never misses it, and a power cut leaves either: they are exchanged in one step.
# Where a file system cannot do that, it is missed for a moment, not for as long as removing it takes.
exchange='
import ctypes, os, sys
libc, here, both = ctypes.CDLL(None, use_errno=True), -100, 2
if libc.renameat2(here, os.fsencode(sys.argv[1]), here, os.fsencode(sys.argv[2]), both):
    sys.exit(os.strerror(ctypes.get_errno()))
'
if [ ! -e "$environment" ]; then
    mv -T "$workshop" "$environment"
elif ! "$python" -Ic "$exchange" "$workshop" "$environment" 2>/dev/null; then
    mv -T "$environment" "$former"
    mv -T "$workshop" "$environment"
fi
sync "$install_dir"
rm -rf "$former" "$workshop"
echo built
