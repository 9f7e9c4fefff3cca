# make train    set up, then train on the embedded data          make lint     every static check that CI runs
# make test     set up, then run all tests                       make wheel    dist/*.whl, manylinux_2_28 or older
# make setup    only set up                                      make sdist    dist/*.tar.gz
# make bench    the benchmark table; peers in .venv-bench        make clean    remove what was built (runs/ stays)
# make gpu      on a CUDA device: CuPy, the tests that need it, compute-sanitizer if it is there, the operators' benchmark
#
# Needs git, make, Python >= 3.11 with venv, a Rust toolchain (rustc >= 1.89) and a C linker; the rest is installed into
# .venv. Nothing is done twice: a second call takes seconds.
#
# PYTHON=python3.12 make setup          another interpreter
# UV_TORCH_BACKEND=cpu make setup       the CPU-only build of torch, without the CUDA libraries (several GB less)
# make train ARGS="my.toml --set training.epochs=50"
# make test PYTEST_ARGS="-m 'not slow' tests/unit"

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.PHONY: setup train test lint wheel sdist bench gpu fuzz constraints clean

PYTHON ?= python3
# Found before .venv/bin comes first on the path.
INTERPRETER := $(shell command -v $(PYTHON))
VENV := $(CURDIR)/.venv
BIN := $(VENV)/bin
DIST := dist
ENVIRONMENT := $(VENV)/.environment
EXTENSION := $(VENV)/.extension
RUST_SOURCES := Cargo.toml Cargo.lock $(shell find rust cuda -type f -not -name '*.md')

export VIRTUAL_ENV := $(VENV)
export PATH := $(BIN):$(PATH)
export PYO3_PYTHON := $(BIN)/python
unexport CONDA_PREFIX

setup: $(EXTENSION)

$(ENVIRONMENT): pyproject.toml constraints.txt
	@$(INTERPRETER) -c 'import sys; sys.exit(f"recipnet needs Python 3.11 or newer, this is {sys.version}" if sys.version_info < (3, 11) else 0)'
	$(INTERPRETER) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	$(BIN)/uv pip install --python $(BIN)/python --constraint constraints.txt --requirement pyproject.toml --extra dev
	@touch $@

$(EXTENSION): $(ENVIRONMENT) $(RUST_SOURCES)
	@command -v cargo > /dev/null || { echo "recipnet needs a Rust toolchain: cargo was not found" >&2; exit 1; }
	$(BIN)/maturin develop --release --locked --uv
	@touch $@

train: setup
	$(BIN)/recipnet-train $(ARGS)

test: setup
	cargo test --workspace --locked
	$(BIN)/pytest $(PYTEST_ARGS)

# Every fuzz target in turn. The coverage passes need the bootstrap switch of a stable toolchain, and a C++ compiler.
FUZZ_SECONDS ?= 60
FUZZ_SEEDS ?= rust/recipnet-core/tests/data
FUZZ_TARGETS := document crystal operation hall symbol number
FUZZ_SYSTEM := $(shell rustc -vV 2> /dev/null | sed -n 's/^host: //p')
FUZZ_FLAGS := -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
	-Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Zsanitizer=address

fuzz:
	cd fuzz && RUSTC_BOOTSTRAP=1 RUSTFLAGS="$(FUZZ_FLAGS)" cargo build --release --target $(FUZZ_SYSTEM)
	for target in $(FUZZ_TARGETS); do \
		mkdir -p fuzz/corpus/$$target fuzz/artifacts/$$target; \
		fuzz/target/$(FUZZ_SYSTEM)/release/$$target -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 \
			-artifact_prefix=fuzz/artifacts/$$target/ fuzz/corpus/$$target $(FUZZ_SEEDS); \
	done

lint: setup
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Zig links against an old glibc, so that one wheel serves every Linux from manylinux_2_28 on and every Python from 3.11 on.
wheel: $(ENVIRONMENT)
	$(BIN)/maturin build --release --locked --zig --compatibility manylinux_2_28 --auditwheel check --out $(DIST)

sdist: $(ENVIRONMENT)
	$(BIN)/maturin sdist --out $(DIST)

# The peers have an environment of their own; what does not install on this platform has a row that says so.
BENCH := $(CURDIR)/.venv-bench
BENCH_WHEEL := target/bench-wheel
BENCH_SOURCES := pyproject.toml $(shell find python -type f -not -name '*.so' -not -path '*/__pycache__/*')

$(BENCH)/.peers: benches/peers.txt $(ENVIRONMENT)
	rm -rf $(BENCH)
	$(BIN)/uv venv --quiet --python $(BIN)/python $(BENCH)
	$(BIN)/uv pip install --python $(BENCH)/bin/python --requirement benches/peers.txt \
	  || for peer in $$(sed '/^#/d' benches/peers.txt); do \
	    $(BIN)/uv pip install --python $(BENCH)/bin/python --constraint benches/peers.txt "$$peer" \
	      || echo "not installed: $$peer" >&2; \
	  done
	@touch $@

$(BENCH)/.recipnet: $(BENCH)/.peers $(EXTENSION) $(BENCH_SOURCES)
	rm -rf $(BENCH_WHEEL)
	$(BIN)/maturin build --release --locked --interpreter $(BIN)/python --out $(BENCH_WHEEL)
	$(BIN)/uv pip install --quiet --python $(BENCH)/bin/python --reinstall --no-deps $(BENCH_WHEEL)/*.whl
	@touch $@

bench: $(BENCH)/.recipnet
	$(BENCH)/bin/python benches/python/run_all.py $(BENCH_ARGS)
	-$(BENCH)/bin/python benches/python/instructions.py

gpu: setup
	cuda=$$($(BIN)/python -c 'import torch; print((torch.version.cuda or "").split(".")[0])'); \
	  test -n "$$cuda" || { echo "this torch has no CUDA" >&2; exit 1; }; \
	  $(BIN)/python -c 'import cupy' 2> /dev/null || $(BIN)/uv pip install --python $(BIN)/python "cupy-cuda$${cuda}x"
	$(BIN)/pytest -m gpu tests/gpu
	if command -v compute-sanitizer > /dev/null; then for tool in memcheck racecheck; do \
	  PYTORCH_NO_CUDA_MEMORY_CACHING=1 compute-sanitizer --tool $$tool --report-api-errors no --error-exitcode 1 \
	    $(BIN)/pytest -m gpu tests/gpu -k "equal_to_the_twin or halves"; done; \
	else echo "compute-sanitizer is not installed: left out"; fi
	$(BIN)/python benches/python/bench_ops.py --device cuda --large

constraints: $(ENVIRONMENT)
	{ sed -n '/^#/p' constraints.txt; $(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
	  --strip-extras --no-header --no-annotate --no-emit-index-url --upgrade --quiet; } > constraints.new
	mv constraints.new constraints.txt

clean:
	rm -rf $(VENV) $(BENCH) target dist .pytest_cache .mypy_cache .ruff_cache python/recipnet/_core*.so
