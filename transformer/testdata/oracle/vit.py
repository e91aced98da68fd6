"""A tiny random ViT, computed in float64, as golden files.

usage: python3 vit.py OUT    (needs torch)

OUT/vit gets config.json and F32 model.safetensors in Hugging Face's layout, and golden.safetensors:
two images, the features of all tokens, and the gradient of the sum of features times weigh with
respect to every weight. The arithmetic is written out from the paper (Dosovitskiy et al. 2021) and
the meaning of the config's fields; it shares nothing with the Go code.
"""
import json
import math
import os
import sys

import torch
from oracle import save

WIDTH, FFN, HEADS, LAYERS, IMAGE, PATCH = 16, 32, 2, 2, 32, 8


def main(out):
    torch.set_default_dtype(torch.float64)
    g = torch.Generator().manual_seed(7)
    patches = (IMAGE // PATCH) ** 2
    weights = {}

    def draw(name, *shape, center=0.0, spread=0.3):
        t = center + spread * torch.randn(*shape, generator=g)
        weights[name] = t.float().double().requires_grad_()

    draw("embeddings.cls_token", 1, 1, WIDTH)
    draw("embeddings.position_embeddings", 1, 1 + patches, WIDTH)
    draw("embeddings.patch_embeddings.projection.weight", WIDTH, 3, PATCH, PATCH, spread=0.1)
    draw("embeddings.patch_embeddings.projection.bias", WIDTH)
    for i in range(LAYERS):
        p = f"encoder.layer.{i}."
        for name, rows, columns in [("attention.attention.query", WIDTH, WIDTH), ("attention.attention.key", WIDTH, WIDTH),
                                    ("attention.attention.value", WIDTH, WIDTH), ("attention.output.dense", WIDTH, WIDTH),
                                    ("intermediate.dense", FFN, WIDTH), ("output.dense", WIDTH, FFN)]:
            draw(p + name + ".weight", rows, columns)
            draw(p + name + ".bias", rows)
        for name in ["layernorm_before", "layernorm_after"]:
            draw(p + name + ".weight", WIDTH, center=1.0)
            draw(p + name + ".bias", WIDTH)
    draw("layernorm.weight", WIDTH, center=1.0)
    draw("layernorm.bias", WIDTH)

    pixels = torch.rand(2, 3, IMAGE, IMAGE, generator=g).float().double()
    weigh = torch.randn(2, 1 + patches, WIDTH, generator=g).float().double()

    def norm(x, name):
        mean = x.mean(-1, keepdim=True)
        variance = ((x - mean) ** 2).mean(-1, keepdim=True)
        return (x - mean) / torch.sqrt(variance + 1e-12) * weights[name + ".weight"] + weights[name + ".bias"]

    def dense(x, name):
        return x @ weights[name + ".weight"].T + weights[name + ".bias"]

    n = IMAGE // PATCH
    squares = pixels.reshape(2, 3, n, PATCH, n, PATCH).permute(0, 2, 4, 1, 3, 5).reshape(2, patches, -1)
    kernel = weights["embeddings.patch_embeddings.projection.weight"].reshape(WIDTH, -1)
    x = squares @ kernel.T + weights["embeddings.patch_embeddings.projection.bias"]
    x = torch.cat([weights["embeddings.cls_token"].expand(2, 1, WIDTH), x], 1) + weights["embeddings.position_embeddings"]
    for i in range(LAYERS):
        p = f"encoder.layer.{i}."
        h = norm(x, p + "layernorm_before")
        q, k, v = (dense(h, p + "attention.attention." + name).reshape(2, 1 + patches, HEADS, -1).transpose(1, 2)
                   for name in ["query", "key", "value"])
        a = torch.softmax(q @ k.transpose(2, 3) / math.sqrt(WIDTH // HEADS), -1) @ v
        x = x + dense(a.transpose(1, 2).reshape(2, 1 + patches, WIDTH), p + "attention.output.dense")
        h = dense(norm(x, p + "layernorm_after"), p + "intermediate.dense")
        h = 0.5 * h * (1 + torch.erf(h / math.sqrt(2)))
        x = x + dense(h, p + "output.dense")
    features = norm(x, "layernorm")
    (features * weigh).sum().backward()

    dir = os.path.join(out, "vit")
    os.makedirs(dir, exist_ok=True)
    with open(os.path.join(dir, "config.json"), "w") as f:
        json.dump({"architectures": ["ViTModel"], "model_type": "vit", "hidden_act": "gelu", "hidden_size": WIDTH, "intermediate_size": FFN,
                   "num_attention_heads": HEADS, "num_hidden_layers": LAYERS, "image_size": IMAGE, "patch_size": PATCH, "num_channels": 3,
                   "layer_norm_eps": 1e-12, "qkv_bias": True}, f, indent=1)
        f.write("\n")
    pooler = {"pooler.dense.weight": torch.zeros(WIDTH, WIDTH), "pooler.dense.bias": torch.zeros(WIDTH)}
    save(os.path.join(dir, "model.safetensors"), {**{name: t.detach() for name, t in weights.items()}, **pooler})
    golden = {"pixels": pixels, "weigh": weigh, "features": features.detach()}
    golden.update({"gradient." + name: t.grad for name, t in weights.items()})
    save(os.path.join(dir, "golden.safetensors"), golden)


if __name__ == "__main__":
    main(sys.argv[1])
