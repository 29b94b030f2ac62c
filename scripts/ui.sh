#!/usr/bin/env bash
# Builds the pages (server/ui/dist), which the next build of the binary embeds. Does nothing when they are as the sources are.
# Without npm it says so and succeeds: the server then serves a page that says how to get them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../server/ui"

if ! command -v npm >/dev/null; then
  echo 'pages: npm is not installed (Node 20 or newer has it): building without the web UI' >&2
  exit 0
fi

if ! cmp -s package-lock.json node_modules/.installed; then
  echo 'pages: installing packages' >&2
  npm ci --no-audit --no-fund --loglevel=error
  cp package-lock.json node_modules/.installed
fi

state=$(find index.html public src package-lock.json vite.config.ts tsconfig.json -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)
if [ -e dist/index.html ] && [ "$(cat node_modules/.built 2>/dev/null)" = "$state" ]; then
  exit 0
fi
echo 'pages: building' >&2
npx vite build --logLevel warn
printf '%s' "$state" >node_modules/.built
