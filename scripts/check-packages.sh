#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Build the Debian packages from a copy of this working tree, and try them as an administrator
# would, in a minimal Debian that is thrown away:
#
#   lists    what debian/ repeats from other files is the same there
#   build    dpkg-buildpackage
#   lintian  not even a pedantic remark
#   link     a C program against libcairn-dev
#   try      install, start the server with the configuration as installed, use it, look for man
#            pages and completion, remove, purge, look for what is left
#
# Takes no argument for all of it, or --lists for the first alone, which needs nothing. All of it
# needs root, a Debian mirror, and a minute and a half on an idle machine; it leaves nothing behind.
set -euo pipefail

self=$(realpath "${BASH_SOURCE[0]}")
root=$(dirname "$(dirname "$self")")

fail() {
    echo "check-packages.sh: $*" >&2
    exit 1
}

# has WHAT COMMAND...: the command must succeed.
has() {
    local what=$1
    shift
    "$@" >/dev/null || fail "$what"
    echo "    $what"
}

# ---- lists ----

lists() {
    local library version
    # shellcheck source=scripts/packages.sh
    . "$root/scripts/packages.sh"
    while read -r library; do
        [ "$library" = libc6-dev ] || grep -q "^ $library\b" "$root/debian/control" ||
            fail "debian/control: Build-Depends lacks $library of scripts/packages.sh"
    done < <(grep -o '^lib[a-z0-9-]*-dev' <<<"$packages_build")
    version=$(sed -n "s/^  version: '\(.*\)',/\1/p" "$root/meson.build")
    grep -q "^cairn ($version)" <(head -n 1 "$root/debian/changelog") ||
        fail "debian/changelog: the first line has another version than meson.build ($version)"
}

# ---- build ----

build() {
    mkdir "$scratch/cairn"
    (cd "$root" && git ls-files -z --cached --others --exclude-standard |
        tar --create --null --files-from - --ignore-failed-read) |
        tar --extract --directory "$scratch/cairn"
    (cd "$scratch/cairn" &&
        DEB_BUILD_OPTIONS=terse timeout 540 dpkg-buildpackage -us -uc -j"$(nproc)") \
        >"$scratch/build.log" 2>&1 || {
        tail -n 40 "$scratch/build.log"
        fail "dpkg-buildpackage failed"
    }
}

check_lintian() {
    timeout 120 lintian --allow-root --info --display-info --pedantic \
        --fail-on error,warning,info,pedantic "$scratch"/cairn_*.changes || fail "lintian objects"
}

check_link() {
    dpkg -x "$scratch"/libcairn-dev_*.deb "$scratch/dev"
    PKG_CONFIG_SYSROOT_DIR=$scratch/dev \
        PKG_CONFIG_PATH=$(echo "$scratch"/dev/usr/lib/*/pkgconfig) \
        "$root/debian/tests/link"
}

# ---- try ----

# The mirror this machine has itself, and its proxy.
mirror() {
    # shellcheck disable=SC2016 # apt's own
    apt-get indextargets --format '$(REPO_URI)' "Codename: $1" 'Created-By: Packages' |
        grep -v -e security -e updates | head -n 1
}

try() {
    local codename proxy=
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    timeout 400 mmdebstrap --quiet --variant=apt \
        --include=man-db,bash-completion,systemd-standalone-sysusers \
        ${proxy:+--aptopt="Acquire::http::Proxy \"$proxy\""} \
        --customize-hook="'$self' --in-root \"\$1\" '$scratch'" \
        "$codename" /dev/null "$(mirror "$codename")" || fail "the packages do not work"
}

# Every path of the system that a package could leave behind. Excepted are what dpkg and apt keep
# for themselves, and accounts, which stay so that their numbers are not given to others.
paths() {
    (cd "$1" && find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./tmp \
        -o -path ./var/lib/dpkg -o -path ./var/lib/apt -o -path ./var/cache -o -path ./var/log \) \
        -prune -o -print) | grep -v -e '^./etc/\(passwd\|g\?shadow\|group\)-$' | sort
}

# In the system at $1, as its root, with the packages in $2.
in_root() {
    local system=$1 packages=$2 name page file files=()
    local ours=(cairn-server cairn-tools libcairn-dev)
    apt() { chroot "$system" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y "$@"; }
    paths "$system" >"$packages/before"
    for name in "${ours[@]}"; do
        cp "$packages/$name"_*.deb "$system/tmp/$name.deb"
        files+=("/tmp/$name.deb")
    done
    cp "$root/debian/tests/smoke" "$system/tmp"

    echo "==> install"
    apt install --no-install-recommends "${files[@]}" >"$packages/apt.log" 2>&1 || {
        cat "$packages/apt.log"
        fail "apt-get install"
    }
    ! grep -i -e warning -e error "$packages/apt.log" || fail "remarks of the installation"
    has "the service is enabled" \
        test -L "$system/etc/systemd/system/multi-user.target.wants/cairnd.service"
    for file in "$system"/usr/lib/sysusers.d/cairn*; do
        [ ! -e "$file" ] || has "the user of the service" chroot "$system" getent passwd cairnd
    done
    for page in cairnd.8 cairn.yaml.5 cairn-protocol.7 cairn-commands.7 cairn.1 loadgen.1; do
        has "man ${page%.*}" chroot "$system" man --warnings "${page##*.}" "${page%.*}"
    done
    for program in cairn cairnd loadgen; do
        has "completion of $program" chroot "$system" bash -c \
            ". /usr/share/bash-completion/bash_completion && _completion_loader $program
             complete -p $program"
    done

    echo "==> use"
    # shellcheck disable=SC2016 # for the inner shell
    unshare --net sh -c 'ip link set lo up && exec chroot --userspec=nobody "$1" /tmp/smoke' \
        sh "$system" || fail "debian/tests/smoke"

    echo "==> remove and purge"
    mkdir -p "$system/run/cairnd" "$system/var/lib/cairnd" # as systemd does for the service
    apt remove "${ours[@]}" >/dev/null
    has "the configuration stays after removal" test -e "$system/etc/cairn/cairn.yaml"
    has "the daemon is gone" test ! -e "$system/usr/sbin/cairnd"
    chroot "$system" dpkg --purge "${ours[@]}" >/dev/null 2>&1 || fail "dpkg --purge"
    apt autoremove --purge >/dev/null
    rm -f "$system"/tmp/*.deb "$system/tmp/smoke"
    paths "$system" | diff "$packages/before" - || fail "the packages left something behind"
    echo "    nothing is left"
}

# ---- all ----

case ${1:-} in
--lists)
    lists
    exit
    ;;
--in-root)
    in_root "$2" "$3"
    exit
    ;;
'') ;;
*)
    echo "usage: scripts/check-packages.sh [--lists]" >&2
    exit 2
    ;;
esac

[ "$(id -u)" = 0 ] || fail "run this as root: a system is made and entered"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
chmod 755 "$scratch"

# step NAME FUNCTION: with the time it takes.
step() {
    local begin=$SECONDS
    echo "==> $1"
    "$2"
    echo "==> $1: $((SECONDS - begin)) s"
}

lists
packages_install build test package
step build build
step lintian check_lintian
step link check_link
step try try
echo "all steps: $SECONDS s"
