#!/usr/bin/env bash
# fuzz.sh [SECONDS [TARGET…]]: runs the fuzz targets of mediacore/fuzz, all by default, on top of the seeds in
# fixtures/corpus. RUNS=N gives each so many executions instead, without the address sanitizer: the targets reach no unsafe code of ours, a
# panic and too much memory are found all the same, and it is several times as fast. What they find on the way stays in
# mediacore/fuzz/corpus (not in the repository); a crash goes to
# mediacore/fuzz/artifacts: copy it to fixtures/corpus/TARGET, which `make test` replays without any of these tools.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../mediacore"
seconds=${1:-60}
shift $(($# > 0 ? 1 : 0))

cargo fuzz --version >/dev/null 2>&1 || {
  echo 'fuzzing needs cargo-fuzz: cargo install --locked cargo-fuzz' >&2
  exit 1
}
# The sanitizers are unstable options; this lets the stable compiler, which everything else is built with, take them.
export RUSTC_BOOTSTRAP=1
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || mapfile -t targets < <(cargo fuzz list)
for target in "${targets[@]}"; do
  seeds="../fixtures/corpus/$target"
  [ -d "$seeds" ] || { echo "no fuzz target '$target': $seeds is missing" >&2; exit 2; }
  mkdir -p "fuzz/corpus/$target"
  if [ -n "${RUNS:-}" ]; then
    # An input is a sequence of calls, and what a long one finds, some short one finds earlier; but an index has its length. What a
    # packager compares with constants stands in the index of its file, and a timeline knows none: there the fuzzer need not watch.
    longest=1024 watch=()
    case $target in
      mp4_index) longest=8192 ;;
      hls_package) longest=8192 watch=(--no-trace-compares) ;;
      timeline) longest=96 watch=(--no-trace-compares) ;;
    esac
    cargo fuzz run --sanitizer none "${watch[@]}" "$target" "fuzz/corpus/$target" "$seeds" -- \
      -runs="$RUNS" -max_len="$longest" -rss_limit_mb=1024 -malloc_limit_mb=256
  else
    cargo fuzz run "$target" "fuzz/corpus/$target" "$seeds" -- -max_total_time="$seconds" -rss_limit_mb=1024
  fi
done
