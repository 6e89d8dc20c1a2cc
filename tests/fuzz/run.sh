#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Run one fuzz target for FUZZ_SECONDS (20): run.sh TARGET SEEDS CORPUS. What it learns goes into
# CORPUS in the build directory; SEEDS, in the source, is only read. The input of a crash stays
# beside CORPUS; copy it into SEEDS together with the fix.
set -eu

target=$(realpath "$1")
seeds=$2
corpus=$3
mkdir -p "$corpus"
cd "$(dirname "$corpus")"
dictionary=$(dirname "$seeds")/$(basename "$seeds").dict
set -- "$corpus"
[ ! -d "$seeds" ] || set -- "$@" "$seeds"
[ ! -f "$dictionary" ] || set -- "-dict=$dictionary" "$@"
# The limits are the promise: no input may cost memory or time out of proportion to its size.
# libFuzzer ends with 77 after a crash, which meson would take for a skipped test.
exec "$target" -max_total_time="${FUZZ_SECONDS:-20}" -rss_limit_mb=2048 -malloc_limit_mb=512 \
    -timeout=10 -error_exitcode=1 -timeout_exitcode=1 -print_final_stats=1 \
    -artifact_prefix="$(basename "$corpus")-" "$@"
