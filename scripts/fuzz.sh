#!/usr/bin/env bash
# Runs every fuzz target for the given number of seconds, on top of the corpora in fixtures/fuzz.
# `make test` replays these corpora without a nightly toolchain.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:-60}

cargo +nightly fuzz --version >/dev/null 2>&1 || {
  echo 'fuzzing needs: rustup toolchain install nightly && cargo install cargo-fuzz' >&2
  exit 1
}
for target in $(cargo +nightly fuzz list --fuzz-dir fuzz); do
  mkdir -p "fixtures/fuzz/$target"
  cargo +nightly fuzz run --fuzz-dir fuzz "$target" "fixtures/fuzz/$target" -- -max_total_time="$seconds" -rss_limit_mb=512
done
