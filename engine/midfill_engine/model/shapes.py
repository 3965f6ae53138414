"""Which tensors a checkpoint of a model holds, by their names on the Hub, and what they add up to.

Called by whatever reads or counts weights.
"""

from __future__ import annotations

import math

from midfill_engine.errors import ModelError
from midfill_engine.model.checkpoint import Named
from midfill_engine.model.spec import ModelSpec


def expected_shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """Returns name and shape of every tensor that a checkpoint of `spec` holds."""
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (spec.vocab_size, spec.hidden_size),
        "model.norm.weight": (spec.hidden_size,),
    }
    if not spec.tied_embeddings:
        shapes["lm_head.weight"] = (spec.vocab_size, spec.hidden_size)
    for idx in range(spec.num_layers):
        layer = f"model.layers.{idx}."
        shapes[layer + "input_layernorm.weight"] = (spec.hidden_size,)
        shapes[layer + "post_attention_layernorm.weight"] = (spec.hidden_size,)
        for name, (rows, columns, bias) in _matrices(spec).items():
            shapes[f"{layer}{name}.weight"] = (rows, columns)
            if bias:
                shapes[f"{layer}{name}.bias"] = (rows,)
    return shapes


def num_parameters(spec: ModelSpec) -> int:
    """Returns the number of weights, tied ones counted once."""
    return sum(math.prod(shape) for shape in expected_shapes(spec).values())


def slot_bytes(spec: ModelSpec, max_len: int, item_bytes: int) -> int:
    """Returns the bytes of one sequence's keys and values at `max_len` positions."""
    per_position = 2 * spec.num_layers * spec.num_kv_heads * spec.head_dim
    return per_position * max_len * item_bytes


def _matrices(spec: ModelSpec) -> dict[str, tuple[int, int, bool]]:
    """Returns for each matrix of a layer its rows (out), columns (in) and if it has a bias."""
    hidden, inner = spec.hidden_size, spec.intermediate_size
    query, key = spec.num_heads * spec.head_dim, spec.num_kv_heads * spec.head_dim
    matrices = {
        "self_attn.q_proj": (query, hidden, spec.qkv_bias),
        "self_attn.k_proj": (key, hidden, spec.qkv_bias),
        "self_attn.v_proj": (key, hidden, spec.qkv_bias),
        "self_attn.o_proj": (hidden, query, spec.out_bias),
    }
    if spec.num_experts is None:
        matrices["mlp.gate_proj"] = (inner, hidden, spec.mlp_bias)
        matrices["mlp.up_proj"] = (inner, hidden, spec.mlp_bias)
        matrices["mlp.down_proj"] = (hidden, inner, spec.mlp_bias)
        return matrices
    matrices["block_sparse_moe.gate"] = (spec.num_experts, hidden, False)
    for idx in range(spec.num_experts):
        expert = f"block_sparse_moe.experts.{idx}."
        matrices[expert + "w1"] = (inner, hidden, False)
        matrices[expert + "w3"] = (inner, hidden, False)
        matrices[expert + "w2"] = (hidden, inner, False)
    return matrices


def check_shapes(spec: ModelSpec, checkpoint: Named) -> None:
    """Checks that the checkpoint holds exactly what `spec` needs.

    Raises:
        ModelError: a tensor is missing, superfluous or of another shape.
    """
    expected, found = expected_shapes(spec), checkpoint.shapes
    remedy = "config.json and weights do not belong together; fetch the model again"
    for name, shape in expected.items():
        if name not in found:
            raise ModelError(f"{checkpoint.origin} lacks the tensor {name}; {remedy}")
        if found[name] != shape:
            raise ModelError(
                f"{checkpoint.origin}: {name} has the shape {list(found[name])}, "
                f"config.json says {list(shape)}; {remedy}"
            )
    extra = sorted(name for name in found if name not in expected and not _ignorable(name, spec))
    if extra:
        more = f" and {len(extra) - 1} more" if len(extra) > 1 else ""
        raise ModelError(f"{checkpoint.origin} holds the unknown tensor {extra[0]}{more}; {remedy}")


def _ignorable(name: str, spec: ModelSpec) -> bool:
    """Old checkpoints carry the rotary frequencies, some tied ones a copy of the embedding."""
    return name.endswith("rotary_emb.inv_freq") or (
        spec.tied_embeddings and name == "lm_head.weight"
    )
