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
.PHONY: lint unit integration e2e deny
lint: ## Formatting, clippy, shell scripts
	@.ci/lint.sh

unit: ## Tests that need nothing but cargo
	cargo test --workspace --exclude e2e --lib --bins

integration: ## Tests against the control plane of the bundled Kubernetes
	$(cluster) build --control-plane-only
	cargo test --workspace --test '*'

e2e: ## The demo's story with checks, on the bundled cluster, and taken down again
	@config/demo/demo.sh --check

deny: ## Licences, bans, sources and advisories of the dependencies
	@.ci/deny.sh

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
