#!/usr/bin/env bash
# Asks a server of its own whatever its OpenAPI document allows, and much that it does not: no answer may be a 5xx, have a status that
# is not documented, or a body that is not as documented. Bounded and seeded. Usage: schemathesis.sh [CASES [SEED]]
#
# Needs Python 3.10 or newer; schemathesis is installed into target/schemathesis, at the version below.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cases=${1:-10}
seed=${2:-1}
version=4.32.5
checks=not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,unsupported_method,allow_header_conformance,ignored_auth,missing_required_header,negative_data_rejection

venv=${CARGO_TARGET_DIR:-target}/schemathesis
if [ "$("$venv/bin/python" -c 'from importlib.metadata import version; print(version("schemathesis"))' 2>/dev/null)" != "$version" ]; then
  python3 -m venv --clear "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "schemathesis==$version"
fi
binary=${MEDIASTACK_BIN:-}
if [ -z "$binary" ]; then
  cargo build --quiet -p mediastack
  binary=${CARGO_TARGET_DIR:-target}/debug/mediastack
fi

work=$(mktemp -d)
server=
trap 'if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi; rm -rf "$work"' EXIT
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
base=http://127.0.0.1:$port
# What is made up as an address of a source must lead nowhere.
ALLOW_PRIVATE_SOURCES=false "$binary" serve --listen "127.0.0.1:$port" --data-dir "$work/data" 2>"$work/server.log" &
server=$!
for _ in $(seq 100); do curl -fsS "$base/api/ready" >/dev/null 2>&1 && break; sleep 0.1; done

field() { "$venv/bin/python" -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
token=$(curl -fsS -F username=admin -F password=admin123 "$base/api/auth/login" | field access_token)
bearer="Authorization: Bearer $token"
make() { curl -fsS -H "$bearer" -H 'Content-Type: application/json' -d "$2" "$base$1"; }

# Something for the small numbers in paths to be: one of each.
category=$(make /api/categories '{"name": "one"}' | field id)
make /api/tags '{"name": "one"}' >/dev/null
make /api/view-codes "{\"code\": \"ONE111\", \"category_ids\": [$category]}" >/dev/null
source=$(make /api/sources '{"name": "one", "protocol": "rtmp", "url": "rtmp://192.0.2.1/live/one", "is_active": false}' | field id)
make /api/schedules "{\"source_id\": $source, \"cron_expr\": \"0 0 1 1 *\"}" >/dev/null
film=$work/film.mp4
ffmpeg -nostdin -v error -f lavfi -i testsrc2=size=160x90:rate=10:duration=4 -f lavfi -i sine=duration=4 -pix_fmt yuv420p "$film"
upload=$(make /api/upload/init "{\"filename\": \"one.mp4\", \"file_size\": $(stat -c %s "$film")}" | field task_id)
curl -fsS -H "$bearer" -F chunk_index=0 -F "chunk=@$film" "$base/api/upload/$upload/chunk" >/dev/null
video=$(make "/api/upload/$upload/complete" '{}' | field video_id)
make "/api/videos/$video/texts" '{"title": "one"}' >/dev/null
make "/api/videos/$video/links" '{"title": "one", "url": "https://example.com/"}' >/dev/null

ask() {
  # Its folders are in the working directory.
  (cd "$work" && SCHEMATHESIS_HOOKS=schemathesis_hooks PYTHONPATH="$OLDPWD/scripts" "$OLDPWD/$venv/bin/st" --config-file "$OLDPWD/scripts/schemathesis.toml" run "$base/openapi.json" --header "$bearer" --checks "$checks" --seed "$seed" \
    --continue-on-failure --generation-database none --no-shrink --request-timeout 20 --suppress-health-check all --warnings off \
    --no-color "$@")
}

# These end the sign-in that all the others need, and one never ends.
alone='^/api/(auth/(logout|password|sessions.*)|admins.*)$'
endless='^/api/events$'
failed=0
ask --exclude-path-regex "$alone|$endless" --phases examples,coverage,fuzzing --max-examples "$cases" || failed=1
ask --include-path-regex "$alone" --phases examples,coverage || failed=1
if grep -E 'panicked|ERROR' "$work/server.log"; then
  echo 'schemathesis: the server logged defects' >&2
  failed=1
fi
exit "$failed"
