#!/usr/bin/env bash
# Installs a package in a clean Debian root, quantizes and verifies the demo model there, and removes it again.
#
# Usage: tools/packaging/try_deb.sh PACKAGE.deb [SUITE]     default suite: this system's, else bookworm
# Needs root and debootstrap. Environment: MIRROR, default http://deb.debian.org/debian.
set -euo pipefail

case "${1:-}" in "" | -h | --help) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit $([ $# -gt 0 ] && echo 0 || echo 2) ;; esac
package=$(realpath "$1")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
suite=${2:-$(. /etc/os-release; [ "${ID:-}" = debian ] && echo "$VERSION_CODENAME" || echo bookworm)}
mirror=${MIRROR:-http://deb.debian.org/debian}
if [ "$(id -u)" -ne 0 ]; then echo "try_deb: needs root, for chroot" >&2; exit 1; fi
if ! command -v debootstrap >/dev/null; then echo "try_deb: apt-get install debootstrap" >&2; exit 1; fi

root=$(mktemp -d /var/tmp/qtz-root.XXXXXX)
trap 'umount "$root/proc" 2>/dev/null || true; rm -rf --one-file-system "$root"' EXIT

echo "== a clean $suite in $root"
debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$root.log" || { tail -20 "$root.log" >&2; exit 1; }
rm -f "$root.log"
cp /etc/resolv.conf "$root/etc/" 2>/dev/null || true
# The mirror may be reached through a proxy that apt was told of.
cp /etc/apt/apt.conf.d/*prox* "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
mount -t proc proc "$root/proc"
cp "$package" "$root/qtz.deb"
cp -rL "$here/tests/data/demo" "$root/demo"

inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive "$@"; }

echo "== install"
inside apt-get -q update >/dev/null
inside apt-get -q -y --no-install-recommends install /qtz.deb >/dev/null
inside qtz --version

echo "== quantize and verify"
inside qtz quantize /demo --type Q4_K_M --manifest -o /demo-Q4_K_M.gguf
inside qtz verify /demo-Q4_K_M.gguf --source /demo >/dev/null

echo "== remove"
inside apt-get -q -y purge qtz >/dev/null
left=$(inside find /usr /etc -name '*qtz*')
if [ -n "$left" ]; then echo "try_deb: left behind: $left" >&2; exit 1; fi
echo "== ok: $(basename "$package") installs, works and goes without a trace on $suite"
