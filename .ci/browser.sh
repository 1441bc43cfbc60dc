#!/usr/bin/env bash
# Run the tests of the example for browsers against a service. Needs Node.js 20 or later, npm, an index
# of npm packages or a cache of it, and the virtual environment of `make test`.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
server=
finish() {
    if [ -n "$server" ]; then
        # The whole group: the program and its workers.
        kill -- "-$server" 2>/dev/null || true
    fi
    rm -rf "$scratch"
}
trap finish EXIT

cp -r docs/examples/browser-sync "$scratch/example"
size=$(gzip -9c "$scratch/example/cliquet-sync.js" | wc -c)
echo "cliquet-sync.js: $size bytes with gzip"
[ "$size" -lt 8192 ] || { echo "it is to stay below 8 kB" >&2; exit 1; }
npm install --prefix "$scratch/example" --no-audit --no-fund --silent

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("localhost", 0)); print(s.getsockname()[1])')
for backend in STORAGE PERMISSION CACHE; do
    export "CLIQUET_${backend}_URL=sqlite:///$scratch/mushrooms.db"
done
set -m # a process group of its own for the server
CLIQUET_SYNC_ENABLED=true PYTHONPATH=docs/example \
    .venv/bin/cliquet start --ini config/example.ini --port "$port" >"$scratch/serve.log" 2>&1 &
server=$!
set +m
for _ in $(seq 60); do
    curl -fs "http://localhost:$port/v1/" >/dev/null && break
    kill -0 "$server" 2>/dev/null || break
    sleep 1
done
curl -fs "http://localhost:$port/v1/" >/dev/null || { cat "$scratch/serve.log" >&2; exit 1; }
SERVICE="http://localhost:$port/v1" npm --prefix "$scratch/example" test
