#!/bin/sh
# install.sh BUILD_DIR SOURCE_DIR: installs into a temporary folder, builds examples/outside against it with pkg-config,
# and runs that.
set -eu
build=$1 source=$2
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT INT TERM
meson install -C "$build" --no-rebuild --destdir "$temp/root" >"$temp/log" 2>&1 || { cat "$temp/log"; exit 1; }
pc=$(find "$temp/root" -name clgrad.pc)
[ -n "$pc" ] || { echo "clgrad.pc was not installed"; exit 1; }
libdir=$(dirname "$(dirname "$pc")")
prefix=$temp/root$(sed -n 's/^prefix=//p' "$pc")
cp -r "$source/examples/outside" "$temp/outside"
export PKG_CONFIG_PATH="$(dirname "$pc")${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
make -C "$temp/outside" PKG_CONFIG="pkg-config --define-variable=prefix=$prefix" CFLAGS="${CLGRAD_TEST_CFLAGS:--O1}"
LD_LIBRARY_PATH=$libdir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} "$temp/outside/outside"
[ -x "$prefix/bin/clgrad" ] || { echo "the clgrad program was not installed"; exit 1; }
LD_LIBRARY_PATH=$libdir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} "$prefix/bin/clgrad" --version
