# Each target does all its own set-up. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help up build check fmt unit doc lint pre-commit test test-queue test-store e2e audit bench soak soak-exactness soak-chaos soak-overload soak-poison soak-schemathesis soak-fairness soak-corpora soak-mutations soak-cgroup2 docs-config pin-images .env

TARGET := $(or $(CARGO_TARGET_DIR),target)
# Warnings are errors in continuous integration, which sets CI, and nowhere else: a newer compiler
# with a new lint must not break the build of somebody who only wants to run Warren.
DENY_WARNINGS := $(if $(CI),-D warnings)

help: ## list what can be made
	@awk '/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9.-]+:.*## / { split($$0, part, /:.*## /); printf "  make %-18s %s\n", part[1], part[2] }' $(MAKEFILE_LIST)

##@ Run

up: ## set up, build and run all of Warren in the foreground, on this machine's Docker alone
	@scripts/provision up
	@scripts/phase build scripts/cargo-build --release --locked
	@scripts/roots $(TARGET)/release/warren
	@exec $(TARGET)/release/warren up

build: ## build the release binary
	@scripts/provision build
	@scripts/phase build scripts/cargo-build --release --locked

.env: ## write or complete docker-compose's environment, with random passwords
	@scripts/make-env

##@ Develop

check: ## formatting, clippy and the tests that need no service (two minutes once built)
	@scripts/provision build
	@scripts/phase format cargo fmt --all --check
	@scripts/phase clippy cargo clippy --workspace --all-targets --locked -- $(DENY_WARNINGS)
	@scripts/phase unit scripts/cargo-test-unit

fmt: ## format the code
	@cargo fmt --all

unit: ## the tests that need no service: each crate's own, and the rules of the workspace
	@scripts/provision build
	@scripts/phase unit scripts/cargo-test-unit

doc: ## the documentation of the code, private items too; broken links are errors
	@RUSTDOCFLAGS="-D rustdoc::broken_intra_doc_links -D rustdoc::invalid_html_tags $(DENY_WARNINGS) -A rustdoc::private_intra_doc_links" \
		scripts/phase doc cargo doc --workspace --no-deps --document-private-items --locked

docs-config: ## docs/CONFIGURATION.md and .env.example, written from the list of variables in code
	@WARREN_WRITE_DOCS=1 cargo test --quiet --locked -p warren-config --test configuration documents

pin-images: ## pin every base image to the digest that its tag has now (needs the registries)
	@scripts/pin-images

pre-commit: ## have git run `make check` before each commit
	@ln -s "$(CURDIR)/scripts/pre-commit" "$$(git rev-parse --git-path hooks)/pre-commit"
	@echo "git runs scripts/pre-commit from now on; git commit --no-verify passes it by"

##@ Prove

test: ## set up, then lint and test everything (25 minutes on two cores)
	@scripts/phase provision scripts/provision test
	@$(MAKE) --no-print-directory lint
	@scripts/phase test scripts/cargo-test

test-queue: ## one conformance suite over both queues; needs RabbitMQ
	@scripts/phase provision scripts/provision test
	@scripts/phase test-queue scripts/cargo-test-some --test warren conformance::queue

test-store: ## one conformance suite over both stores; needs MongoDB
	@scripts/phase provision scripts/provision test
	@scripts/phase test-store scripts/cargo-test-some --test warren conformance::store

e2e: ## the whole from end to end; needs Docker, RabbitMQ and MongoDB
	@scripts/phase provision scripts/provision test
	@scripts/phase e2e scripts/cargo-test-some --test warren end_to_end::

lint: ## formatting, clippy, documentation, licences and sources of dependencies, unused dependencies
	@scripts/phase format cargo fmt --all --check
	@scripts/phase clippy cargo clippy --workspace --all-targets --locked -- $(DENY_WARNINGS)
	@$(MAKE) --no-print-directory doc
	@scripts/phase deny cargo deny --locked --log-level error check --hide-inclusion-graph bans licenses sources
	@scripts/phase machete cargo machete

audit: ## known vulnerabilities in dependencies (fetches the advisory database, so not part of make test)
	@scripts/phase audit cargo deny --locked --log-level error check advisories

bench: ## set up, then measure against docker run and the bare interpreter (ARGS=--quick: a minute)
	@scripts/phase provision scripts/provision bench
	@scripts/phase build scripts/cargo-build --release --locked
	@ROOT=. && source scripts/lib/env.sh && \
		export RABBITMQ_URL=$$(env_value RABBITMQ_URL amqp://guest:guest@127.0.0.1:5672/%2f) && \
		exec $(TARGET)/release/warren bench $(ARGS)

soak: soak-exactness soak-chaos soak-overload soak-poison soak-fairness soak-schemathesis soak-corpora ## what takes long to show, one part after another (two hours); each also alone, below

soak-exactness: ## 100,000 programs that exit at once, none without its last byte (a quarter of an hour)
	@scripts/phase provision scripts/provision test
	@WARREN_SOAK_RUNS=100000 scripts/phase soak-exactness scripts/cargo-test-some -p warren-runner --test container exactness -- --nocapture

soak-chaos: ## 14,000 jobs (10,000 while there is a broker) under 500 killed workers, 50 broker restarts, cut connections; figures into docs/RELIABILITY.md (half an hour)
	@scripts/phase provision scripts/provision test
	@scripts/phase build scripts/cargo-build --release --locked
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

soak-corpora: ## every labelled and hostile program on both engines, in warm and cold containers (ten minutes)
	@scripts/phase provision scripts/provision test
	@WARREN_SOAK_CORPORA=1 scripts/phase soak-corpora scripts/cargo-test-some --test warren -- verdicts:: containment::hostile --nocapture

soak-mutations: ## takes out each hardening in turn, and a test must fail (hours; ARGS: parts of names, --list, --continue)
	@scripts/phase provision scripts/provision test
	@scripts/phase soak-mutations cargo test --locked --test mutations -- $(ARGS)

soak-cgroup2: ## the posture, limits included, on an emulated machine with cgroup v2 (QEMU; ten minutes)
	@scripts/phase provision scripts/provision cgroup2
	@scripts/phase soak-cgroup2-launcher scripts/cgroup2/launcher
	@scripts/phase soak-cgroup2 scripts/cgroup2/tests
