#!/bin/sh
# Builds the static library that package hf links, from the Rust source inside the Go module github.com/daulet/tokenizers.
# Usage: build.sh FOLDER; then build with: CGO_LDFLAGS=-LFOLDER go build -tags hf ./...
# Needs cargo and a C compiler; takes some 8 minutes of CPU at the first time, and nothing when the library is there.
set -eu
out=${1:?usage: build.sh FOLDER}
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$(dirname "$0")"
module=github.com/daulet/tokenizers
version=$(go list -m -f '{{.Version}}' $module)
if [ -f "$out/libtokenizers.a" ] && [ "$(cat "$out/version" 2>/dev/null)" = "$version" ]; then
	exit 0
fi
go mod download $module
rm -rf "$out/src"
cp -R "$(go list -m -f '{{.Dir}}' $module)" "$out/src"
chmod -R u+w "$out/src"
# tiktoken-rs comes from a git branch there, of which only a released version is needed here; the lock file names the branch.
sed -i.orig 's/^tiktoken-rs = .*/tiktoken-rs = "0.7.0"/' "$out/src/Cargo.toml"
rm -f "$out/src/Cargo.lock"
(cd "$out/src" && nice cargo build --release --lib --quiet)
cp "$out/src/target/release/libtokenizers.a" "$out/"
echo "$version" >"$out/version"
