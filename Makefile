# `make run` and `make test` are the two commands to know. Both install what is missing first (Debian 12 and 13).

CARGO ?= cargo
KILLS ?= 1000
SECONDS ?= 60
MINUTES ?= 60
TARGET ?=
RUNS ?=
CASES ?= 100
SEED ?= 1

.PHONY: help run test build pages setup setup-build fixtures demo bench bench-hls bench-server kills faults soak fuzz schemathesis clean

help:
	@echo 'make run     build, then serve on http://127.0.0.1:8000 with SQLite and the folder ./data'
	@echo 'make demo    build, then record a local test stream for 20 s and say where the file is'
	@echo 'make test    format, lints, docs, every test, the fixtures against their goldens'
	@echo 'make build   build the binary (release): target/release/mediastack'
	@echo 'make setup   install what building and testing need; does nothing when all is there'
	@echo 'make bench   criterion benchmarks, then whole programs against ffmpeg: benches/RESULTS.md'
	@echo 'make bench-hls  segments and playlists under load, beside nginx serving the same bytes as files'
	@echo 'make bench-server  the API under load, 64 recordings beside 200 viewers, stop-to-list times'
	@echo 'make kills   kill -9 a recording at KILLS random instants (default 1000) and recover each'
	@echo 'make faults  every fault of the field against the binary, in full: tests/FAULTS.md (half an hour)'
	@echo 'make soak    64 recordings with a fault each minute for MINUTES (default 60): target/soak'
	@echo 'make schemathesis  ask a server of its own whatever its OpenAPI document allows: CASES of each route (default 100), from SEED'
	@echo 'make fuzz    run every fuzz target, or TARGET=name, for SECONDS each (default 60), or RUNS executions (needs cargo-fuzz)'

run: setup-build build
	target/release/mediastack serve

demo: setup-build build
	@scripts/demo.sh target/release/mediastack

build: pages
	$(CARGO) build --release -p mediastack

# The web UI that the binary embeds; skipped when there is no npm.
pages:
	@scripts/ui.sh

setup:
	@scripts/setup.sh build test

setup-build:
	@scripts/setup.sh build

fixtures:
	@fixtures/make.sh

test: setup
	@scripts/test.sh

# Takes a quarter of an hour and wants the machine for itself; writes 30 GB in turn to the disk that holds `target`.
bench: setup
	$(CARGO) build --release -p mediastack -p mediastack-benches
	$(CARGO) bench -p mediastack-benches
	target/release/compare > target/RESULTS.md
	cp target/RESULTS.md benches/RESULTS.md
	@cat benches/RESULTS.md

# Wants the machine for itself and 10 GB of disk for its media.
bench-hls: setup
	@scripts/setup.sh load
	$(CARGO) build --release -p mediastack -p mediastack-benches
	target/release/hls > target/RESULTS-HLS.md
	cp target/RESULTS-HLS.md benches/RESULTS-HLS.md
	@cat benches/RESULTS-HLS.md

# Takes a quarter of an hour and wants the machine for itself; 25 GB of disk.
bench-server: setup
	@scripts/setup.sh load
	$(CARGO) build --release -p mediastack -p mediastack-benches
	target/release/server > target/RESULTS-SERVER.md
	cp target/RESULTS-SERVER.md benches/RESULTS-SERVER.md
	@cat benches/RESULTS-SERVER.md

kills: setup fixtures
	$(CARGO) build --release -p mediastack
	MEDIASTACK_BIN=$(CURDIR)/target/release/mediastack MEDIASTACK_KILLS=$(KILLS) \
		$(CARGO) test --workspace --test scenarios -- --nocapture kill::

faults: setup
	$(CARGO) build --release -p mediastack
	@MEDIASTACK_BIN=$(CURDIR)/target/release/mediastack scripts/faults.sh all

soak: setup fixtures
	$(CARGO) build --release -p mediastack
	MEDIASTACK_BIN=$(CURDIR)/target/release/mediastack MEDIASTACK_SOAK_MINUTES=$(MINUTES) \
		$(CARGO) test --workspace --test faults -- --nocapture --ignored soak::

fuzz:
	@RUNS=$(RUNS) scripts/fuzz.sh $(SECONDS) $(TARGET)

schemathesis: setup
	@scripts/schemathesis.sh $(CASES) $(SEED)

clean:
	$(CARGO) clean
	rm -rf fixtures/media
