#!/usr/bin/env bash
# Starts a local live stream (ffmpeg's test picture as FLV over HTTP) and records it for 20 s.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mediastack=${1:-target/release/mediastack}
seconds=${2:-20}

port=0
for candidate in $(seq 18080 18180); do
  if ! (exec 3<>"/dev/tcp/127.0.0.1/$candidate") 2>/dev/null; then port=$candidate; break; fi
done
[ "$port" -ne 0 ] || { echo 'no free port between 18080 and 18180' >&2; exit 1; }
mkdir -p data
out="data/demo-$(date -u +%Y%m%dT%H%M%SZ).mp4"
url="http://127.0.0.1:$port/live.flv"

source_log=$(mktemp)
# ffmpeg's listener serves one client and ends with it; a new one waits for the next.
serve() {
  local child=
  trap 'kill "$child" 2>/dev/null || true; exit 0' TERM
  while :; do
    ffmpeg -nostdin -hide_banner -loglevel error -re \
      -f lavfi -i 'testsrc2=size=1280x720:rate=25' -f lavfi -i 'sine=frequency=440:sample_rate=48000' \
      -c:v libx264 -preset ultrafast -tune zerolatency -g 50 -pix_fmt yuv420p -c:a aac -b:a 128k \
      -f flv -listen 1 "$url" 2>"$source_log" &
    child=$!
    wait "$child" || sleep 0.2
  done
}
serve &
source_pid=$!
trap 'kill "$source_pid" 2>/dev/null || true; wait "$source_pid" 2>/dev/null || true; rm -f "$source_log"' EXIT

# The listener takes one client only, so we look at the kernel's table rather than connect.
hex_port=$(printf '%04X' "$port")
listening() { grep -q ":$hex_port 00000000:0000 0A" /proc/net/tcp; }
for _ in $(seq 100); do listening && break; sleep 0.1; done
listening || { echo 'the test stream did not start:' >&2; cat "$source_log" >&2; exit 1; }

echo "Recording $url for $seconds s (Ctrl-C stops early and still gives a finished file)"
"$mediastack" record "$url" "$out" --duration "${seconds}s"
echo
echo "The recording:  $PWD/$out"
echo "What is in it:  $mediastack probe $out"
echo "Watch it:       ffplay $out   (or open it in a browser)"
