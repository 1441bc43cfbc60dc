#!/usr/bin/env bash
# Generate clients from the description of the example service, run them against it, and let
# Schemathesis look for answers that the description does not have. The argument is the number of
# examples for each operation and phase.
set -euo pipefail
cd "$(dirname "$0")/../.."
examples=${1:-50}
here=$PWD/.ci/clients
scratch=$(mktemp -d)
server=
finish() {
    if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi
    rm -rf "$scratch"
}
trap finish EXIT

quietly() { "$@" >"$scratch/output" 2>&1 || { cat "$scratch/output" >&2; exit 1; }; }

quietly python3 -m venv "$scratch/tools"
quietly "$scratch/tools/bin/pip" --disable-pip-version-check install "openapi-python-client==0.29.1" "schemathesis==4.32.5"
cp "$here/package.json" "$here/walk.ts" "$here/walk.py" "$scratch/"
quietly npm --prefix "$scratch" install --no-audit --no-fund --ignore-scripts

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("localhost", 0)); print(s.getsockname()[1])')
url="http://localhost:$port/v1"
sed -e 's/\.sqlite$/.memory/' -e 's/^\(cliquet\..*_url\)/# \1/' -e 's/^\[server:main\]/cliquet.sync_enabled = true\n&/' \
    config/example.ini >"$scratch/service.ini"
PYTHONPATH=docs/example .venv/bin/cliquet start --ini "$scratch/service.ini" --port "$port" --server waitress >"$scratch/serve.log" 2>&1 &
server=$!
for _ in $(seq 120); do
    curl -fs "$url/" >/dev/null && break
    kill -0 "$server" || { cat "$scratch/serve.log" >&2; exit 1; }
    sleep 0.5
done
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
