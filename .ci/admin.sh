#!/usr/bin/env bash
# Run the tests of the pages /__admin__ and /__docs__ in Chromium, and of the documentation if `make docs`
# has built it. Needs Node.js 20 or later, npm, an index of npm packages or a cache of it, Chromium, and the
# virtual environment of `make test`. With SCREENSHOTS=folder, each view is written into it.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
server=
finish() {
    if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi
    rm -rf "$scratch"
}
trap finish EXIT

cp .ci/admin/* "$scratch"
timeout 300 npm install --prefix "$scratch" --no-audit --no-fund --ignore-scripts --silent

free() { python3 -c 'import socket; s = socket.socket(); s.bind(("localhost", 0)); print(s.getsockname()[1])'; }
port=$(free)
read_only=$(free)
.venv/bin/python "$scratch/service.py" "$port" "$read_only" "$scratch" >"$scratch/serve.log" 2>&1 &
server=$!
for _ in $(seq 60); do
    curl -fs "http://localhost:$read_only/v1/" >/dev/null && curl -fs "http://localhost:$port/v1/" >/dev/null && break
    kill -0 "$server" 2>/dev/null || break
    sleep 1
done
curl -fs "http://localhost:$port/v1/" >/dev/null || { cat "$scratch/serve.log" >&2; exit 1; }
DOCS="$PWD/docs/_build/html" SERVICE="http://localhost:$port/v1" READ_ONLY="http://localhost:$read_only/v1" \
    timeout --kill-after=10 900 npm --prefix "$scratch" test
