#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The one list of Debian 12 packages, with what each is for, and how to install what is missing.
# The other scripts source this file; run as a program it installs the groups it is given:
#
#   scripts/packages.sh build          # what a build needs
#   scripts/packages.sh build test     # and the test suite
#   scripts/packages.sh bench          # what comparisons with other servers need
#   scripts/packages.sh build package  # what Debian packages are built and checked with
#   scripts/packages.sh neon           # what scripts/test_neon.sh needs

# shellcheck disable=SC2034 # read by name, as are the two below
packages_build='
gcc                 # compiler
libc6-dev           # C library headers
meson               # build description
ninja-build         # build runner
make                # gcc uses it to link in parallel
pkgconf             # finds the libraries below
libuv1-dev          # event loops
libmsgpack-dev      # MessagePack
libyaml-dev         # configuration file
libjansson-dev      # JSON in and out of the clients
libedit-dev         # line editing and history of the interactive cairn
libssl-dev          # libcrypto: SHA-256, random bytes
libdeflate-dev      # CRC-32 of the log and of snapshots; logs of HdrHistogram
liblz4-dev          # compressed snapshots
libmicrohttpd-dev   # metrics and health over HTTP
libjemalloc-dev     # allocator of release builds
'

# shellcheck disable=SC2034
packages_test='
python3             # rules of the tree, end-to-end tests
libcmocka-dev       # unit tests
clang               # fuzz targets
libclang-rt-14-dev  # libFuzzer and the sanitizers of clang
clang-format-14     # the form of the code
python3-msgpack     # a MessagePack of others, for end-to-end tests
python3-prometheus-client # a parser of metrics of others
python3-pynvim      # a MessagePack-RPC client of others
neovim              # another one
systemd             # systemd-analyze, systemd-socket-activate: tests of the units
python3-seccomp     # tests under the system call filter of the unit
mandoc              # form of the man pages
redis-server        # the judge of the RESP port
redis-tools         # redis-cli and redis-benchmark, clients of the RESP port
python3-redis       # another one
e2fsprogs           # mkfs.ext4: file systems that are crashed and filled
mount               # loop devices for them
strace              # how many system calls loadgen makes
'

# shellcheck disable=SC2034
packages_bench='
redis-server        # the peer that figures are compared with
redis-tools         # redis-benchmark, redis-cli
linux-perf          # where the time goes
python3-msgpack     # the client of bench/checkpoints.py and bench/memory.py
libhnswlib-dev      # the peers of bench/vectors
libfaiss-dev        # the other
'

# shellcheck disable=SC2034
packages_package='
dpkg-dev            # dpkg-buildpackage
debhelper           # what debian/rules is written for
fakeroot            # builds of people who are not root
lintian             # rules of Debian for packages
mmdebstrap          # a Debian to throw away, to install the packages in
iproute2            # a loopback of its own for the server there
'

# shellcheck disable=SC2034
packages_neon='
gcc-aarch64-linux-gnu  # the kernels of vectors for another processor: scripts/test_neon.sh
libc6-dev-arm64-cross  # its C library
qemu-user-static       # and the processor
'

# packages_missing GROUP...: names of the packages of these groups that are not installed.
packages_missing() {
    local group list name
    for group in "$@"; do
        list=packages_$group
        if [ -z "${!list:-}" ]; then
            echo "packages.sh: no group '$group'; there are build, test, bench, package, neon" >&2
            return 2
        fi
        while read -r name _; do
            [ -n "$name" ] || continue
            [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] ||
                echo "$name"
        done <<<"${!list}"
    done
}

# packages_install GROUP...: install what is missing, as root or with sudo; silent if nothing is.
packages_install() {
    local missing as_root=()
    missing=$(packages_missing "$@") || return
    [ -n "$missing" ] || return 0
    mapfile -t missing <<<"$missing"
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "Missing packages, and neither root nor sudo to install them. As root, run:" >&2
            echo "  apt-get update && apt-get install --no-install-recommends ${missing[*]}" >&2
            return 1
        fi
        as_root=(sudo)
    fi
    echo "==> installing ${missing[*]}"
    "${as_root[@]}" apt-get -qq update &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get -qq install -y --no-install-recommends "${missing[@]}"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    set -eu
    if [ $# -eq 0 ]; then
        echo "usage: scripts/packages.sh build|test|bench|package|neon ..." >&2
        exit 2
    fi
    packages_install "$@"
fi
