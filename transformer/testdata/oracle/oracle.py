"""Tiny random models of the families, computed in float64, as golden files.

usage: python3 oracle.py OUT    (needs torch)

Each model is a folder in Hugging Face's layout (config.json and F32
model.safetensors) and golden.json: token ids, and for every position the final
features and the logits. The arithmetic is written out from the papers and from
the meaning of the config's fields; it shares nothing with the Go code.
"""
import json
import math
import os
import struct
import sys

import torch

torch.set_default_dtype(torch.float64)


def save(path, tensors):
    """Writes a dict of tensors as F32 in the safetensors format."""
    head, at, body = {}, 0, b""
    for name, t in tensors.items():
        raw = t.float().contiguous().numpy().tobytes()
        head[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [at, at + len(raw)]}
        at += len(raw)
        body += raw
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + body)


class Weights:
    """Draws a tensor when it is first asked for, and keeps it by its name."""

    def __init__(self, seed):
        self.g = torch.Generator().manual_seed(seed)
        self.tensors = {}

    def __call__(self, name, *shape):
        if name not in self.tensors:
            t = torch.randn(*shape, generator=self.g)
            if name.endswith(".bias"):
                t = 0.3 * t
            elif len(shape) == 1:
                t = 1 + 0.1 * t
            else:
                t = t * (0.7 if "embed" in name else 1.2 / math.sqrt(shape[1]))
            self.tensors[name] = t.float().double()  # what the file will hold
        return self.tensors[name]

    def linear(self, name, x, out, bias=False):
        y = x @ self(name + ".weight", out, x.shape[-1]).T
        return y + self(name + ".bias", out) if bias else y

    def layer_norm(self, name, x, eps):
        mean = x.mean(-1, keepdim=True)
        var = ((x - mean) ** 2).mean(-1, keepdim=True)
        n = x.shape[-1]
        return (x - mean) / torch.sqrt(var + eps) * self(name + ".weight", n) + self(name + ".bias", n)

    def rms_norm(self, name, x, eps):
        return x / torch.sqrt((x * x).mean(-1, keepdim=True) + eps) * self(name + ".weight", x.shape[-1])


def attention(q, k, v, window):
    """q [seq, heads, hd], k and v [seq, kv heads, hd]; causal, looking back window tokens."""
    seq, heads, hd = q.shape
    k = k.repeat_interleave(heads // k.shape[1], 1)
    v = v.repeat_interleave(heads // v.shape[1], 1)
    scores = torch.einsum("qhd,khd->hqk", q, k) / math.sqrt(hd)
    for i in range(seq):
        for j in range(seq):
            if j > i or (window and i - j >= window):
                scores[:, i, j] = -math.inf
    return torch.einsum("hqk,khd->qhd", scores.softmax(-1), v).reshape(seq, heads * hd)


def frequencies(config, hd):
    base = config.get("rope_theta", 10000.0)
    freq = [base ** (-2 * j / hd) for j in range(hd // 2)]
    scaling, gain = config.get("rope_scaling"), 1.0
    if scaling is None:
        return freq, gain
    kind, factor = scaling.get("rope_type", scaling.get("type")), scaling["factor"]
    if kind == "linear":
        return [f / factor for f in freq], gain
    if kind == "yarn":  # Peng et al. 2023
        length = scaling["original_max_position_embeddings"]

        def dimension(turns):  # at which that many turns are made in length
            return hd * math.log(length / (turns * 2 * math.pi)) / (2 * math.log(base))

        low = max(math.floor(dimension(scaling.get("beta_fast", 32))), 0)
        high = min(math.ceil(dimension(scaling.get("beta_slow", 1))), hd - 1)
        if low == high:
            high += 0.001
        out = []
        for j, f in enumerate(freq):
            keep = 1 - min(max((j - low) / (high - low), 0), 1)
            out.append(f / factor * (1 - keep) + f * keep)
        return out, scaling.get("attention_factor") or 0.1 * math.log(factor) + 1
    assert kind == "llama3"
    out = []
    for f in freq:
        wavelength = 2 * math.pi / f
        length, low, high = scaling["original_max_position_embeddings"], scaling["low_freq_factor"], scaling["high_freq_factor"]
        if wavelength < length / high:
            out.append(f)
        elif wavelength > length / low:
            out.append(f / factor)
        else:
            smooth = (length / wavelength - low) / (high - low)
            out.append((1 - smooth) * f / factor + smooth * f)
    return out, gain


def rotate(x, freq, gain):
    """Turns elements j and j + hd/2 of [seq, heads, hd] by position * freq[j]."""
    half = x.shape[-1] // 2
    angle = torch.arange(x.shape[0])[:, None] * torch.tensor(freq)
    cos, sin = gain * angle.cos()[:, None, :], gain * angle.sin()[:, None, :]
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def llama(w, config, ids):
    heads, kv, width = config["num_attention_heads"], config["num_key_value_heads"], config["hidden_size"]
    hd = config.get("head_dim", width // heads)
    eps, ffn, vocab = config["rms_norm_eps"], config["intermediate_size"], config["vocab_size"]
    qwen = config["model_type"] == "qwen2"
    bias, mlp_bias = config.get("attention_bias", False), config.get("mlp_bias", False)
    window = config.get("sliding_window") if config["model_type"] == "mistral" else None
    freq, gain = frequencies(config, hd)
    embed = w("model.embed_tokens.weight", vocab, width)
    x = embed[ids]
    for i in range(config["num_hidden_layers"]):
        name = f"model.layers.{i}."
        h = w.rms_norm(name + "input_layernorm", x, eps)
        q = w.linear(name + "self_attn.q_proj", h, heads * hd, bias or qwen).reshape(-1, heads, hd)
        k = w.linear(name + "self_attn.k_proj", h, kv * hd, bias or qwen).reshape(-1, kv, hd)
        v = w.linear(name + "self_attn.v_proj", h, kv * hd, bias or qwen).reshape(-1, kv, hd)
        h = attention(rotate(q, freq, gain), rotate(k, freq, gain), v, window)
        x = x + w.linear(name + "self_attn.o_proj", h, width, bias)
        h = w.rms_norm(name + "post_attention_layernorm", x, eps)
        gate = w.linear(name + "mlp.gate_proj", h, ffn, mlp_bias)
        h = gate / (1 + (-gate).exp()) * w.linear(name + "mlp.up_proj", h, ffn, mlp_bias)
        x = x + w.linear(name + "mlp.down_proj", h, width, mlp_bias)
    x = w.rms_norm("model.norm", x, eps)
    return x, x @ (embed if config.get("tie_word_embeddings") else w("lm_head.weight", vocab, width)).T


def opt(w, config, ids):
    heads, width, ffn, vocab = config["num_attention_heads"], config["hidden_size"], config["ffn_dim"], config["vocab_size"]
    hd, vector, eps = width // heads, config["word_embed_proj_dim"], 1e-5
    before = config["do_layer_norm_before"]
    embed = w("model.decoder.embed_tokens.weight", vocab, vector)
    x = embed[ids]
    if vector != width:
        x = w.linear("model.decoder.project_in", x, width)
    x = x + w("model.decoder.embed_positions.weight", config["max_position_embeddings"] + 2, width)[2:][: len(ids)]
    for i in range(config["num_hidden_layers"]):
        name = f"model.decoder.layers.{i}."

        def norm(part, x, here):
            return w.layer_norm(name + part, x, eps) if here else x

        h = norm("self_attn_layer_norm", x, before)
        q, k, v = (w.linear(name + f"self_attn.{p}_proj", h, width, True).reshape(-1, heads, hd) for p in "qkv")
        x = x + w.linear(name + "self_attn.out_proj", attention(q, k, v, None), width, True)
        x = norm("self_attn_layer_norm", x, not before)
        h = norm("final_layer_norm", x, before)
        h = w.linear(name + "fc1", h, ffn, True).clamp(min=0)
        x = x + w.linear(name + "fc2", h, width, True)
        x = norm("final_layer_norm", x, not before)
    if before:
        x = w.layer_norm("model.decoder.final_layer_norm", x, eps)
    if vector != width:
        x = w.linear("model.decoder.project_out", x, vector)
    return x, x @ embed.T


def gpt2(w, config, ids):
    heads, width, ffn, vocab = config["n_head"], config["n_embd"], config["n_inner"] or 4 * config["n_embd"], config["vocab_size"]
    hd, eps = width // heads, config["layer_norm_epsilon"]

    def conv1d(name, x, out):  # weights stand as [in, out]
        return x @ w(name + ".weight", x.shape[-1], out) + w(name + ".bias", out)

    embed = w("wte.weight", vocab, width)
    x = embed[ids] + w("wpe.weight", config["n_positions"], width)[: len(ids)]
    for i in range(config["n_layer"]):
        name = f"h.{i}."
        h = conv1d(name + "attn.c_attn", w.layer_norm(name + "ln_1", x, eps), 3 * width)
        q, k, v = (p.reshape(-1, heads, hd) for p in h.split(width, -1))
        x = x + conv1d(name + "attn.c_proj", attention(q, k, v, None), width)
        h = conv1d(name + "mlp.c_fc", w.layer_norm(name + "ln_2", x, eps), ffn)
        h = 0.5 * h * (1 + torch.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3)))
        x = x + conv1d(name + "mlp.c_proj", h, width)
        w.tensors[name + "attn.bias"] = torch.ones(1, 1, 4, 4).tril()  # masks of old checkpoints
        w.tensors[name + "attn.masked_bias"] = torch.tensor(-10000.0)
    x = w.layer_norm("ln_f", x, eps)
    return x, x @ embed.T


def llama_config(kind, cls, **more):
    return {
        "architectures": [cls], "model_type": kind, "hidden_act": "silu", "hidden_size": 16, "intermediate_size": 32,
        "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 48,
        "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 500.0, "tie_word_embeddings": False,
        "torch_dtype": "float32", **more,
    }


def opt_config(**more):
    return {
        "architectures": ["OPTForCausalLM"], "model_type": "opt", "activation_function": "relu", "hidden_size": 16, "ffn_dim": 32,
        "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 48, "max_position_embeddings": 40,
        "do_layer_norm_before": True, "word_embed_proj_dim": 16, "tie_word_embeddings": True, "torch_dtype": "float32", **more,
    }


GPT2 = {
    "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "activation_function": "gelu_new", "n_embd": 16, "n_inner": None,
    "n_layer": 2, "n_head": 2, "n_positions": 40, "vocab_size": 48, "layer_norm_epsilon": 1e-5, "torch_dtype": "float32",
}


def llava(w, config, ids):
    """The language part; every tensor gets its place in the whole, and some that see stand beside them."""
    y = llama(w, {**llama_config("llama", ""), **config["text_config"]}, ids)
    w.tensors = {"language_model." + name: t for name, t in w.tensors.items()}
    w("vision_tower.vision_model.embeddings.class_embedding", 8)
    w("multi_modal_projector.linear_1.weight", 16, 8)
    w("multi_modal_projector.linear_1.bias", 16)
    return y


LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "beta_fast": 4.0, "beta_slow": 1.0}
MODELS = {
    "qwen2": (llama, llama_config("qwen2", "Qwen2ForCausalLM", tie_word_embeddings=True, use_sliding_window=False,
                                  sliding_window=4, max_window_layers=1)),
    "mistral": (llama, llama_config("mistral", "MistralForCausalLM", sliding_window=5, head_dim=12)),
    "llama3": (llama, llama_config("llama", "LlamaForCausalLM", rope_scaling=LLAMA3)),
    "linear": (llama, llama_config("llama", "LlamaForCausalLM", rope_scaling={"type": "linear", "factor": 4.0})),
    "yarn": (llama, llama_config("llama", "LlamaForCausalLM", rope_scaling=YARN)),
    "bias": (llama, llama_config("llama", "LlamaForCausalLM", attention_bias=True, mlp_bias=True)),
    "opt": (opt, opt_config()),
    "optpost": (opt, opt_config(do_layer_norm_before=False, word_embed_proj_dim=8)),
    "llava": (llava, {
        "architectures": ["LlavaForConditionalGeneration"], "model_type": "llava", "torch_dtype": "float32",
        "text_config": {k: v for k, v in llama_config("llama", "LlamaForCausalLM").items() if k != "tie_word_embeddings"},
        "vision_config": {"model_type": "clip_vision_model", "hidden_size": 8},
    }),
    "gpt2": (gpt2, GPT2),
}


def main(out):
    for seed, (name, (forward, config)) in enumerate(MODELS.items()):
        w = Weights(seed)
        ids = torch.randint(0, 48, (24,), generator=w.g).tolist()
        features, logits = forward(w, config, ids)
        folder = os.path.join(out, name)
        os.makedirs(folder, exist_ok=True)
        save(os.path.join(folder, "model.safetensors"), w.tensors)
        with open(os.path.join(folder, "config.json"), "w") as f:
            json.dump(config, f, indent=1)
            f.write("\n")
        with open(os.path.join(folder, "golden.json"), "w") as f:
            rows = lambda t: [[round(x, 7) for x in row] for row in t.tolist()]
            json.dump({"ids": ids, "features": rows(features), "logits": rows(logits)}, f, separators=(",", ":"))
            f.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
