# One command runs all that a change must pass: make test.
# Without network or gcc a machine still gets what it can run; CI=true makes
# whatever is missing a failure.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

FUZZTIME ?= 5s
SOAK ?= 10m
# Of these the race detector sees a part, since with it they take minutes, and
# of the trials nothing.
HEAVY := ./internal/warehouse/iceberg ./internal/warehouse/postgres
LINT := go tool -modfile=tools/go.mod golangci-lint

.PHONY: build test check fmt vet lint programs trials bench fuzz soak

build: ## the programs, into bin/
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/penstock ./cmd/data-streams ./cmd/worker

# The tests come last, so that the last lines say how they went.
test: check programs ## everything that a change must pass
	@if command -v "$$(go env CC)" >/dev/null; then \
		echo 'go test -race ./...'; CGO_ENABLED=1 go test -race $$(go list ./... | grep -vxF "$$(go list $(HEAVY) ./cmd/internal/trial)"); \
		CGO_ENABLED=1 go test -race -short $(HEAVY) -rapid.checks=20; \
		$(MAKE) --no-print-directory trials; \
	elif [ "$${CI:-}" = true ]; then \
		echo 'no C compiler for the race detector: install gcc' >&2; exit 1; \
	else \
		echo 'go test ./... (no C compiler, so without the race detector)'; go test -timeout=15m ./...; \
	fi

check: fmt vet lint

fmt:
	@found=$$(find . -name '*.go' -not -path '*/node_modules/*' -not -path './.*' -exec gofmt -l {} +); \
	[ -z "$$found" ] || { printf 'run gofmt -w on:\n%s\n' "$$found" >&2; exit 1; }

vet:
	go vet ./...

# The linter is built from source at the version that tools/go.mod names.
lint:
	@if $(LINT) version >/dev/null 2>&1; then \
		echo 'golangci-lint run ./...'; $(LINT) run ./...; \
	elif [ "$${CI:-}" = true ]; then \
		$(LINT) version; exit 1; \
	else \
		echo 'golangci-lint cannot be built here: not linted' >&2; \
	fi

# All packages without cgo: the programs must run where there is no C library.
programs:
	CGO_ENABLED=0 go build ./...

# The race detector does not watch the schedules in virtual time, for which it
# takes minutes each, nor the trials, whose programs are processes of their own.
trials: ## kills, disasters, and seeded schedules of the pure decisions and of both services
	CGO_ENABLED=0 go test -count=1 ./internal/cursor ./internal/warehouse -rapid.checks=1000
	CGO_ENABLED=0 go test -count=1 ./internal/warehouse/... -run 'W1|Bucket'
	CGO_ENABLED=0 go test -count=1 -timeout=15m ./cmd/internal/trial

bench: ## measures the main ways
	CGO_ENABLED=0 go run ./cmd/bench --sqlite --postgres --iceberg --large 1000000 --limited 100000 --wide 1000000

fuzz: ## every fuzz target for FUZZTIME; what it finds stays in testdata/fuzz as a test
	@grep -rHoE '^func Fuzz[A-Za-z0-9_]*' --include='*_test.go' --exclude-dir=node_modules . | sort | \
	while IFS=: read -r file func; do \
		echo "fuzz $${func#func } in $$(dirname "$$file") for $(FUZZTIME)"; \
		go test -run='^$$' -fuzz="^$${func#func }\$$" -fuzztime=$(FUZZTIME) "$$(dirname "$$file")" </dev/null; \
	done

soak: ## the schedules of CI with fresh seeds, for SOAK, and a million contacts once
	PENSTOCK_SOAK=$(SOAK) CGO_ENABLED=0 go test -tags=soak -count=1 -timeout=0 -v -run='^TestSoak' ./cmd/internal/trial
