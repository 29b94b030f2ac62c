#!/usr/bin/env bash
# Installs the Debian packages that building (`build`) or testing (`test`) needs and that are missing.
# Does nothing, and needs no root, when all of them are there.
set -euo pipefail

build_packages=(
  pkg-config clang libclang-dev                  # bindgen, which ffmpeg-next runs
  make                                           # jemalloc
  libavcodec-dev libavformat-dev libavutil-dev libswresample-dev libswscale-dev
  ffmpeg                                         # the demo's test stream; the judge and the peer of tests and benches
)
test_packages=(
  nginx libnginx-mod-rtmp                        # RTMP server; started by the tests with a configuration of their own
  python3 python3-gi gir1.2-gst-rtsp-server-1.0  # RTSP server
  gstreamer1.0-plugins-base                      # test sources
  gstreamer1.0-plugins-good                      # RTP payloaders, G.711, HTTP source
  gstreamer1.0-plugins-bad                       # x265enc, voaacenc, h264parse, hlsdemux
  gstreamer1.0-plugins-ugly                      # x264enc
  gstreamer1.0-tools                             # a player of HLS beside ffmpeg and the browser
  python3-venv                                   # schemathesis, which asks the server for all that its document allows
  curl                                           # its first requests
  libfaketime                                    # clocks that are set while a program runs
  chromium                                       # the browser of the player tests
  postgresql                                     # the other database; started by the tests on a socket of its own
)
load_packages=(
  wrk                                            # HTTP load; nginx is the peer
)

say() { printf 'setup: %s\n' "$*" >&2; }

wanted=()
for group in "${@:-build}"; do
  case "$group" in
    build) wanted+=("${build_packages[@]}") ;;
    test) wanted+=("${test_packages[@]}") ;;
    load) wanted+=("${load_packages[@]}") ;;
    *) say "unknown group '$group' (build, test, load)"; exit 2 ;;
  esac
done
command -v cc >/dev/null || wanted+=(gcc libc6-dev)

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  say "not a Debian system: please provide the equivalents of: ${wanted[*]}"
  exit 0
fi

missing=()
for package in "${wanted[@]}"; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
[ "${#missing[@]}" -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { say "missing: ${missing[*]}; install them as root, there is no sudo here"; exit 1; }
  as_root=(sudo)
fi

# nginx and PostgreSQL must not be started, now or at the next boot: the tests run them themselves, and something else may
# own their ports.
policy=/usr/sbin/policy-rc.d
hold_services() {
  [ -e "$policy" ] && return
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod 755 "$policy"
  trap '"${as_root[@]}" rm -f "$policy"' EXIT
}

new_services=()
for package in "${missing[@]}"; do
  case "$package" in nginx | postgresql) new_services+=("$package") ;; esac
done
[ "${#new_services[@]}" -gt 0 ] && hold_services

say "installing: ${missing[*]}"
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "$@"; }
apt update || say "apt-get update reported errors; trying with the lists that are there"
apt install -y --no-install-recommends "${missing[@]}" >/dev/null

if command -v systemctl >/dev/null; then
  for service in "${new_services[@]}"; do
    "${as_root[@]}" systemctl disable "$service.service" >/dev/null 2>&1 || true
  done
fi
