#!/usr/bin/env bash
# What a newcomer does: install cliquet into a new virtual environment, `cliquet init demo`, `make
# serve`, `make test`; with cliquet from a wheel, then from a folder in editable mode. Then the service is
# installed as on another host, which has no such folder.
# Needs python3 with venv, make and curl, and an index or a cache of pip for the dependencies.
set -euo pipefail
cd "$(dirname "$0")/.."
python="${PYTHON:-python3}"

scratch=$(mktemp -d)
server=
stop() {
    if [ -n "$server" ]; then
        # The whole group: make and the server it runs, which is told twice in this way.
        kill -- "-$server" 2>/dev/null || true
        for _ in $(seq 150); do
            kill -0 "$server" 2>/dev/null || break
            sleep 0.1
        done
        if kill -0 "$server" 2>/dev/null; then
            kill -KILL -- "-$server"
            server=
            echo "make serve does not end" >&2
            exit 1
        fi
        server=
    fi
}
trap 'stop; rm -rf "$scratch"' EXIT

# Not in the clone: a build leaves a folder there, whose modules would be in the next wheel.
mkdir "$scratch/source"
cp -r pyproject.toml setup.py README.rst LICENSE cliquet "$scratch/source"

pip=("$scratch/env/bin/python" -m pip --disable-pip-version-check -qq)

check() { # the name of a service
    local port url answer
    cd "$scratch"
    env/bin/cliquet init "$1"
    cd "$1"

    port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("localhost", 0)); print(s.getsockname()[1])')
    url="http://localhost:$port/v1"
    set -m # a process group of its own for the server
    make serve PYTHON="$python" PORT="$port" >"$scratch/serve.log" 2>&1 &
    server=$!
    set +m
    for _ in $(seq 180); do
        curl -fs "$url/" >/dev/null && break
        kill -0 "$server" 2>/dev/null || break
        sleep 1
    done
    answer=$(curl -fs -u ci:1 -H 'Content-Type: application/json' \
        -d '{"data": {"title": "Water the plants"}}' -w ' %{http_code}' "$url/tasks") || {
        cat "$scratch/serve.log" >&2
        exit 1
    }
    case $answer in
        *'"title":"Water the plants"'*' 201') echo "make serve answers: $answer" ;;
        *) echo "unexpected answer: $answer" >&2; exit 1 ;;
    esac
    stop

    make test PYTHON="$python"
    if [ "$1" = from-wheel ]; then
        # mypy does not find a package in editable mode.
        make lint PYTHON="$python"
    fi
}

elsewhere() { # the name of a service: what its README says under "Where cliquet comes from"
    cd "$scratch/$1"
    local version
    version=$(sed -n 's/^ *"cliquet\([>=].*\)"$/\1/p' README.rst)
    sed -i "s|\"\(cliquet[^ ]*\) @ file:.*\"|\"\1$version\"|" pyproject.toml
    if grep file:/ pyproject.toml; then exit 1; fi
    cp -r "$scratch/wheel" wheels
    mv "$scratch/source" "$scratch/gone"
    export PIP_FIND_LINKS="$given"
    "$python" -m venv .venv-production
    .venv-production/bin/python -m pip --disable-pip-version-check -qq install --find-links wheels '.[production]'
    CLIQUET_USERID_HMAC_SECRET=secret CLIQUET_STORAGE_BACKEND=cliquet.storage.memory \
        CLIQUET_PERMISSION_BACKEND=cliquet.permission.memory CLIQUET_CACHE_BACKEND=cliquet.cache.memory \
        .venv-production/bin/gunicorn --check-config --paste config/production.ini
    make clean
    make test PYTHON="$python"
}

"$python" -m venv "$scratch/env"
"${pip[@]}" wheel --no-deps --wheel-dir "$scratch/wheel" "$scratch/source"
"${pip[@]}" install "$scratch"/wheel/cliquet-*.whl
# The service asks for a version, which no index has before it is released.
given="${PIP_FIND_LINKS:-}"
export PIP_FIND_LINKS="$scratch/wheel"
check from-wheel
"${pip[@]}" install --editable "$scratch/source"
check from-folder
elsewhere from-folder
