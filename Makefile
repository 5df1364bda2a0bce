# Each target does all its own set-up. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help up build test soak soak-exactness soak-chaos soak-overload soak-poison soak-fairness soak-schemathesis bench lint audit docs-config

TARGET := $(or $(CARGO_TARGET_DIR),target)

help: ## what can be made
	@grep -E '^[a-z.-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z.-]+):.*## /  make \1\t/' | expand -t 24

up: ## set up, build and run all of Warren in the foreground, on this machine's Docker alone
	@scripts/provision up
	@scripts/phase build cargo build --release --locked
	@exec $(TARGET)/release/warren up

build: ## the release binary
	@scripts/phase build cargo build --release --locked

test: ## set up, then lint and test everything
	@scripts/phase provision scripts/provision test
	@$(MAKE) --no-print-directory lint
	@scripts/phase test scripts/cargo-test

soak: soak-exactness soak-chaos soak-overload soak-poison soak-fairness soak-schemathesis ## what takes long to show, one part after another (two hours); each also alone, below

soak-exactness: ## 100,000 programs that exit at once, none without its last byte (a quarter of an hour)
	@scripts/phase provision scripts/provision test
	@WARREN_SOAK_RUNS=100000 scripts/phase soak-exactness scripts/cargo-test-some -p warren-runner --test container exactness -- --nocapture

soak-chaos: ## 14,000 jobs (10,000 while there is a broker) under 500 killed workers, 50 broker restarts, cut connections; figures into docs/RELIABILITY.md (half an hour)
	@scripts/phase provision scripts/provision test
	@scripts/phase build cargo build --release --locked
	@WARREN_CHAOS=soak WARREN_TEST_BINARY=$(abspath $(TARGET))/release/warren \
		scripts/phase soak-chaos timeout --signal=INT 50m scripts/cargo-test-some --test warren chaos::whatever -- --nocapture

soak-overload: ## ten times what the machine can do, for two minutes
	@scripts/phase provision scripts/provision test
	@WARREN_SOAK_OVERLOAD_S=120 scripts/phase soak-overload scripts/cargo-test-some --test warren end_to_end::reliability::overload -- --nocapture

soak-poison: ## 200 jobs that kill their worker among 5,000 that do not
	@scripts/phase provision scripts/provision test
	@WARREN_SOAK_POISON=200 scripts/phase soak-poison scripts/cargo-test-some --test warren end_to_end::reliability::poison -- --nocapture

soak-schemathesis: ## 5,000 requests made up from the API's description, and nothing found (a quarter of an hour at most)
	@scripts/phase provision scripts/provision test
	@WARREN_SOAK_SCHEMATHESIS=5000 scripts/phase soak-schemathesis scripts/cargo-test-some --test warren end_to_end::running::schemathesis -- --nocapture

soak-fairness: ## callers beside 10,000 jobs that nobody waits for
	@scripts/phase provision scripts/provision test
	@WARREN_SOAK_FAIRNESS=10000 scripts/phase soak-fairness scripts/cargo-test-some --test warren end_to_end::reliability::fairness -- --nocapture

bench: ## set up, then measure against docker run and the bare interpreter (ARGS=--quick: a minute)
	@scripts/phase provision scripts/provision bench
	@scripts/phase build cargo build --release --locked
	@ROOT=. && source scripts/lib/env.sh && \
		export RABBITMQ_URL=$$(env_value RABBITMQ_URL amqp://guest:guest@127.0.0.1:5672/%2f) && \
		exec $(TARGET)/release/warren bench $(ARGS)

lint: ## formatting, clippy, licences and sources of dependencies, unused dependencies
	@scripts/phase format cargo fmt --all --check
	@scripts/phase clippy cargo clippy --workspace --all-targets --locked -- -D warnings
	@scripts/phase deny cargo deny --locked --log-level error check --hide-inclusion-graph bans licenses sources
	@scripts/phase machete cargo machete

audit: ## known vulnerabilities in dependencies (fetches the advisory database, so not part of make test)
	@scripts/phase audit cargo deny --locked --log-level error check advisories

.env: ## the environment of docker-compose, with a random password
	@scripts/make-env

docs-config: ## docs/CONFIGURATION.md and .env.example, written from the list of variables in code
	@WARREN_WRITE_DOCS=1 cargo test --quiet --locked -p warren-config --test configuration documents
