#!/bin/bash
# Installs what the build and the tests need and this machine lacks, from Debian 12 by apt, as root
# or with sudo. Does nothing, and asks nobody, when everything is there.
#
#   scripts/setup.sh
set -euo pipefail

# Tools count as present wherever they come from; libraries must be Debian's.
tools=(g++:g++ cmake:cmake ninja:ninja-build mold:mold ccache:ccache)
libraries=(
  llvm-19-dev                       # codegen/llvm; its package file needs no other -dev package
  libxbyak-dev                      # codegen/x86
  libabsl-dev                       # base
  libonnx-dev libprotobuf-dev protobuf-compiler   # frontends/onnx
  libgtest-dev libgmock-dev libonnx-testdata   # tests
  libbenchmark-dev                  # bench
  libdnnl-dev                       # bench: rows beside oneDNN
)

missing=()
for tool in "${tools[@]}"; do
  command -v "${tool%%:*}" >/dev/null || missing+=("${tool##*:}")
done
for package in "${libraries[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $status == installed ]] || missing+=("$package")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

fail() {
  echo "setup: missing: ${missing[*]}" >&2
  echo "setup: $1" >&2
  exit 1
}

command -v apt-get >/dev/null || fail "there is no apt-get here; install them (Debian 12 names) by hand"
if [[ $(id -u) -eq 0 ]]; then
  as_root=()
elif command -v sudo >/dev/null; then
  as_root=(sudo)
else
  fail "not root and no sudo; as root: apt-get install ${missing[*]}"
fi

echo "setup: installing ${missing[*]}"
apt() {
  # A machine that has just started may be running an update of its own: wait for its lock.
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@"
}
apt update || fail "apt-get update failed (see above)"
apt install -y --no-install-recommends "${missing[@]}" || fail "apt-get install failed (see above)"
