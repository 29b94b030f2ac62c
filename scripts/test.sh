#!/usr/bin/env bash
# What `make test` runs after the set-up: format, lints, docs, fixtures, every test. Ends with cargo's result lines.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}
# Most live tests wait for real time, so more of them run at once than there are cores.
live_threads=${LIVE_TEST_THREADS:-6}

step() { printf '\n== %s\n' "$*"; }

step format
if cargo fmt --version >/dev/null 2>&1; then cargo fmt --all -- --check; else echo 'rustfmt is not installed: skipped'; fi

step 'web UI: types from the API, lints, unit tests, build'
scripts/ui.sh
(
  cd server/ui
  generated=$(mktemp)
  trap 'rm -f "$generated"' EXIT
  npx openapi-typescript ../openapi.json -o "$generated" >/dev/null
  cmp "$generated" src/api/schema.d.ts || { echo 'the types are not those of server/openapi.json: npm run types' >&2; exit 1; }
  npm run --silent check
  npm run --silent test -- --reporter=dot
)

step lints
if cargo clippy --version >/dev/null 2>&1; then
  cargo clippy --workspace --all-targets -- -D warnings
else
  echo 'clippy is not installed: skipped'
fi

step docs
RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --document-private-items --quiet

step fixtures
fixtures/make.sh
fixtures/check.sh

results=$(mktemp)
trap 'rm -f "$results"' EXIT

step 'unit tests, stores on SQLite and on PostgreSQL'
scripts/postgres.sh cargo test --workspace --exclude mediastack-tests 2>&1 | tee -a "$results"

step 'browser tests: packages'
if cmp -s tests/browser/package-lock.json tests/browser/node_modules/.installed; then
  echo 'as locked'
else
  (cd tests/browser && npm ci --no-audit --no-fund --loglevel=error)
  cp tests/browser/package-lock.json tests/browser/node_modules/.installed
fi

step 'tests against real servers'
# The unit tests have built the binary: those of its command line run it. Building it alone would choose other features of some
# dependencies, and compile those again.
MEDIASTACK_BIN=${MEDIASTACK_BIN:-$PWD/${CARGO_TARGET_DIR:-target}/debug/mediastack}
export MEDIASTACK_BIN
cargo test -p mediastack-tests --lib 2>&1 | tee -a "$results"
cargo test --workspace --test scenarios -- --test-threads="$live_threads" 2>&1 | tee -a "$results"

step 'the faults of the field, a sample of each'
cargo test --workspace --test faults -- --test-threads="$live_threads" 2>&1 | tee -a "$results"

step 'the OpenAPI document, asked for and against'
scripts/schemathesis.sh 3

step results
grep -E '^(     Running|   Doc-tests|test result:)' "$results"
