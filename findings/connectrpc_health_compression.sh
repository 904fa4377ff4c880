#!/usr/bin/env bash
# crates connectrpc-health 0.9.0 and connectrpc-reflection 0.9.0 switch on all default features of connectrpc 0.9, gzip
# and zstd (a C library) among them, also where every one of the three is asked for with default-features = false. So a
# service with health checks or reflection cannot have the build without compression that connectrpc's page describes.
# Needs cargo and crates.io. Ends with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cargo init --quiet --vcs none --name probe .

# The crates of compression in the tree, where connectrpc stands alone or beside another crate.
seen() {
    cat >Cargo.toml <<MANIFEST
[package]
name = "probe"
version = "0.0.0"
edition = "2024"

[dependencies]
connectrpc = { version = "=0.9.1", default-features = false, features = ["server", "json"] }
${1:-}
MANIFEST
    cargo tree --quiet --edges normal --prefix none | grep -oE '^(flate2|zstd-sys) ' | sort -u | tr -d '\n'
}

alone=$(seen || true)
health=$(seen 'connectrpc-health = { version = "=0.9.0", default-features = false }')
reflection=$(seen 'connectrpc-reflection = { version = "=0.9.0", default-features = false }')
echo "alone: ${alone:-none}; with health: $health; with reflection: $reflection"
[ "$alone" = "" ] && [ "$health" = "flate2 zstd-sys " ] && [ "$reflection" = "flate2 zstd-sys " ] ||
    { echo "this has changed" && exit 1; }
