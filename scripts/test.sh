#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Everything that must hold before a change goes in. Installs what is missing, then
#
#   build-test     all tests, with address and undefined-behaviour sanitizer; allocations and file
#                  operations fail, and rigs must catch mutants
#   build-tsan     suites unit, model, e2e and daemon, with thread sanitizer, but those long ones
#                  that have a single thread
#   build-fuzz     every fuzz target for FUZZ_SECONDS (20)
#   build-release  must build without a warning, and run under the system call filter of the unit
#
# and ends with the line "N passed, N failed, N skipped". A build that fails counts as one failure.
# Takes no arguments; the build directories stay, so that a second run is quicker.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

export FUZZ_SECONDS=${FUZZ_SECONDS:-20}
# A finding must end the program: a daemon that goes on would let its test pass.
export ASAN_OPTIONS=abort_on_error=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=halt_on_error=1:abort_on_error=1:print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
passed=0
failed=0
skipped=0

# The sanitizers of this compiler cannot live with the largest address randomisation of new kernels.
plain=()
if setarch "$(uname -m)" -R true 2>/dev/null; then
    plain=(setarch "$(uname -m)" -R)
fi

# fail WHAT: count a step that is not a test of meson.
fail() {
    echo "FAILED: $*"
    failed=$((failed + 1))
}

# build DIR OPTION...: configure and compile; what was configured before is brought up to date.
build() {
    local dir=$1 again=()
    shift
    [ ! -f "$dir/build.ninja" ] || again=(--reconfigure)
    meson setup "${again[@]}" "$dir" "$@" >"$dir.log" 2>&1 &&
        ninja -C "$dir" >"$dir.log" 2>&1 && rm -f "$dir.log" && return
    cat "$dir.log"
    rm -f "$dir.log"
    fail "build of $dir"
    return 1
}

# count DIR: add the results in meson's log to the sums; prints how many were not passed or skipped.
count() {
    local sums
    sums=$(python3 - "$1/meson-logs/testlog.json" <<'END'
import collections, json, os, sys
sums = collections.Counter()
if os.path.exists(sys.argv[1]):
    for line in open(sys.argv[1], encoding="utf-8"):
        result = json.loads(line)["result"]
        sums[{"OK": "ok", "EXPECTEDFAIL": "ok", "SKIP": "skip"}.get(result, "bad")] += 1
print(sums["ok"], sums["bad"], sums["skip"])
END
    ) || sums="0 1 0"
    read -r ok bad skip <<<"$sums"
    passed=$((passed + ok))
    failed=$((failed + bad))
    skipped=$((skipped + skip))
}

# run DIR OPTION...: run tests in DIR; with --suite, only some.
run() {
    local dir=$1 status=0 bad=0
    shift
    rm -f "$dir/meson-logs/testlog.json"
    # What hangs is ended; what is slow because the machine is busy is not.
    "${plain[@]}" meson test -C "$dir" --timeout-multiplier 4 --print-errorlogs "$@" || status=$?
    count "$dir"
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
        fail "meson test in $dir"
    fi
}

# part TITLE COMMAND...: one of the parts, with the time it took.
part() {
    local title=$1 begin=$SECONDS
    shift
    printf '\n==> %s\n' "$title"
    "$@"
    echo "==> $title: $((SECONDS - begin)) s"
}

# Sanitized code without any optimisation is so slow that the model tests would take minutes.
sanitized=(--buildtype=debug -Doptimization=1 -Dfaults=true -Dwerror=true)

address() {
    build build-test "${sanitized[@]}" -Db_sanitize=address,undefined -Dmutants=true &&
        run build-test
}

threads() {
    build build-tsan "${sanitized[@]}" -Db_sanitize=thread &&
        run build-tsan --suite unit --suite model --suite e2e --suite daemon --no-suite single
}

fuzz() {
    CC=clang build build-fuzz "${sanitized[@]}" -Db_sanitize=address,undefined -Db_lundef=false \
        -Dfuzz=true && run build-fuzz --suite fuzz
}

release() {
    build build-release --buildtype=release -Dwerror=true && passed=$((passed + 1)) &&
        run build-release e2e/service
}

part "packages" packages_install build test || exit 1
part "all tests, address and undefined-behaviour sanitizer" address
part "unit, model, e2e and crash with the daemon, thread sanitizer" threads
part "fuzz targets, $FUZZ_SECONDS s each" fuzz
part "release build" release

printf '\nall parts: %d s\n' "$SECONDS"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
