#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# From a clone to figures: install what is missing, build, start cairnd on a free loopback port,
# load it, stop it. Leaves build-release/ and nothing else; takes no arguments.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

build='build-release'
cairnd=$build/server/cairnd
loadgen=$build/client/loadgen/loadgen
scratch=$(mktemp -d)
server=

step() {
    printf '\n==> %s\n' "$*"
}

# Stop the server that was started here, whatever ended the script.
stop() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
        server=
    fi
    rm -rf "$scratch"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The port of the first line "listening on ADDRESS:PORT (rpc)" that the server logs.
listening_port() {
    sed -n 's/.*listening on .*:\([0-9][0-9]*\) (rpc).*/\1/p' "$scratch/cairnd.log" | head -n 1
}

step "packages"
packages_install build
echo "all there"

step "build in $build"
if [ ! -f $build/build.ninja ]; then
    meson setup $build --buildtype=release
fi
ninja -C $build server/cairnd client/cli/cairn client/loadgen/loadgen

step "start $cairnd"
"$cairnd" --set listen.rpc=127.0.0.1:0 --set listen.http= --set listen.resp= 2>"$scratch/cairnd.log" &
server=$!
port=
for _ in $(seq 100); do
    port=$(listening_port)
    [ -z "$port" ] || break
    if ! kill -0 "$server" 2>/dev/null; then
        break
    fi
    sleep 0.1
done
if [ -z "$port" ]; then
    echo "cairnd did not start:" >&2
    cat "$scratch/cairnd.log" >&2
    exit 1
fi
cat "$scratch/cairnd.log"

step "loadgen --threads 8"
"$loadgen" --threads 8 -p "$port"

step "stop cairnd"
kill "$server"
status=0
wait "$server" || status=$?
server=
if [ "$status" -ne 0 ]; then
    echo "cairnd ended with status $status:" >&2
    cat "$scratch/cairnd.log" >&2
    exit 1
fi
echo "done. To go on by hand: $cairnd, and in another terminal $build/client/cli/cairn --help"
