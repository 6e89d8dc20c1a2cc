#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# loadgen --vs: cairnd against Debian's redis-server on this machine, in throughput, latency, and
# CPU time of the server per operation, with redis-benchmark as a second witness. Installs what is
# missing, builds build-release/, starts both servers on free loopback ports, and stops them. About
# ten minutes; --rounds N and --witness N change that, --out PREFIX writes PREFIX.md and
# PREFIX.json, --help has the rest.
#
# With --cairnd PROGRAM and --loadgen PROGRAM nothing is installed and nothing is built.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build-release
given=

for argument in "$@"; do
    case $argument in
    --cairnd | --cairnd=* | -h | --help) given=yes ;;
    esac
done

if [ -z "$given" ]; then
    # shellcheck source=scripts/packages.sh
    . "$root/scripts/packages.sh"
    packages_install build bench
    if [ ! -f "$build/build.ninja" ]; then
        meson setup "$build" "$root" --buildtype=release
    fi
    ninja -C "$build" server/cairnd client/loadgen/loadgen
fi

exec python3 "$root/bench/compare_redis.py" --build "$build" "$@"
