#!/usr/bin/env bash
# Generate clients from the description of the example service and of the tutorial's, run them against
# these, and let Schemathesis look for answers that the description does not have. The argument is the
# number of examples for each operation and phase.
set -euo pipefail
cd "$(dirname "$0")/../.."
examples=${1:-50}
here=$PWD/.ci/clients
scratch=$(mktemp -d)
servers=()
finish() {
    if [ "${#servers[@]}" -gt 0 ]; then kill "${servers[@]}" 2>/dev/null || true; fi
    rm -rf "$scratch"
}
trap finish EXIT

quietly() { "$@" >"$scratch/output" 2>&1 || { cat "$scratch/output" >&2; exit 1; }; }

quietly python3 -m venv "$scratch/tools"
quietly "$scratch/tools/bin/pip" --disable-pip-version-check install "openapi-python-client==0.29.1" "schemathesis==4.32.5"
cp "$here/package.json" "$here/walk.ts" "$here/walk.py" "$scratch/"
quietly npm --prefix "$scratch" install --no-audit --no-fund --ignore-scripts

free() { python3 -c 'import socket; s = socket.socket(); s.bind(("localhost", 0)); print(s.getsockname()[1])'; }
# Serve a file on a port, with the modules of a folder, and wait until it answers.
serve() {
    PYTHONPATH=$1 .venv/bin/cliquet start --ini "$2" --port "$3" --server waitress >"$scratch/serve.log" 2>&1 &
    servers+=("$!")
    for _ in $(seq 120); do
        curl -fs --max-time 5 "http://localhost:$3/v1/" >/dev/null && return
        kill -0 "${servers[-1]}" || break
        sleep 0.5
    done
    cat "$scratch/serve.log" >&2
    exit 1
}

port=$(free)
url="http://localhost:$port/v1"
sed -e 's/\.sqlite$/.memory/' -e 's/^\(cliquet\..*_url\)/# \1/' \
    config/example.ini >"$scratch/service.ini"
serve docs/example "$scratch/service.ini" "$port"
python3 "$here/variants.py" "$url" "$scratch"

(
    cd "$scratch"
    quietly npx openapi-typescript api.json -o schema.d.ts
    quietly npx tsc --strict --noUncheckedIndexedAccess --target es2022 --module es2022 \
        --moduleResolution bundler --lib es2022,dom --skipLibCheck walk.ts
    node walk.js "$url"
    quietly tools/bin/openapi-python-client generate --path one-patch.json --meta none --output-path mushrooms_client
    tools/bin/python walk.py "$url"
    # The time is bounded, because a machine may be slow; the seed makes a failure come again.
    quietly tools/bin/schemathesis run strict.json --url "$url" --auth mat:1 --seed 1 --max-examples "$examples" \
        --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance \
        --continue-on-failure --no-color --max-time "${MAX_SECONDS:-150}"
    grep -E 'generated|test cases' output | tail -2 || true
)

# The first client of the tutorial, with the commands of its page; npm has installed the packages above.
quietly .venv/bin/cliquet init "$scratch/library"
cp docs/tutorial/library/*.py "$scratch/library/library/"
port=$(free)
quietly env PYTHONPATH="$scratch/library" .venv/bin/cliquet migrate --ini "$scratch/library/config/development.ini"
serve "$scratch/library" "$scratch/library/config/development.ini" "$port"
mkdir "$scratch/client"
sed "s/localhost:8888/localhost:$port/" docs/tutorial/client/shelves.ts >"$scratch/client/shelves.ts"
cp "$here/package.json" "$scratch/client/"
grep -E '^   (npx|node) ' docs/tutorial/index.rst | sed "s/localhost:8888/localhost:$port/" >"$scratch/client/commands.sh"
[ "$(wc -l <"$scratch/client/commands.sh")" = 3 ]
(
    cd "$scratch/client"
    ln -s ../node_modules node_modules
    bash -eu commands.sh >output 2>&1 || { cat output >&2; exit 1; }
    [ "$(tail -1 output)" = "Leaves of Grass, 1855" ]
    echo "the client of the tutorial: passed"
)
