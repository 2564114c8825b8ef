# make help lists the targets.
.DEFAULT_GOAL := help
SHELL := bash
GO ?= go
# -race needs a C compiler; without one the tests run without it, and say so.
RACE := $(shell command -v $${CC:-gcc} >/dev/null 2>&1 && echo -race)
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/pipeline
REAL := $(if $(PIPELINE_REAL_DATA),--real $(PIPELINE_REAL_DATA))

.PHONY: $(shell sed -nE 's/^([a-z0-9-]+):.*##.*/\1/p' $(MAKEFILE_LIST))
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

build: ## bin/pipeline
	$(GO) build -o bin/pipeline ./cmd/pipeline

test: ## all tests, with the race detector where there is a C compiler
	@test -n "$(RACE)" || echo "no C compiler: the race detector is off"
	$(if $(RACE),CGO_ENABLED=1) $(GO) test $(RACE) -shuffle=on -timeout 20m ./...

fuzz: ## every fuzz target for FUZZTIME (60s)
	@for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(or $(FUZZTIME),60s) $$pkg || exit 1; \
	  done; done

lint: ## gofumpt, vet, staticcheck
	@test -z "$$($(GO) tool gofumpt -l . | tee /dev/stderr)" || (echo "make fmt mends these"; exit 1)
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

fmt: ## format
	$(GO) tool gofumpt -w .

golden: ## rewrite the golden files
	$(GO) test ./cmd/internal/build ./cmd/pipeline ./sample/audit ./sample/export/launch -update

bench: ## Go benchmarks of every stage
	$(GO) test -run '^$$' -bench . -benchmem ./...

bench-scale: ## reward history and plans at 1,000,000 samples, and plans at 10,000,000
	PIPELINE_BENCH_SAMPLES=1000000 $(GO) test -run '^$$' -bench . -benchtime 1x -timeout 60m ./sample/...
	PIPELINE_BENCH_SAMPLES=10000000 $(GO) test -run '^$$' -bench Plan -benchtime 1x -timeout 60m ./sample/curriculum

bench-splits: ## plan and commit of a simulated build of 100,000 splits
	PIPELINE_BENCH_SPLITS=100000 $(GO) test -run '^$$' -bench 'Scale|Attempt' -benchtime 1x -timeout 60m ./cmd/internal/build

bench-peers: build ## the same work by this program and its rivals, side by side
	python3 cmd/internal/build/peers/bench.py --pipeline bin/pipeline --cache $(CACHE) $(REAL) $(ARGS)

bench-stream: build ## the same samples by this program and other loaders, side by side; ARGS=--large: 1 GB of ids
	python3 sample/stream/peers/bench.py --pipeline bin/pipeline --cache $(CACHE) $(REAL) $(ARGS)

bench-tokenizers: ## the tokenizers of Go, Rust and Python on the same text, cold
	@test -n "$(PIPELINE_REAL_DATA)" || (echo "set PIPELINE_REAL_DATA to a folder with tokenizers/ and real/"; exit 1)
	sh tokenize/bpe/speed/speed.sh $(CACHE)/speed $(ARGS)

exactness: ## ids against tokenizers and tiktoken: 45 MB of documents, 1,000,000 random strings
	sh tokenize/bpe/exactness/exactness.sh $(CACHE)/exactness $(ARGS)

hf: ## the optional engine on daulet/tokenizers: builds its static library and tests it
	sh tokenize/hf/build.sh $(CACHE)/hf
	CGO_ENABLED=1 CGO_LDFLAGS=-L$(CACHE)/hf $(GO) test -tags hf ./tokenize/hf/...

interop: build ## pyarrow, DuckDB, polars and Hugging Face datasets read the shards
	python3 dataset/interop/check.py --pipeline bin/pipeline --cache $(CACHE) $(REAL)

interop-s3: ## s3:// inputs from a real S3 server, versitygw, on loopback
	GOBIN=$(CACHE)/bin $(GO) install github.com/versity/versitygw/cmd/versitygw@v1.8.0
	PIPELINE_VERSITYGW=$(CACHE)/bin/versitygw $(GO) test -run S3 -v ./ingest/remote

interop-export: build ## the code of verl, TRL, OpenRLHF and Hugging Face datasets reads what export writes
	python3 sample/export/interop/check.py --pipeline bin/pipeline --cache $(CACHE) $(REAL)

test-python: build ## the Python package against the program: ruff, mypy --strict, pytest
	@command -v python3 >/dev/null || (echo "make test-python needs python3"; exit 1)
	python3 python/tests/run.py --pipeline bin/pipeline --cache $(CACHE) $(ARGS)

interop-trainers: build ## the Python package under torch, TRL and verl; installs 6 GB
	@command -v python3 >/dev/null || (echo "make interop-trainers needs python3"; exit 1)
	python3 python/tests/run.py --pipeline bin/pipeline --cache $(CACHE) --trainers $(ARGS)

interop-llm: build ## eval with a real engine on loopback: llama.cpp serves SmolLM2-135M as policy and judge, and is killed
	python3 train/eval/interop/check.py --pipeline bin/pipeline --cache $(CACHE) $(REAL)

test-ray: build ## builds on a real Ray of two nodes on loopback, which are killed; installs ray
	python3 cmd/internal/engine/cluster/check.py --engine ray --pipeline bin/pipeline --cache $(CACHE) $(REAL) $(ARGS)

test-slurm: build ## the same on a real Slurm; installs it through apt, and needs root
	python3 cmd/internal/engine/cluster/check.py --engine slurm --pipeline bin/pipeline --cache $(CACHE) $(REAL) $(ARGS)

demo: build ## synth, build in three phases, inspect
	bin/pipeline synth --samples 400 --tokens 500..60000 --task lookup,chain,table --seed 7 --output demo/docs.jsonl
	bin/pipeline build --input demo/docs.jsonl --phases 4000,20000,60000 --output demo/data
	bin/pipeline inspect demo/data

clean: ## what was built
	rm -rf bin demo
