# shellcheck shell=sh
# Installs what requirements.txt in the workshop asks for, then puts the environment in its place.
python=$1 workshop=$2 environment=$3
if command -v uv >/dev/null; then
    uv venv --quiet --allow-existing --python "$python" "$workshop"
    # Without compiled bytecode the first answer of a server takes three times as long.
    uv pip install --quiet --compile-bytecode --python "$workshop/bin/python" \
        --requirement "$workshop/requirements.txt" --constraint "$workshop/constraints.txt"
else
    "$python" -m venv "$workshop"
    "$workshop/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
        --requirement "$workshop/requirements.txt" --constraint "$workshop/constraints.txt"
fi
# Scripts name their interpreter by the path they were installed under.
grep -rlIFZ "$workshop" "$workshop/bin" | xargs -r0 sed -i "s|$workshop|$environment|g"
rm -rf "$environment"
mv -T "$workshop" "$environment"
