#!/usr/bin/env bash
# Installs what building and testing qtz needs on Debian or Ubuntu, and only what is missing: without anything missing
# it neither asks for rights nor touches the network.
#
# Usage: tools/install-deps.sh [build] [test] [format] [extra] [analyze] [package]     default: build
#   build   compiler and libraries          test    Python for the command-line and interop tests
#   format  clang-format 14                 extra   clang, the second compiler
#   analyze clang-tidy 14, cppcheck          package what finds the dependencies of a Debian package
set -euo pipefail

build=(cmake g++ ninja-build pkg-config git libcli11-dev libspdlog-dev libxsimd-dev libgtest-dev nlohmann-json3-dev
       libpcre2-dev libssl-dev libutf8proc-dev libopenblas0-pthread)
test=(python3 python3-venv)
format=(clang-format-14)
extra=(clang)
analyze=(clang-tidy-14 cppcheck)
package=(dpkg-dev file)

wanted=()
for group in "${@:-build}"; do
  case "$group" in
    build) wanted+=("${build[@]}") ;;
    test) wanted+=("${test[@]}") ;;
    format) wanted+=("${format[@]}") ;;
    extra) wanted+=("${extra[@]}") ;;
    analyze) wanted+=("${analyze[@]}") ;;
    package) wanted+=("${package[@]}") ;;
    -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "install-deps: unknown group '$group'" >&2; exit 2 ;;
  esac
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "install-deps: this is not Debian or Ubuntu; the following must be there already: ${wanted[*]}" >&2
  exit 0
fi

is_installed() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=()
for package in "${wanted[@]}"; do
  is_installed "$package" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "install-deps: run as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "install-deps: installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get -q update >&2 || echo "install-deps: apt-get update failed, trying with the lists there are" >&2
"${as_root[@]}" apt-get -q -y --no-install-recommends install "${missing[@]}" >&2
