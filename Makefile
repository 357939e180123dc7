# Everything here needs Go and make; the race detector needs a C compiler too.

GO            ?= go
GOLANGCI_LINT ?= $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
BENCH         ?= .
BENCHTIME     ?= 1s
COUNT         ?= 1

# The assembly generator is a module of its own, so that fovea does not depend on what it needs.
GENERATOR := cpu/internal/asmgen
# So are the comparison with other systems, which draws a plot, and Gorgonia's part in it.
COMPARE   := bench/compare
PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

.DEFAULT_GOAL := help
.PHONY: help check test race noasm test-arm64 lint format vet generate generated cross bench record

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

check: format vet lint generated cross noasm race ## what must pass before a change lands; .ci/run adds the plain tests

test: ## all tests
	$(GO) test ./...
	cd $(COMPARE) && $(GO) test ./... && cd gorgonia && $(GO) test ./...

race: ## all tests but the long ones, with the race detector
	$(GO) test -race -short ./...

noasm: ## tests of the CPU backend without assembly, as on machines that have none
	$(GO) test -short -tags noasm ./cpu/...

# Under qemu-user, which Debian has as qemu-user-static; on a machine with an arm64 processor, make test does it.
test-arm64: ## tests of the CPU backend with arm64's vector instructions, emulated
	GOARCH=arm64 $(GO) test -short -exec qemu-aarch64-static ./cpu/...

lint: ## golangci-lint with .golangci.yml; the first run builds it
	$(GOLANGCI_LINT) run ./...
	cd $(GENERATOR) && $(GOLANGCI_LINT) run ./...
	cd $(COMPARE) && $(GOLANGCI_LINT) run ./...

format: ## fail where gofmt would change a file
	@unformatted=$$(git ls-files -co --exclude-standard '*.go' | xargs gofmt -l); \
	if [ -n "$$unformatted" ]; then echo "not formatted, run gofmt -w:"; echo "$$unformatted"; exit 1; fi

vet: ## go vet on amd64 and arm64, with and without assembly
	GOARCH=amd64 $(GO) vet ./...
	GOARCH=arm64 $(GO) vet ./...
	$(GO) vet -tags noasm ./...
	cd $(GENERATOR) && $(GO) vet ./...
	cd $(COMPARE) && $(GO) vet ./... && cd gorgonia && $(GO) vet ./...

generate: ## write generated files anew
	$(GO) generate ./...

generated: ## fail where generated files, go.mod or go.sum are out of date
	cd $(GENERATOR) && $(GO) test ./... && $(GO) mod tidy -diff
	cd $(COMPARE) && $(GO) mod tidy -diff
	cd $(COMPARE)/gorgonia && $(GO) mod tidy -diff
	$(GO) mod tidy -diff

cross: ## build everything for every platform
	@for p in $(PLATFORMS); do \
		echo "build $$p"; \
		CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build ./... || exit 1; \
	done

# GFLOP/s of the fastest loop of multiply-adds on one thread.
PEAK = $(shell $(GO) test -run '^$$' -bench Peak ./cpu/internal/gemm | awk '/GFLOP/ { for (i = 2; i <= NF; i++) if ($$i == "GFLOP/s" && $$(i-1) > max) max = $$(i-1) } END { print max + 0 }')

bench: ## benchmarks; BENCH=regexp picks some, BENCHTIME and COUNT as in go test
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -count $(COUNT) ./bench -peak $(PEAK)

record: ## ten rounds of the benchmarks, kept in bench/results; DEVICE names the machine
	@test -n "$(DEVICE)" || { echo "name the machine, as in make record DEVICE=zen5-2cores"; exit 1; }
	@{ echo "date: $$(date -u +%F)"; echo "commit: $$(git describe --always --dirty)"; echo "go: $$($(GO) env GOVERSION)"; \
	   echo "device: $(DEVICE), $$(nproc) processors"; echo "command: make record DEVICE=$(DEVICE) BENCH=$(BENCH) BENCHTIME=$(BENCHTIME)"; \
	   $(MAKE) --no-print-directory -s bench COUNT=10; } | tee bench/results/$$(date -u +%F)-$(DEVICE).txt

# What fovea is compared with is kept in bin/compare, see bench/compare/README.md.
ROUNDS        ?= 10
ONLY          ?= .
THREADS       ?= $(shell nproc)
SECONDS       ?= 0.2
SKIP          ?=
OUT           ?= bin/compare/results
VENV          ?= bin/compare/venv
DEBIAN_PYTHON ?= /usr/bin/python3
RIVALS        := $(if $(findstring torch113,$(SKIP)),,bin/compare/openblas/libblas.so.3) $(if $(filter bin/%,$(VENV)),$(VENV)/installed)

.PHONY: bench-compare
bench-compare: $(RIVALS) ## fovea beside PyTorch, ONNX Runtime, OpenBLAS and Gorgonia; ROUNDS, ONLY=regexp, THREADS, SECONDS, SKIP=systems, OUT, VENV
	cd $(COMPARE) && $(GO) build -o $(CURDIR)/bin/compare/compare .
	@bin/compare/compare -rounds $(ROUNDS) -only '$(ONLY)' -threads $(THREADS) -seconds $(SECONDS) -skip '$(SKIP)' -out $(OUT) \
		-python $(abspath $(VENV))/bin/python -debian-python $(DEBIAN_PYTHON)

$(VENV)/installed: $(COMPARE)/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

# Debian's PyTorch is built for whatever BLAS there is, which is a slow one unless OpenBLAS is installed; this copy installs nothing.
# Its OpenMP variant shares PyTorch's threads.
bin/compare/openblas/libblas.so.3:
	mkdir -p $(@D)
	cd $(@D) && apt-get download --quiet libopenblas0-openmp && dpkg -x libopenblas0-openmp_*.deb . && cp usr/lib/*/openblas-openmp/*.so* .

# nvcc comes from the Python registry; later versions write PTX that drivers of the H100's generation refuse.
NVCC          ?= bin/nvcc/nvidia/cu13/bin/nvcc
NVCC_PACKAGES := nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85
PTXAS         := bin/ptxas-11.8/nvidia/cuda_nvcc/bin/ptxas bin/ptxas-12.9/nvidia/cuda_nvcc/bin/ptxas
PIP           := python3 -m pip install --quiet --disable-pip-version-check --no-deps

.PHONY: kernels ptxas ptxas-table
kernels: $(NVCC) ## PTX and Go bindings of the CUDA sources that changed; the first run fetches nvcc
	$(GO) run ./kernels/internal/ptxbuild -nvcc $(NVCC)
	$(GO) run ./kernels/internal/bindgen

ptxas: $(NVCC) $(PTXAS) ## assemble all PTX with three ptxas for every chip they know; spills and stack frames fail
	$(GO) run ./kernels/internal/ptxcheck $(PTXAS) $(dir $(NVCC))ptxas

ptxas-table: $(NVCC) ## renew kernels/ptxas.tsv, registers and shared memory of every kernel
	$(GO) run ./kernels/internal/ptxcheck -write $(dir $(NVCC))ptxas

bin/nvcc/nvidia/cu13/bin/nvcc:
	$(PIP) --target bin/nvcc $(NVCC_PACKAGES)

bin/ptxas-11.8/nvidia/cuda_nvcc/bin/ptxas:
	$(PIP) --target bin/ptxas-11.8 nvidia-cuda-nvcc-cu11==11.8.89

bin/ptxas-12.9/nvidia/cuda_nvcc/bin/ptxas:
	$(PIP) --target bin/ptxas-12.9 nvidia-cuda-nvcc-cu12==12.9.86

# The GPU build needs a C compiler, but no CUDA toolkit: cuda/include has the header.
CUDA     := CGO_CFLAGS="-O2 -g -I$(CURDIR)/cuda/include"
SIM      := $(CURDIR)/cuda/sim/build/libcuda.so.1
SIM_ASAN := $(CURDIR)/cuda/sim/build/sanitized/libcuda.so.1
ON_SIM   := $(CUDA) FOVEA_REQUIRE_CUDA=1 FOVEA_CUDA_DRIVER=$(SIM)
SEEDS    ?= 1 2

.PHONY: build-cuda vet-cuda sim test-cuda-sim race-cuda-sim sanitize-cuda-sim test-cuda
build-cuda: ## bin/fovea with the GPU backend; it starts on machines without a GPU too
	$(CUDA) $(GO) build -tags cuda -o bin/fovea ./cmd/fovea

vet-cuda: ## go vet and the linters over what is built with the tag cuda
	$(CUDA) $(GO) vet -tags cuda ./...
	$(CUDA) $(GOLANGCI_LINT) run --build-tags cuda ./cuda/... ./bench/... ./train/... ./cmd/...

sim: ## build the simulated NVIDIA driver; needs g++
	$(MAKE) -j$$(nproc) -C cuda/sim/driver CXX="$(CXX)"

# -count=1, since Go's test cache does not see the driver change.
test-cuda-sim: sim ## all tests with the tag cuda on the simulated driver, conformance in other schedules too
	$(MAKE) -j$$(nproc) -C cuda/sim test
	$(ON_SIM) $(GO) test -count=1 -tags cuda ./cuda/... ./bench ./train ./cmd/... ./kernels/...
	for seed in $(SEEDS); do FOVEA_SIM_SEED=$$seed $(ON_SIM) $(GO) test -count=1 -tags cuda -run Conformance ./cuda || exit 1; done

race-cuda-sim: sim ## the same, shorter, with the race detector and checkptr
	$(ON_SIM) $(GO) test -count=1 -race -short -tags cuda ./cuda/...

sanitize-cuda-sim: ## conformance on a simulated driver that was built with AddressSanitizer and UBSan
	$(MAKE) -j$$(nproc) -C cuda/sim/driver CXX="$(CXX)" SANITIZE=address,undefined
	$(CUDA) $(GO) test -c -tags cuda -o bin/cuda.test ./cuda
	cd cuda && FOVEA_REQUIRE_CUDA=1 FOVEA_CUDA_DRIVER=$(SIM_ASAN) ASAN_OPTIONS=detect_leaks=0:handle_segv=0 \
		LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libstdc++.so.6)" ../bin/cuda.test

test-cuda: ## all tests with the tag cuda on an NVIDIA GPU; fails where there is none
	$(CUDA) FOVEA_REQUIRE_CUDA=1 $(GO) test -count=1 -tags cuda ./...
