# Everything here is also plain go commands; this file only keeps them together.
# Generators and checkers are modules of their own, so that the project depends
# on none of them.

GO   ?= go
DEV  := $(GO) tool -modfile=tools/dev/go.mod
FUZZ ?= 60s

# Fuzz targets, as package:function.
FUZZERS := ./tensor/gguf:FuzzGGUF ./tensor/safetensors:FuzzSafetensors ./tensor/safetensors:FuzzIndex \
           ./transformer:FuzzConfig ./transformer:FuzzPEFT ./transformer/tokenizer:FuzzTokenizerJSON \
           ./transformer/tokenizer:FuzzTokenizerModel ./transformer/tokenizer:FuzzMerges ./transformer/tokenizer:FuzzEncode \
           ./transformer/convert:FuzzLlama2C ./netllm:FuzzPool ./netllm/abr:FuzzTrace ./netllm/abr:FuzzVideo ./netllm/vp:FuzzTrace \
           ./netllm/cjs:FuzzProfile ./netllm/cjs:FuzzSequence ./netllm/cjs:FuzzPool \
           ./tools/internal/pickle:FuzzPickle ./tools/internal/npy:FuzzNPY ./tools/internal/tfbundle:FuzzBundle

.PHONY: all test test-noasm race fuzz bench bench-peers benchcmp generate generate-check spirv spirv-check gpu-report lint fmt vuln cover examples

all: lint test

test:
	$(GO) test ./...

# The same tests on the pure Go kernels.
test-noasm:
	$(GO) test -tags noasm ./...

# The packages that start goroutines or are used from several.
race:
	$(GO) test -race ./transformer/convert ./netllm ./netllm/vp/... \
		$$($(GO) list ./ops/... ./internal/... ./tensor/... ./gpu/... | grep -v -e /ops/asm -e /deferred) # kernels have no goroutines, and deferred is for tests
	$(GO) test -race -skip 'Golden|Reference|Learns|Tuned|Seeds|Enumeration|Relaxed|OracleDisturbed|OracleAboveAll|Improves|LongTrace' ./netllm/abr ./netllm/cjs # numbers again, and minutes
	$(GO) test -race -skip 'Golden|Oracle|TestCheckpoints' ./transformer ./transformer/tokenizer # numbers, one goroutine

fuzz:
	@set -e; for f in $(FUZZERS); do \
		echo "fuzz $${f#*:} in $${f%:*} for $(FUZZ)"; \
		$(GO) test $${f%:*} -run='^$$' -fuzz="^$${f#*:}$$" -fuzztime=$(FUZZ) -fuzzminimizetime=5x -parallel=2; \
	done

bench:
	$(GO) test -run='^$$' -bench=. -count=10 -timeout=0 ./ops/asm ./bench/... | tee bench.txt

# This project and others in turn, into docs/performance.md; see bench/peers.
# PEERS_FLAGS='-only f32 -rounds 5' measures less.
PEERS ?= ../shared/peers
bench-peers:
	$(GO) run ./bench/peers -peers $(PEERS) $(PEERS_FLAGS)

# The same machine with generic kernels and with assembly, compared.
benchcmp:
	NETLLM_CPU=generic $(GO) test -run='^$$' -bench=. -count=6 ./ops/asm > bench-generic.txt
	$(GO) test -run='^$$' -bench=. -count=6 ./ops/asm > bench-asm.txt
	$(DEV) benchstat bench-generic.txt bench-asm.txt

generate:
	$(GO) generate ./ops/asm

# Generated files must be what the generator writes, byte for byte.
generate-check: generate
	@git diff --exit-code -- ops/asm || { echo "generated files differ from their generator's output"; exit 1; }
	@test -z "$$(git ls-files --others --exclude-standard -- ops/asm)" || { echo "the generator wrote files that are not committed"; exit 1; }

# The shaders: needs Debian 12's glslc, and for those with cooperative matrices a
# glslang of version 15 or newer, named by GLSLANG. The check compares what it
# can compile, and hashes for the rest.
spirv:
	$(GO) run ./gpu/shaders/build

spirv-check:
	$(GO) run ./gpu/shaders/build -check

# Everything that docs/gpu.md would like to know of a GPU, measured on it.
gpu-report:
	$(GO) run ./bench/gpureport $(GPU_FLAGS)

lint:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(DEV) staticcheck ./...

fmt:
	$(DEV) gofumpt -l -w $$(git ls-files '*.go' | grep -v _amd64.go)

vuln:
	$(DEV) govulncheck ./...

cover:
	$(GO) test -coverprofile=cover.out ./... && $(GO) tool cover -func=cover.out | tail -n 1

# The example of embedding, for every system that it is meant for.
examples:
	@set -e; cd examples/embed; for t in linux/amd64 linux/arm64 darwin/arm64 windows/amd64; do \
		echo "build examples/embed for $$t"; \
		CGO_ENABLED=0 GOOS=$${t%/*} GOARCH=$${t#*/} $(GO) build -o /dev/null .; \
	done
