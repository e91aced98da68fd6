// ggml's conversions, for quantize: the files hold float32 numbers or blocks.
//
//	ggml quantize TYPE IN OUT      TYPE is ggml's number; no importance matrix
//	ggml dequantize TYPE IN OUT
#include "ggml.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    enum ggml_type type = atoi(argv[2]);
    const struct ggml_type_traits *traits = ggml_get_type_traits(type);
    FILE *in = fopen(argv[3], "rb"), *out = fopen(argv[4], "wb");
    if (!in || !out) return 1;
    fseek(in, 0, SEEK_END);
    long bytes = ftell(in);
    rewind(in);
    char *data = malloc(bytes);
    if (fread(data, 1, bytes, in) != (size_t)bytes) return 1;
    if (!strcmp(argv[1], "quantize")) {
        long n = bytes / sizeof(float), size = ggml_row_size(type, n);
        char *blocks = malloc(size);
        ggml_quantize_chunk(type, (float *)data, blocks, 0, 1, n, NULL);
        fwrite(blocks, 1, size, out);
    } else {
        long n = bytes / traits->type_size * traits->blck_size;
        float *values = malloc(n * sizeof(float));
        traits->to_float(data, values, n);
        fwrite(values, sizeof(float), n, out);
    }
    return fclose(out) != 0;
}
