#!/usr/bin/env bash
# Runs the faults of the field against the binary (`all` or `sample`), then makes the table tests/FAULTS.md from what they saw.
# Ends with an error when a row has no test that passed. Further arguments go to the tests, `--nocapture` or a filter.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

size=${1:-all}
shift || true
target=${CARGO_TARGET_DIR:-target}
if [ -z "${MEDIASTACK_BIN:-}" ]; then
  # Built beside a test that runs it: alone it would choose other features of some dependencies, and compile those again.
  cargo test --workspace --no-run --test openapi
  MEDIASTACK_BIN=$PWD/$target/debug/mediastack
fi
export MEDIASTACK_BIN MEDIASTACK_FAULTS=$size
fixtures/make.sh
rm -rf "$target/faults"
failed=0
cargo test --workspace --test faults -- --test-threads="${LIVE_TEST_THREADS:-6}" "$@" || failed=1
if [ "$size" = all ]; then
  "$target/debug/fault_table" 'make faults' >tests/FAULTS.md || failed=1
else
  "$target/debug/fault_table" "scripts/faults.sh $size" >"$target/faults/FAULTS.md" || failed=1
fi
exit "$failed"
