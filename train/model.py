"""The base model as the trainer holds it: float32 master weights, packed attention, loss inside its forward pass."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, Cache, PretrainedConfig, PreTrainedModel

from templates.errors import InputError
from train.attention import choose_kernel, register
from train.data import MicroBatch
from train.freeze import freeze
from train.loss import TokenScores, token_loss, token_scores
from train.recipe import Model, Recipe
from train.rope import scaled


def compute_dtype(recipe: Model, device: torch.device) -> torch.dtype:
    """The type that the recipe asks for, or the faster one on this machine."""
    if recipe.compute_dtype == "auto":
        is_fast = device.type == "cuda" or _multiplies_bfloat16_fast(torch.cpu.get_capabilities())
        return torch.bfloat16 if is_fast else torch.float32
    if recipe.compute_dtype == "tf32" and device.type != "cuda":
        raise InputError("--model.compute_dtype tf32 is a type of CUDA GPUs; give auto, float32 or bfloat16")
    return torch.bfloat16 if recipe.compute_dtype == "bfloat16" else torch.float32


def _multiplies_bfloat16_fast(cpu: Mapping[str, object]) -> bool:
    """Whether a CPU has units for products in bfloat16: AMX, or on AMD's (Zen 4 and later) AVX512-BF16.

    Measured on two cores without AMX, both with AVX512-BF16: an EPYC of AMD's multiplies at 415 GFLOP/s in bfloat16 and
    at 165 in float32, a Xeon at 183 and at 351.
    """
    is_amd = str(cpu.get("cpu_name", "")).startswith("AMD")
    return bool(cpu.get("amx_bf16") or (is_amd and cpu.get("avx512_bf16")))


class Trainee(nn.Module):
    """A causal language model whose forward pass ends in the summed loss of a micro-batch.

    The head is applied in here, at supervised positions only, so that FSDP gathers and frees its weight with the rest.
    """

    def __init__(self, model: PreTrainedModel, *, neftune_alpha: float = 0.0) -> None:
        super().__init__()
        self.model = model
        self._neftune_alpha = neftune_alpha

    def forward(self, batch: MicroBatch) -> Tensor | TokenScores:
        """The summed loss while training; summed loss and right guesses in evaluation mode."""
        hidden = self.hidden_states(batch)[0, batch.positions]
        head = self.model.lm_head.weight
        return token_loss(hidden, head, batch.targets) if self.training else token_scores(hidden, head, batch.targets)

    def hidden_states(self, batch: MicroBatch) -> Tensor:
        """The last hidden states [1, T, hidden size]; documents do not see one another."""
        embeddings = self.model.get_input_embeddings()(batch.input_ids)
        if self.training and self._neftune_alpha:
            embeddings = embeddings + _noise(embeddings, batch, alpha=self._neftune_alpha)
        states: Tensor = self.model.base_model(
            inputs_embeds=embeddings,
            position_ids=batch.position_ids,
            cu_seq_lens_q=batch.cumulative_lengths,
            cu_seq_lens_k=batch.cumulative_lengths,
            max_length_q=batch.longest,
            max_length_k=batch.longest,
            use_cache=False,
        ).last_hidden_state
        return states

    def next_logits(self, input_ids: Tensor, cache: Cache) -> Tensor:
        """Logits [1, vocabulary] of the token after `input_ids` [1, T], which go on from what the cache holds."""
        output = self.model(input_ids=input_ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        logits: Tensor = output.logits[:, -1]
        return logits


def _noise(embeddings: Tensor, batch: MicroBatch, *, alpha: float) -> Tensor:
    """Uniform noise [1, T, hidden size], within alpha / sqrt(L x hidden size) in a document of L tokens.

    L counts the document's own tokens: the reference implementation counts its padding, and a packed window would
    give one document less noise for the others beside it.
    """
    lengths = batch.cumulative_lengths.diff()
    widths = alpha / (lengths * embeddings.shape[-1]).sqrt()
    noise = torch.empty_like(embeddings).uniform_(-1, 1) * widths.repeat_interleave(lengths)[None, :, None]
    return noise.to(embeddings.dtype)


def read_config(path: str) -> PretrainedConfig:
    """The base model's config. Raises InputError where it is missing, or its weights are not safetensors."""
    directory = Path(path)
    if directory.is_dir() and not list(directory.glob("*.safetensors")):
        found = ", ".join(sorted(file.name for file in directory.iterdir())[:6]) or "nothing"
        raise InputError(f"{path}: has no *.safetensors (found {found}); save it with `save_pretrained` once more")
    try:
        config: PretrainedConfig = AutoConfig.from_pretrained(path, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a model that transformers knows ({_first_line(error)})") from error
    return config


def load(recipe: Recipe, device: torch.device, *, stop_ids: list[int]) -> tuple[Trainee, str]:
    """The base model on the CPU, ready to be sharded, and a line that says which attention it uses.

    Weights are held in float32; under adapters, which alone are then trained, in the compute type or in 4 bits, and
    `stop_ids` must be tokens that the base model knows.
    """
    section, dtype = recipe.model, compute_dtype(recipe.model, device)
    kernel, line = choose_kernel(device, dtype)
    if section.compute_dtype == "tf32":
        torch.backends.cuda.matmul.fp32_precision = "tf32"
    model = _weights(recipe, dtype, attention=register(kernel), device=device)
    if recipe.lora.rank:
        from train.lora import add_adapters, refuse_untrained_stop

        refuse_untrained_stop(model, stop_ids)
        add_adapters(model, recipe.lora)
    if section.freeze is not None:
        freeze(model, section.freeze)
    if section.activation_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if section.compile:
        _refuse_without_compiler(device)
        for layer in decoder_layers(model):
            layer.compile()
    return Trainee(model, neftune_alpha=section.neftune_alpha).train(), line


def _refuse_without_compiler(device: torch.device) -> None:
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        if device.type == "cpu":
            get_cpp_compiler()
    except InvalidCxxCompiler as error:
        raise InputError(
            "--model.compile true needs a C++ compiler on a CPU, and none was found; install g++, name one in the "
            "variable CXX, or leave the option out"
        ) from error


def _weights(recipe: Recipe, dtype: torch.dtype, *, attention: str, device: torch.device) -> PreTrainedModel:
    """The base model as transformers loads it. Raises InputError where it cannot."""
    path, quantized = recipe.model.path, None
    if recipe.lora.base_in_4_bits:
        from train.lora import in_4_bits

        quantized = in_4_bits(dtype)
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            path,
            config=scaled(read_config(path), recipe.rope),
            dtype=dtype if recipe.lora.rank else torch.float32,
            attn_implementation=attention,
            quantization_config=quantized,
            device_map={"": device} if quantized else None,
            use_safetensors=True,
            trust_remote_code=False,
        )
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be loaded ({_first_line(error)})") from error
    return model


def decoder_layers(model: PreTrainedModel) -> nn.ModuleList:
    """The repeated blocks, which are sharded and gathered one by one."""
    layers = getattr(model.base_model, "layers", None)
    if not isinstance(layers, nn.ModuleList):
        raise InputError(f"{model.config.model_type} models keep their layers elsewhere; take a Llama-like model")
    return layers


def saved_dtype(config: PretrainedConfig) -> torch.dtype:
    """The type the base model's weights are stored in; the trained ones are written in the same."""
    dtype: Any = config.dtype
    return dtype if isinstance(dtype, torch.dtype) else torch.float32


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
