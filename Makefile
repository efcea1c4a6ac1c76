# Noroshi. `make run` and `make test` do all the set-up there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X noroshi/app.version=$(VERSION)
WEB_SOURCES := $(shell find web -type f -not -path 'web/node_modules/*' -not -path 'web/dist/*' 2>/dev/null)

.PHONY: run build web test bench bench-chain bench-findings bench-hunt bench-identify bench-ingest bench-push bench-sbom bench-scan soak fuzz bpf cross clean

run: build
	./bin/noroshi up

build: web
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/noroshi ./cmd/noroshi

web: web/dist/index.html

web/dist/index.html: $(WEB_SOURCES)
	cd web && npm ci --no-audit --no-fund && npm run build
	touch web/dist/.keep $@

test:
	scripts/prepare
	$(MAKE) build
	scripts/test

# Each benchmark ends with a line BENCH NAME {json}; `make bench` runs all.
bench: bench-chain bench-push bench-ingest bench-hunt bench-sbom bench-scan bench-findings bench-identify

bench-chain: build
	./bin/noroshi drill --ephemeral --repeat 50

# A week of a country's events, and what a new indicator finds in them. ARGS='-times 0.1,1,3' shows the growth.
bench-hunt:
	CGO_ENABLED=0 go run ./bench/hunt $(ARGS)

# Pages of 2,000,000 actions while a day of them is lived. ARGS='-orgs 100' is shorter.
bench-findings:
	CGO_ENABLED=0 go run ./bench/findings $(ARGS)

# What an event costs on its way through a hub; GROWTH=1 measures other sizes too.
bench-ingest: build
	go run ./bench/ingest $(if $(GROWTH),-growth)

# A storm over the whole chain: processes are killed and frozen at random moments
# under load. MINUTES=30 lasts longer, SEED=… repeats a plan of kills.
soak: build
	go run ./bench/soak --minutes $(or $(MINUTES),1)

bench-push: build
	go run ./bench/push $(PUSH)

# The scanner beside masscan and zmap, in namespaces of its own; needs root.
# 'apt-get install masscan zmap' brings the peers, which are left out where absent.
bench-scan: build
	go build -o bin/bench-scan ./bench/scan
	./bin/bench-scan $(ARGS)

# What real services of Debian are, asked by the scanner and by nmap; needs root, and
# once debootstrap and some minutes. RECOG=… is the folder with recog's fingerprints.
bench-identify: build
	go build -o bin/bench-identify ./bench/identify
	./bin/bench-identify -recog $(or $(RECOG),../shared/data/exposure/recog/xml) $(ARGS)

# Bills of materials of 160 systems against osv-scanner's answers, and 10,000 systems asked who is hit.
bench-sbom: build
	go run ./bench/sbom -data $(or $(DATA),../shared/data/exposure)

# Every fuzz target for a short while.
fuzz:
	scripts/fuzz $(or $(SECONDS_EACH),10)

# The kernel's side of the sensor, built by clang and kept in the tree.
bpf:
	cd sense/endpoint/ebpf && clang -O2 -g -target bpf -mcpu=v3 -I/usr/include/$$(uname -m)-linux-gnu -Wall -Werror -c sensor.bpf.c -o sensor.bpf.o && llvm-strip -g sensor.bpf.o

# What must build elsewhere: the whole for linux/arm64; for Windows a node's identity
# and the sensor's frame, whose tiers come later.
cross:
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 go build -o /dev/null ./cmd/noroshi
	CGO_ENABLED=0 GOOS=windows GOARCH=amd64 go build ./sense/endpoint ./identity/join

clean:
	rm -rf bin web/node_modules
	find web/dist -mindepth 1 -not -name .keep -delete
