// Measures llama.cpp on a Vulkan device, with all layers on it:
//
//     llama_vulkan MODEL PROMPT TOKENS     ->     prefill RATE decode RATE
//
// Rates are tokens per second, of a prompt and of single tokens from the first on.
// Libraries are in lib/ beside the program. Fails if there is no GPU to offload to.
#include "ggml-backend.h"
#include "llama.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + 1e-9 * t.tv_nsec;
}

static void quiet(enum ggml_log_level level, const char *text, void *user) {
	(void)user;
	if (level == GGML_LOG_LEVEL_ERROR) fputs(text, stderr);
}

static void fail(const char *what) {
	fprintf(stderr, "%s\n", what);
	exit(1);
}

// pass computes n tokens and waits for the logits of the last.
static void pass(struct llama_context *c, int32_t *tokens, int n) {
	if (llama_decode(c, llama_batch_get_one(tokens, n))) fail("llama_decode failed");
	llama_synchronize(c);
	if (!llama_get_logits_ith(c, -1)) fail("no logits");
}

static double prefill(struct llama_context *c, int32_t *tokens, int n) {
	llama_memory_clear(llama_get_memory(c), true);
	double start = now();
	pass(c, tokens, n);
	return n / (now() - start);
}

static double decode(struct llama_context *c, int32_t *tokens, int n) {
	llama_memory_clear(llama_get_memory(c), true);
	double start = now();
	for (int i = 0; i < n; i++) pass(c, tokens + i, 1);
	return n / (now() - start);
}

int main(int argc, char **argv) {
	int prompt = argc == 4 ? atoi(argv[2]) : 0, count = argc == 4 ? atoi(argv[3]) : 0;
	if (prompt < 1 || count < 1) fail("usage: llama_vulkan MODEL PROMPT TOKENS");
	char dir[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", dir, sizeof dir - 8);
	if (n < 0) fail("no /proc/self/exe");
	dir[n] = 0;
	strcpy(strrchr(dir, '/'), "/lib");
	llama_log_set(quiet, NULL);
	ggml_backend_load_all_from_path(dir);
	llama_backend_init();
	int vulkan = 0;
	for (size_t i = 0; i < ggml_backend_dev_count(); i++) vulkan |= !strncmp(ggml_backend_dev_name(ggml_backend_dev_get(i)), "Vulkan", 6);
	if (!vulkan) fail("no Vulkan device");

	struct llama_model_params mp = llama_model_default_params();
	mp.n_gpu_layers = 99;
	struct llama_model *m = llama_model_load_from_file(argv[1], mp);
	if (!m) fail("cannot load the model");
	int most = prompt > count ? prompt : count, vocab = llama_vocab_n_tokens(llama_model_get_vocab(m));
	struct llama_context_params cp = llama_context_default_params();
	cp.n_ctx = (most + 63) / 64 * 64;
	cp.n_batch = most;
	struct llama_context *c = llama_init_from_model(m, cp);
	if (!c) fail("no context");
	int32_t *tokens = malloc(sizeof *tokens * most);
	if (!tokens) fail("no memory");
	for (int i = 0; i < most; i++) tokens[i] = 3 + (int)((long)i * 7919 % (vocab - 3));
	tokens[0] = 1;
	prefill(c, tokens, prompt); // compiles the kernels
	decode(c, tokens, count);
	double p = prefill(c, tokens, prompt), d = decode(c, tokens, count);
	printf("prefill %.6g decode %.6g\n", p, d);
	llama_free(c);
	llama_model_free(m);
	return 0;
}
