#!/bin/sh
# Makes a folder with llama.cpp's Vulkan build and the program that measures it:
#
#     bench/gpureport/peer.sh [FOLDER]      default: ~/.cache/netllm-gpu-peer
#
# The folder finds its libraries beside the program, so it can be carried to a
# machine without a network. It needs npm, git, gcc and tar. LLAMA_SRC may name
# llama.cpp's sources of the same release, for their headers.
set -eu
release=3.22.1
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/netllm-gpu-peer}
mkdir -p "$out/lib"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

(cd "$work" && npm pack --silent "@node-llama-cpp/linux-x64-vulkan@$release" >/dev/null && tar xzf ./*.tgz && rm ./*.tgz)
cp "$work"/package/bins/linux-x64-vulkan/*.so "$work/package/LICENSE" "$out/lib/"
src=${LLAMA_SRC:-}
if [ -z "$src" ]; then
	mkdir "$work/node"
	(cd "$work/node" && npm pack --silent "node-llama-cpp@$release" >/dev/null && tar xzf ./*.tgz)
	src=$work/llama.cpp
	git -c advice.detachedHead=false clone -q "$work/node/package/llama/gitRelease.bundle" "$src"
fi
gcc -O2 -o "$out/llama_vulkan" "$here/peer/llama_vulkan.c" -I"$src/include" -I"$src/ggml/include" \
	"$out"/lib/libllama.vulkan.v*.so "$out"/lib/libggml.vulkan.v*.so "$out/lib/libggml-base.so" \
	-Wl,-rpath,'$ORIGIN/lib' -Wl,--allow-shlib-undefined
echo "$out/llama_vulkan"
