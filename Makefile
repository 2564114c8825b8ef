# make help lists the targets.
.DEFAULT_GOAL := help
SHELL := bash
GO ?= go
# -race needs a C compiler; without one the tests run without it, and say so.
RACE := $(shell command -v $${CC:-gcc} >/dev/null 2>&1 && echo -race)
# Vector instructions, where the toolchain has the experiment; a plain `go build` works too, slower.
SIMD := $(shell GOEXPERIMENT=simd $(GO) version >/dev/null 2>&1 && echo GOEXPERIMENT=simd)
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/pipeline
REAL := $(if $(PIPELINE_REAL_DATA),--real $(PIPELINE_REAL_DATA))

.PHONY: $(shell sed -nE 's/^([a-z0-9-]+):.*##.*/\1/p' $(MAKEFILE_LIST))
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

build: ## bin/pipeline
	$(SIMD) $(GO) build -o bin/pipeline ./cmd/pipeline

build-xla: ## bin/pipeline with XLA: --backend xla:cpu or xla:cuda; needs a C compiler, and a PJRT plugin to run
	CGO_ENABLED=1 $(SIMD) $(GO) build -tags xla -o bin/pipeline ./cmd/pipeline

# GoMLX's products step a pointer past the end of their data and never read it: the race detector's
# pointer checks stop there, so they are off for that module.
test: ## all tests, with the race detector where there is a C compiler
	@test -n "$(RACE)" || echo "no C compiler: the race detector is off"
	$(if $(RACE),CGO_ENABLED=1) $(SIMD) $(GO) test $(RACE) $(if $(RACE),-gcflags='github.com/gomlx/...=-d=checkptr=0') -shuffle=on -timeout 20m ./...

faults: ## real faults: kill -9, full disks, permissions, clocks, two processes, flipped bits; FAULTS (18) for each verb
	PIPELINE_FAULTS=$(or $(FAULTS),18) $(GO) test -count=1 -timeout 60m -v ./cmd/pipeline \
	  -run 'Kill|RealFault|HostileInputs' | grep -vE '^=== (RUN|PAUSE|CONT|NAME)'; exit $${PIPESTATUS[0]}
	$(GO) test -count=1 -v -run 'Sweep|Crash|Fail|Operation' ./dataset/... ./cmd/internal/build ./sample/... ./train/... | \
	  grep -E '^(ok|FAIL|---|panic)|operations'; exit $${PIPESTATUS[0]}

fuzz: ## every fuzz target for FUZZTIME (60s), and the totals; PKG=./ingest/... for some
	@n=0; total=0; log=$$(mktemp); for pkg in $$($(GO) list $(or $(PKG),./...)); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(or $(FUZZTIME),60s) -fuzzminimizetime 10x $$pkg > $$log 2>&1 || { cat $$log; exit 1; }; \
	    tried=$$(grep -o 'execs: [0-9]*' $$log | tail -1 | tr -dc 0-9); \
	    echo "$$pkg $$f: $${tried:-0} inputs"; n=$$((n+1)); total=$$((total+$${tried:-0})); \
	  done; done; rm -f $$log; echo "$$n targets, $$total inputs, none broke anything"

lint: ## gofumpt, vet, staticcheck
	@test -z "$$($(GO) tool gofumpt -l . | tee /dev/stderr)" || (echo "make fmt mends these"; exit 1)
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

vuln: ## known vulnerabilities in what the program calls, where their database can be reached
	@if curl -sfI -m 20 -o /dev/null https://vuln.go.dev/index/modules.json; then $(GO) run golang.org/x/vuln/cmd/govulncheck@v1.1.4 ./...; \
	  else echo "skipped: govulncheck cannot reach its database, https://vuln.go.dev"; fi

fmt: ## format
	$(GO) tool gofumpt -w .

golden: ## rewrite the golden files
	$(GO) test ./cmd/internal/build ./cmd/pipeline ./sample/audit ./sample/export/launch -update

bench: ## Go benchmarks of every stage
	$(SIMD) $(GO) test -run '^$$' -bench . -benchmem ./...

bench-scale: ## reward history and plans at 1,000,000 samples, and plans at 10,000,000
	PIPELINE_BENCH_SAMPLES=1000000 $(GO) test -run '^$$' -bench . -benchtime 1x -timeout 60m ./sample/...
	PIPELINE_BENCH_SAMPLES=10000000 $(GO) test -run '^$$' -bench Plan -benchtime 1x -timeout 60m ./sample/curriculum

bench-train: ## training and generation by train/policy and by PyTorch on the CPU; XLA too with PJRT_PLUGIN_LIBRARY_PATH
	python3 train/policy/peers/bench.py --cache $(CACHE) --go $(GO) $(ARGS)

learn: ## a small policy learns in-context lookup from scratch: warm-up, GRPO in two phases; minutes
	$(SIMD) $(GO) test -tags learn -run TestLookupIsLearnt -v ./train/learner

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

parity: ## train/policy against transformers: logits, gradients, saved folders
	python3 train/policy/parity/parity.py --cache $(CACHE) --go $(GO)

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

demo: build ## the whole recipe in minutes: synth, build, warm-up, phase 1, phase 2, and what was learned
	bin/pipeline synth --samples 25000 --task recall --tokens 13..18 --facts 2..4 --value-tokens 2 --questions 4 --sft --seed 1 --output demo/sft-short.jsonl --tokenizer-output demo/tokenizer
	bin/pipeline synth --samples 20000 --task recall --tokens 31..40 --facts 2..6 --value-tokens 2 --questions 4 --sft --seed 2 --output demo/sft-long.jsonl
	bin/pipeline synth --samples 4500 --task recall --tokens 56..64 --facts 8 --value-tokens 2 --seed 3 --output demo/phase-1.jsonl
	bin/pipeline synth --samples 4500 --task recall --tokens 160..192 --facts 8..16 --value-tokens 2 --seed 4 --output demo/phase-2.jsonl
	bin/pipeline build --config train/demo/pipeline.toml --force
	bin/pipeline train --config train/demo/pipeline.toml
	bin/pipeline -q audit demo/data --html demo/report.html 2>/dev/null || test $$? = 3
	@echo "rewards and difficulty: demo/report.html; learning curves: demo/runs/demo/report.html"

demo-build: build ## synth, build in three phases, inspect
	bin/pipeline synth --samples 400 --tokens 500..60000 --task lookup,chain,table --seed 7 --output demo/long.jsonl
	bin/pipeline build --input demo/long.jsonl --phases 4000,20000,60000 --output demo/long
	bin/pipeline inspect demo/long

study: build ## ablations in miniature with SEEDS (5) seeds; hours; goes on where it stopped
	$(GO) run ./cmd/study --pipeline bin/pipeline --output study --seeds $(or $(SEEDS),5) $(ARGS)

test-ray: build ## builds on a real Ray of two nodes on loopback, which are killed; installs ray
	python3 cmd/internal/engine/cluster/check.py --engine ray --pipeline bin/pipeline --cache $(CACHE) $(REAL) $(ARGS)

test-slurm: build ## the same on a real Slurm; installs it through apt, and needs root
	python3 cmd/internal/engine/cluster/check.py --engine slurm --pipeline bin/pipeline --cache $(CACHE) $(REAL) $(ARGS)

clean: ## what was built
	rm -rf bin demo study
