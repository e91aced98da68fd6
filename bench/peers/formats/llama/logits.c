// llama.cpp's logits, for formats: all positions of some tokens, as float32 to stdout.
//
//	logits MODEL ADAPTER|- IDS        IDS such as 1,5,9
//
// Weights are used as they lie in the file, the key/value cache is float32 and attention is
// the plain one: what is left is how llama.cpp multiplies.
#include "llama.h"
#include "ggml-backend.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void errors_only(enum ggml_log_level level, const char *text, void *user) {
    (void)user;
    if (level == GGML_LOG_LEVEL_ERROR) fputs(text, stderr);
}

static int fail(const char *what, const char *path) {
    fprintf(stderr, "llama.cpp: %s %s\n", what, path);
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 4) return fail("usage: logits MODEL ADAPTER|- IDS", "");
    static llama_token ids[4096];
    int n = 0;
    for (char *word = strtok(argv[3], ","); word && n < 4096; word = strtok(NULL, ",")) ids[n++] = atoi(word);

    llama_log_set(errors_only, NULL);
    ggml_backend_load_all_from_path(BACKENDS);
    llama_backend_init();
    struct llama_model_params mp = llama_model_default_params();
    mp.n_gpu_layers = 0;
    mp.use_extra_bufts = false;
    struct llama_model *model = llama_model_load_from_file(argv[1], mp);
    if (!model) return fail("cannot load", argv[1]);

    struct llama_context_params cp = llama_context_default_params();
    cp.n_ctx = cp.n_batch = cp.n_ubatch = (n + 63) / 64 * 64;
    cp.n_threads = cp.n_threads_batch = 1;
    cp.type_k = cp.type_v = GGML_TYPE_F32;
    cp.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    struct llama_context *context = llama_init_from_model(model, cp);
    if (!context) return fail("no context for", argv[1]);
    if (strcmp(argv[2], "-") != 0) {
        struct llama_adapter_lora *adapter = llama_adapter_lora_init(model, argv[2]);
        float scale = 1;
        if (!adapter || llama_set_adapters_lora(context, &adapter, 1, &scale) != 0) return fail("cannot attach", argv[2]);
    }

    struct llama_batch batch = llama_batch_init(n, 0, 1);
    batch.n_tokens = n;
    for (int i = 0; i < n; i++) {
        batch.token[i] = ids[i];
        batch.pos[i] = i;
        batch.n_seq_id[i] = 1;
        batch.seq_id[i][0] = 0;
        batch.logits[i] = 1;
    }
    if (llama_decode(context, batch) != 0) return fail("cannot compute", argv[1]);
    int vocab = llama_vocab_n_tokens(llama_model_get_vocab(model));
    for (int i = 0; i < n; i++) fwrite(llama_get_logits_ith(context, i), sizeof(float), vocab, stdout);
    return 0;
}
