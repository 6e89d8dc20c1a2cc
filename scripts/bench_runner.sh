#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The benchmarks of bench/suites.json, by tier: micro, concurrency, durability, memory, recovery,
# scenarios, checkpoints, vectors, or all.
# Installs what is missing, builds build-release/, runs the tiers it is given against a cairnd of
# its own, and keeps reports in out/run_DATE_TIME_COMMIT/ and a line in out/INDEX.md.
#
#   scripts/bench_runner.sh micro                               one tier
#   scripts/bench_runner.sh --save-baseline main                all, kept to compare with
#   scripts/bench_runner.sh --baseline main micro durability    two, compared with it
#
# --help has the rest. With --cairnd PROGRAM nothing is installed and nothing is built; --loadgen
# PROGRAM goes with it. Exit status: 0, 1 a regression or a missed gate, 2 usage, 3 not valid.
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

exec python3 "$root/bench/suite.py" --build "$build" --out "$root/out" "$@"
