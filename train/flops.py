"""Model FLOPs of a step, counted over what must be computed, and how many a device can do in a second."""

import time
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from train.data import MicroBatch
from train.gpus import reported_as
from train.model import decoder_layers

_SIDE = 2048


@dataclass(frozen=True)
class ModelWork:
    """FLOPs of forward and backward: for each token, each supervised one, and each squared document length.

    A product of n tokens with a weight of w numbers takes 2nw FLOPs forward, 2nw for the input's gradient and, where
    the weight is trained, 2nw for its own. Padding, other documents' tokens and recomputed layers count nothing.
    """

    per_token: float
    per_supervised_token: float
    per_squared_length: float

    def of(self, batch: MicroBatch) -> float:
        """The FLOPs of one micro-batch.

        Documents of 3 and 2 tokens with 2 supervised ones take 5 x per token + 2 x per supervised + 13 x per square.
        """
        squares = float(batch.cumulative_lengths.diff().double().square().sum())
        return (
            self.per_token * batch.input_ids.numel()
            + self.per_supervised_token * len(batch.targets)
            + self.per_squared_length * squares
        )


def work_of(model: PreTrainedModel) -> ModelWork:
    """What a model with these trained weights needs; it may lie on the meta device, or be sharded."""
    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    layers = decoder_layers(model)
    linear = [module for module in layers.modules() if isinstance(module, nn.Linear)]
    return ModelWork(
        per_token=sum(map(_product, linear)),
        per_supervised_token=_product(head),
        # scores and their sum over values are 4 per pair and channel forward, twice that backward; causal: half of it
        per_squared_length=6.0 * attention_width(model.config) * len(layers),
    )


def attention_width(config: PretrainedConfig) -> int:
    """Query heads times head size."""
    heads = int(config.num_attention_heads)
    return heads * int(getattr(config, "head_dim", None) or config.hidden_size // heads)


def _product(layer: nn.Linear) -> float:
    return (6.0 if layer.weight.requires_grad else 4.0) * layer.in_features * layer.out_features


def peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of a device: from the data sheet of a known GPU in bfloat16, else of a matrix product measured now."""
    if device.type == "cuda" and dtype == torch.bfloat16:
        gpu = reported_as(torch.cuda.get_device_name(device))
        if gpu:
            return gpu.tflops * 1e12
    return measured_flops(device, dtype)


@lru_cache
def measured_flops(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of a 2048-cubed matrix product, the best of a second: other work may take cores away."""
    a, b = (torch.ones(_SIDE, _SIDE, dtype=dtype, device=device) for _ in range(2))
    seconds: list[float] = []
    while len(seconds) < 4 or sum(seconds) < 1:
        started = time.perf_counter()
        (a @ b)[0, 0].item()
        seconds.append(time.perf_counter() - started)
    return float(2 * _SIDE**3 / min(seconds))
