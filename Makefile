# What a newcomer types. Every target that builds first installs what is missing (scripts/setup.sh), so `make run` works on a machine that
# has only git, make and the Swift toolchain.

SWIFT := swift
LISTEN := 127.0.0.1:9191
COMMAND := .build/release/portcullis
LIBRARY := .build/release/libportcullis.so
MODULE := .build/release/libportcullis_envoy.so
PREFIX := /usr/local
DESTDIR :=
SOAK_ROUNDS := 20
SETS := 3000
SEED :=

.DEFAULT_GOAL := help
.PHONY: help setup build library module install run envoy test format lint generate bench soak differential agreement mutations clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: ## install packages and a real Envoy, where they are missing
	@scripts/setup.sh

build: setup ## build the command (optimized)
	$(SWIFT) build -c release --product portcullis

library: setup ## build libportcullis.so, for proxies that decide inside themselves
	$(SWIFT) build -c release --product EmbeddedPortcullis
	scripts/link-library.sh .build/release/libEmbeddedPortcullis.a $(LIBRARY)

module: setup ## build libportcullis_envoy.so, with which Envoy decides inside itself
	$(SWIFT) build -c release --product EnvoyModule
	scripts/link-library.sh .build/release/libEnvoyModule.a $(MODULE) envoy

install: library module ## install the library, its header, its pkg-config file and Envoy's module (PREFIX=/usr/local, DESTDIR for packagers)
	scripts/install-library.sh $(LIBRARY) $(PREFIX) $(DESTDIR)
	scripts/install-module.sh $(MODULE) $(PREFIX) $(DESTDIR)

run: build ## serve the shop example, and print what to try
	@scripts/try-shop.sh $(COMMAND) $(LISTEN)
	@exec $(COMMAND) serve --policies examples/shop --listen $(LISTEN)

envoy: build ## start the sidecars of the shop example (while `make run` runs in another terminal)
	@PORTCULLIS=$(COMMAND) ENGINE=$(LISTEN) exec examples/shop/envoy/sidecars.sh

test: ## run all tests, the end-to-end tests with real Envoys and a real browser included
	@scripts/setup.sh --with-browser
	$(SWIFT) test --disable-xctest

format: ## format the Swift sources in place
	$(SWIFT) format --in-place --recursive Package.swift Sources Tests bench

lint: ## check the format of the Swift sources
	$(SWIFT) format lint --strict --recursive Package.swift Sources Tests bench

generate: setup ## make the protobuf code again from proto/
	proto/generate.sh

bench: build ## measure decisions in process, and checks over gRPC beside a do-nothing server
	$(SWIFT) build --package-path bench -c release
	bench/.build/release/portcullis-bench decisions
	bench/.build/release/portcullis-bench checks --portcullis $(COMMAND)

soak: setup ## change policies and replace engines under load, again and again
	@for round in $$(seq $(SOAK_ROUNDS)); do \
	  echo "soak: round $$round of $(SOAK_ROUNDS)"; \
	  $(SWIFT) test --disable-xctest --filter EndToEndTests || exit 1; \
	done

differential: setup ## compare with a real Envoy on many random requests (SETS=3000 is about 220,000; SEED=n repeats a run)
	PORTCULLIS_DIFFERENTIAL_SETS=$(SETS) $(if $(SEED),PORTCULLIS_DIFFERENTIAL_SEED=$(SEED)) \
	  $(SWIFT) test --disable-xctest --filter 'DifferentialTests.*agree about random requests'

agreement: setup ## compare the index with the reference on many random requests (SOAK=10 times the usual; SEED=n repeats a run)
	PORTCULLIS_SOAK=$(or $(SOAK),10) $(if $(SEED),PORTCULLIS_SEED=$(SEED)) \
	  $(SWIFT) test --disable-xctest --filter 'PolicyEngineTests.*The reference and the index agree'

mutations: setup ## break the exact analysis in a copy, operator by operator, and see the tests notice
	scripts/mutate-exact.sh

clean: ## remove everything that was built (keeps .venv)
	rm -rf .build bench/.build Tests/DecisionCost/.build
