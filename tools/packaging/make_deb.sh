#!/usr/bin/env bash
# Builds the Debian package: the same bytes for the same commit, compiler and libraries, wherever and whenever.
#
# Usage: tools/packaging/make_deb.sh [OUTPUT-FOLDER]     default: build/deb
# Prints the package's path. It runs on any x86-64: the code for AVX2 and AVX-512 is chosen when it starts.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
case "${1:-}" in -h | --help) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
output=$(mkdir -p "${1:-build/deb}" && cd "${1:-build/deb}" && pwd)

bash tools/install-deps.sh build package >&2
# The time stamps in the package: the commit's, not the clock's.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}
export SOURCE_DATE_EPOCH
umask 022

build=build/deb-build
launcher=()
if command -v ccache >/dev/null; then launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
cmake -S . -B "$build" -G Ninja --log-level=WARNING "${launcher[@]}" -DCMAKE_BUILD_TYPE=Release -DQTZ_TESTS=OFF \
  -DQTZ_RELATIVE_PATHS=ON -DCMAKE_INSTALL_PREFIX=/usr >&2
cmake --build "$build" >&2
rm -rf "$build/package"
cpack --config "$build/CPackConfig.cmake" -G DEB -B "$build/package" >&2
package=$(find "$build/package" -maxdepth 1 -name '*.deb')
# CPack makes a package without dependencies, and without a complaint, where it has no means to find them.
if ! dpkg-deb -f "$package" Depends | grep -q libc6; then
  echo "make_deb: $package names no libraries; are dpkg-dev and file installed?" >&2
  exit 1
fi
cp "$package" "$output/"
echo "$output/$(basename "$package")"
