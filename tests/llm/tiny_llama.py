"""A real language model server for tests: llama.cpp, with a model of half a megabyte whose weights are random.

    python tests/llm/tiny_llama.py FOLDER      writes the model there, serves it, prints the address, ends with stdin

A token is a byte, so that text cut anywhere is read again as the tokens that it was made of; at temperature 0 a model
that is shown its own beginning goes on exactly as it would have. What it says makes no sense, which does not matter.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

WIDTH, LAYERS, HEADS, INNER, CONTEXT = 64, 2, 4, 128, 4096
TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def characters() -> list[str]:
    """The character that stands for each byte in GPT-2's vocabulary."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in plain else chr(next(others)) for byte in range(256)]


def write_model(path: Path, seed: int = 7) -> None:
    """A llama of two layers; the same seed makes the same model."""
    import gguf
    import numpy as np

    chance = np.random.default_rng(seed)
    tokens = [*characters(), "<end>"]
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * 256 + [gguf.TokenType.CONTROL])
    # The format wants one; it never applies.
    writer.add_token_merges([f"{tokens[0]} {tokens[1]}"])
    writer.add_eos_token_id(256)
    writer.add_add_bos_token(value=False)
    writer.add_chat_template(TEMPLATE)

    def tensor(name: str, *shape: int, scale: float = 1.0) -> None:
        writer.add_tensor(name, (chance.standard_normal(shape) * scale).astype(np.float32))

    tensor("token_embd.weight", len(tokens), WIDTH)
    tensor("output.weight", len(tokens), WIDTH)
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    for layer in range(LAYERS):
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{norm}.weight", np.ones(WIDTH, np.float32))
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            tensor(f"blk.{layer}.{part}.weight", WIDTH, WIDTH, scale=0.3)
        tensor(f"blk.{layer}.ffn_gate.weight", INNER, WIDTH, scale=0.2)
        tensor(f"blk.{layer}.ffn_up.weight", INNER, WIDTH, scale=0.2)
        tensor(f"blk.{layer}.ffn_down.weight", WIDTH, INNER, scale=0.2)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def serve(folder: Path) -> Any:
    """The server, listening at a free port."""
    import xllamacpp

    said = xllamacpp.CommonParams()
    said.model.path = str(folder / "tiny.gguf")
    said.n_ctx, said.n_parallel, said.port, said.warmup = CONTEXT, 1, 0, False
    said.cpuparams.n_threads = 1
    return xllamacpp.Server(said)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    write_model(place / "tiny.gguf")
    server = serve(place)
    print(server.listening_address, flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        sys.stdin.read()
