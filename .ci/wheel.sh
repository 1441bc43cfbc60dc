#!/usr/bin/env bash
# Check a wheel: what is in it, and that it works without any extra. The argument is the wheel; without
# it, one is built from this clone. Needs python3 with venv, and an index or a cache of pip for the
# dependencies.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

python3 -m venv "$scratch/no-extras"
pip=("$scratch/no-extras/bin/python" -m pip --disable-pip-version-check -qq)
if [ "$#" -gt 0 ]; then
    wheel=$(realpath "$1")
else
    # Not in the clone: a build leaves a folder there, whose modules would be in the next wheel.
    mkdir "$scratch/source"
    (cd "$here/.." && cp -r pyproject.toml setup.py README.rst LICENSE cliquet "$scratch/source")
    "${pip[@]}" wheel --no-deps --wheel-dir "$scratch/wheel" "$scratch/source"
    wheel=$(echo "$scratch"/wheel/cliquet-*.whl)
fi

"$scratch/no-extras/bin/python" -m zipfile --list "$wheel" >"$scratch/names"
for name in cliquet/py.typed cliquet/storage/postgresql/schema.sql \
    cliquet/openapi/assets/swagger-ui-bundle.js cliquet/openapi/assets/LICENSE \
    cliquet/openapi/assets/admin/app.js cliquet/openapi/assets/admin/LICENSE-preact.txt; do
    grep -q "$name" "$scratch/names" || { echo "the wheel lacks $name" >&2; exit 1; }
done
if grep -E '^(tests|docs|benchmarks|loadtests)/' "$scratch/names" >&2; then
    echo "the wheel holds more than the package" >&2
    exit 1
fi

"${pip[@]}" install "$wheel"
# From another folder: the working tree must not stand in for the installed package.
cd "$scratch"
no-extras/bin/python "$here/no_extras.py"
