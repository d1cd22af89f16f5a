#!/usr/bin/env bash
# First step of the action: installs the package named by QTZ_PACKAGE, or builds one from the sources around.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
package=${QTZ_PACKAGE:-}
if [ -z "$package" ]; then
  echo "::group::build qtz"
  package=$("$here/make_deb.sh")
  echo "::endgroup::"
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
"${as_root[@]}" apt-get -q -y --no-install-recommends install "$(realpath "$package")"
qtz --version
