# `make` alone lists what there is. Recipes longer than a few lines are scripts.
.DEFAULT_GOAL := help
.NOTPARALLEL:
SHELL := /bin/bash
cluster := e2e/cluster/cluster
TAG ?= dev
export TAG CLUSTER REGISTRY

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^##@ / { sub(/^##@ /, ""); printf "\n%s\n", $$0 } \
	  /^[a-z0-9-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ The two to begin with
.PHONY: demo demo-down test
demo: ## A real cluster with the operator, two tenants, and events on their way
	@config/demo/demo.sh

demo-down: ## Take the demo away again
	@config/demo/down.sh

test: ## Everything: lints, unit, integration, end to end with real pods
	@.ci/test.sh

##@ Parts of the test
.PHONY: lint unit integration clients python chart docs docs-reference docs-site gitops platform terraform alerts e2e test-gcp test-long deny bench bench-emulator bench-operator bench-publisher bench-worker cargo-mutants mutants-emulator mutants-operator worker-flood
lint: ## Formatting, clippy, shell scripts, links of the documents
	@.ci/lint.sh

unit: ## Tests that need nothing but cargo
	cargo test --workspace --exclude e2e --lib --bins

integration: ## Tests against the control plane of the bundled Kubernetes
	$(cluster) build --control-plane-only
	cargo test --workspace --test '*'

clients: ## Google's Python, Go, Node and Java clients against the emulator
	@e2e/emulator/clients/run.sh

python: ## The Python package: its tests, types and style
	@events/python/test.sh

chart: ## What Helm makes of the chart, and its admission policies on a real API server
	$(cluster) build
	@charts/test/test.sh --all

docs: ## References, marks and blocks of the documents, and the site
	@config/docs/test.sh

docs-reference: ## Generate docs/reference and the tables of docs/metrics.md
	@config/docs/generate.py

docs-site: ## The documents as a site: .cache/site/book (INSTALL=yes compiles mdBook)
	@config/docs/site.sh $(if $(INSTALL),--install)

gitops: ## The examples for Flux and Argo CD, and everything in any order on a real API server
	$(cluster) build --control-plane-only
	@config/gitops/test.sh

platform: ## Enforced NetworkPolicies, tokens, canary secrets and a real KEDA on the bundled cluster
	$(cluster) build --with keda policies
	@e2e/platform/platform.sh

terraform: ## The Terraform module by its text, and the Cloud Run job as a process
	@config/terraform/test.sh
	@config/cloud-run/test.sh

alerts: ## Rules, cases and runbooks of the alerts (needs promtool)
	@config/monitoring/test.sh

e2e: ## The demo's story with checks, on the bundled cluster, and taken down again
	@config/demo/demo.sh --check

test-gcp: ## What only Google's own Pub/Sub can tell, in the project GCP_TEST_PROJECT (docs/google.md; half an hour)
	@config/gcp/test.sh

bench: bench-emulator bench-operator ## Figures of the emulator and the operator (nothing else should run)

bench-emulator: ## How fast and how large the emulator is
	cargo run --release --quiet -p pubsub-emulator --example bench

bench-operator: ## How the operator does with 10, 100 and 900 tenants, and whether its bounds hold (docs/scale.md)
	@e2e/bench/scale.sh

bench-publisher: ## The events library beside the bare client and the Python package, and whether its bounds hold (minutes)
	@e2e/bench/publisher.sh

mutants-emulator: cargo-mutants ## Do the emulator's unit tests notice wrong code? (.cargo/mutants.toml; 40 minutes)
	cargo mutants --package pubsub-emulator -j2

mutants-operator: cargo-mutants ## Do the operator's unit and stage tests notice wrong decisions? (.cargo/mutants-operator.toml; over an hour)
	PROPTEST_CASES=32 cargo mutants --config .cargo/mutants-operator.toml --package event-operator -j2

cargo-mutants:
	@cargo mutants --version >/dev/null 2>&1 || { echo "cargo-mutants is missing. Install it: cargo install --locked cargo-mutants"; exit 1; }

test-long: ## The same faults with many more seeds, and 20 rollouts of pods (half an hour)
	CRASH_SEEDS=500 cargo test --workspace --test control_plane crash
	cargo test --workspace --test control_plane quota -- --ignored
	EDIT_SEEDS=200 cargo test --workspace --test control_plane edits
	config/terraform/test.sh --tofu
	config/docs/test.sh --rehearse
	$(cluster) build --with keda policies
	e2e/platform/platform.sh
	ROLLOUTS=20 config/demo/demo.sh --check

worker-flood: ## A million small events and a thousand of 10 MB through the worker, within 2 GiB (minutes; release profile)
	cargo test --release -p event-worker --test worker flood -- --ignored --nocapture --test-threads=1

deny: ## Licences, bans, sources and advisories of the dependencies
	@.ci/deny.sh

bench-worker: ## The event worker beside workers in Go and Python (up to an hour; nothing else should run)
	@e2e/bench/run.sh --redis

##@ On Google Cloud
.PHONY: tf-apply-staging
tf-apply-staging: ## Apply the Terraform module to the project PROJECT_ID (docs/terraform.md)
	@config/terraform/apply-staging.sh

##@ What is made
.PHONY: crds images build-worker push-worker build-operator push-operator
crds: ## Generate the CRDs, and copy them into their chart
	cargo run --quiet -p crds --bin crdgen crds
	charts/event-operator-crds/copy.sh

images: ## Images of operator, worker and emulator for the demo (dev profile)
	@config/images/build.sh event-operator event-worker pubsub-emulator

build-worker: ## The worker's image event-worker:dev (release profile)
	@config/images/build.sh --profile release event-worker

push-worker: ## The worker's image to REGISTRY, as REGISTRY/event-worker:TAG
	@config/images/build.sh --profile release --push "$(REGISTRY)" event-worker

build-operator: ## The operator's image event-operator:dev (release profile)
	@config/images/build.sh --profile release event-operator

push-operator: ## The operator's image to REGISTRY, as REGISTRY/event-operator:TAG
	@config/images/build.sh --profile release --push "$(REGISTRY)" event-operator

##@ The bundled cluster
.PHONY: cluster-up cluster-down clean
cluster-up: ## Build (once) and start the bundled Kubernetes
	$(cluster) build
	$(cluster) up

cluster-down: ## Stop it
	$(cluster) down

clean: ## Stop the cluster, and remove everything that was built
	@[ ! -x $(cluster) ] || $(cluster) down
	rm -rf .cache
	cargo clean
