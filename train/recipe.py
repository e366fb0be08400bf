"""A recipe: everything that decides a training run, as small frozen dataclasses that become the command's options."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from templates.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Model:
    """The base model.

    Args:
        path: Hugging Face directory of the base model (safetensors, tokenizer), or its name on the hub.
        activation_checkpointing: Recompute each layer in the backward pass: a third more time, far less memory.
        compute_dtype: Type of the matrix products and activations (master weights and gradients are float32 always);
            auto takes bfloat16 on CUDA, on CPUs with AMX and on AMD's from Zen 4 on, and float32 on others, where it is
            twice as fast; tf32 is float32 with the products rounded to 10 bits (CUDA).
        compile: Compile each layer with torch.compile (on a CPU by a C++ compiler): the first step takes up to a minute
            longer, the others less, with less memory.
        freeze: Regular expression; parameters with such a part in their names are not trained, for instance
            'embed_tokens|layers.[0-7].' (a dot is a dot, unless a quantifier follows it).
        neftune_alpha: Uniform noise on the embeddings while training, alpha / sqrt(tokens of the document x hidden
            size) wide (NEFTune, arXiv 2310.05914; 5 is usual); 0 adds none.
    """

    path: str
    activation_checkpointing: bool = False
    compute_dtype: Literal["auto", "bfloat16", "float32", "tf32"] = "auto"
    compile: bool = False
    freeze: str | None = None
    neftune_alpha: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Rope:
    """Longer documents than the base model was made for, by scaling its rotary positions.

    Args:
        type: Linear interpolation (Vicuna-16k: arXiv 2306.15595) or YaRN (arXiv 2309.00071); none leaves the base's.
        factor: How many times the base model's context, 4 for 16,384 tokens on Llama 2.
    """

    type: Literal["none", "linear", "yarn"] = "none"
    factor: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Lora:
    """Low-rank adapters (LoRA, arXiv 2106.09685) in place of the weights themselves; OUT is then an adapter.

    Args:
        rank: Rank of the adapters; 0 trains the model's own weights.
        alpha: The adapters' product is scaled by alpha / rank.
        dropout: Share of the adapters' inputs that are dropped while training.
        targets: Regular expression over the names of the linear layers that get an adapter; all-linear takes all
            but the head.
        base_in_4_bits: Hold the base model in 4 bits (NF4) through bitsandbytes (QLoRA, arXiv 2305.14314).
    """

    rank: int = 0
    alpha: float = 16.0
    dropout: float = 0.0
    targets: str = "all-linear"
    base_in_4_bits: bool = False


@dataclass(frozen=True, kw_only=True)
class Data:
    """The windows.

    Args:
        path: Directory that `chaku data prepare` wrote (train/, held_out/, manifest.json).
        seed: Seed of the order in which windows are seen; each epoch has its own order.
    """

    path: Path
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Batch:
    """How many windows make a step.

    Args:
        windows_per_step: Windows of one optimizer step, over all ranks and accumulated micro-batches.
        windows_per_micro_batch: Windows that one rank takes through the model at once; lower it to save memory.
    """

    windows_per_step: int = 128
    windows_per_micro_batch: int = 1


@dataclass(frozen=True, kw_only=True)
class Parallel:
    """How the ranks share the weights.

    Args:
        replicas: Hold so many whole copies of the weights, each shared by as many neighbouring ranks: the number of
            nodes, where the network between them is slow (hybrid sharding); 1 shares one copy over all ranks.
    """

    replicas: int = 1


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """AdamW.

    Args:
        type: In float32, or with its two averages in 8 bits (torchao): 2 bytes a parameter in place of 8.
        lr: Peak learning rate.
        betas: Decay rates of the two running averages.
        eps: Added to the denominator.
        weight_decay: Decoupled weight decay of the matrices; norms and biases are never decayed.
        max_grad_norm: Gradients are scaled down to this norm; 0 leaves them as they are.
    """

    type: Literal["adamw", "adamw_8bit"] = "adamw"
    lr: float = 2e-5
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long, and at what learning rate.

    Args:
        epochs: Passes over the training windows; the last step is filled up from the next pass.
        max_steps: Take this many steps, whatever the epochs; 0 writes the base model under the template.
        shape: Course of the learning rate after the warmup.
        warmup_ratio: Share of the steps in which the learning rate rises from 0 to its peak.
        warmup_steps: So many steps instead of that share.
    """

    epochs: float = 3.0
    max_steps: int | None = None
    shape: Literal["cosine", "linear", "constant"] = "cosine"
    warmup_ratio: float = 0.03
    warmup_steps: int | None = None


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Loss and token accuracy on the assistant's tokens of held-out windows, before the first step and at the end.

    Args:
        every: Also validate every so many steps; 0 does not.
        windows: Use at most so many held-out windows; 0 skips validation.
    """

    every: int = 100
    windows: int = 256


@dataclass(frozen=True, kw_only=True)
class Generation:
    """Replies to a few fixed prompts at each validation, to be read in the report: before, in between and after.

    Args:
        prompts: Text file with one prompt a line; three built-in ones where it is not given.
        max_tokens: End a reply after so many tokens; 0 generates nothing.
    """

    prompts: Path | None = None
    max_tokens: int = 64


@dataclass(frozen=True, kw_only=True)
class Tracking:
    """Where figures go besides metrics.jsonl and TensorBoard, which are always written.

    Args:
        service: Weights & Biases or trackio, each an extra package; both read their own environment variables.
        project: Project of the run there.
    """

    service: Literal["none", "wandb", "trackio"] = "none"
    project: str = "chaku"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a killed run resumes from.

    Args:
        every: Write a checkpoint every so many steps; 0 writes one on a notice to stop (SIGTERM, SIGUSR1) only.
        keep: Keep so many of the latest checkpoints.
        keep_best: Keep also the one with the lowest held-out loss, and write the model from it.
    """

    every: int = 100
    keep: int = 2
    keep_best: bool = False


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A training run.

    Args:
        model: The base model.
        data: The windows.
        rope: Longer documents than the base model was made for.
        lora: Adapters in place of the weights themselves.
        out: Directory for the trained model; checkpoints and metrics lie in OUT.run beside it.
        batch: How many windows make a step.
        parallel: How the ranks share the weights.
        optimizer: AdamW.
        schedule: How long, and at what learning rate.
        validation: Loss on held-out windows.
        generation: Replies to a few fixed prompts.
        tracking: Where figures go besides metrics.jsonl and TensorBoard.
        checkpoint: What a killed run resumes from.
        seed: Seed of whatever the model draws at random.
    """

    model: Model
    data: Data
    out: Path
    rope: Rope = field(default_factory=Rope)
    lora: Lora = field(default_factory=Lora)
    batch: Batch = field(default_factory=Batch)
    parallel: Parallel = field(default_factory=Parallel)
    optimizer: Optimizer = field(default_factory=Optimizer)
    schedule: Schedule = field(default_factory=Schedule)
    validation: Validation = field(default_factory=Validation)
    generation: Generation = field(default_factory=Generation)
    tracking: Tracking = field(default_factory=Tracking)
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    seed: int = 0

    @property
    def run_directory(self) -> Path:
        """Where the checkpoints, `metrics.jsonl` and TensorBoard's events lie: OUT.run, beside OUT."""
        return self.out.with_name(f"{self.out.name}.run")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as they stand in `chaku.json`."""
        values = asdict(self)
        values["out"], values["data"]["path"] = str(self.out), str(self.data.path)
        values["generation"]["prompts"] = self.generation.prompts and str(self.generation.prompts)
        return values


_AT_LEAST = {
    ("model", "neftune_alpha"): 0,
    ("rope", "factor"): 1,
    ("lora", "rank"): 0,
    ("lora", "alpha"): 0,
    ("lora", "dropout"): 0,
    ("batch", "windows_per_step"): 1,
    ("batch", "windows_per_micro_batch"): 1,
    ("parallel", "replicas"): 1,
    ("optimizer", "lr"): 0,
    ("optimizer", "weight_decay"): 0,
    ("optimizer", "max_grad_norm"): 0,
    ("schedule", "epochs"): 0,
    ("schedule", "max_steps"): 0,
    ("schedule", "warmup_ratio"): 0,
    ("schedule", "warmup_steps"): 0,
    ("validation", "every"): 0,
    ("validation", "windows"): 0,
    ("generation", "max_tokens"): 0,
    ("checkpoint", "every"): 0,
    ("checkpoint", "keep"): 1,
}


def check(recipe: Recipe, *, world_size: int) -> None:
    """Raise InputError for a value out of its range, by name, and for a step that the ranks cannot share."""
    values = recipe.as_dict()
    for (section, name), least in _AT_LEAST.items():
        value = values[section][name]
        if value is not None and value < least:
            raise InputError(f"--{section}.{name} is {value}; give at least {least}")
    if recipe.schedule.warmup_ratio > 1:
        raise InputError(f"--schedule.warmup_ratio is {recipe.schedule.warmup_ratio}; give a share from 0 to 1")
    if recipe.checkpoint.keep_best:
        _check_best(recipe)
    if recipe.lora.base_in_4_bits and not recipe.lora.rank:
        raise InputError("--lora.base_in_4_bits needs adapters to train; give --lora.rank 16, for instance")
    if recipe.lora.rank and recipe.model.freeze:
        raise InputError("--model.freeze does not go with --lora.rank, which freezes all but the adapters; choose one")
    if world_size % recipe.parallel.replicas:
        raise InputError(
            f"--parallel.replicas is {recipe.parallel.replicas}, into which {world_size} ranks cannot be divided evenly"
        )
    at_once = world_size * recipe.batch.windows_per_micro_batch
    if recipe.batch.windows_per_step % at_once:
        raise InputError(
            f"--batch.windows_per_step is {recipe.batch.windows_per_step}, which {world_size} ranks with "
            f"{recipe.batch.windows_per_micro_batch} windows each cannot share evenly; give a multiple of {at_once}"
        )


def _check_best(recipe: Recipe) -> None:
    """Raise InputError where checkpoints are written without a held-out loss of their own."""
    measured, saved = recipe.validation.every, recipe.checkpoint.every
    if not (measured and saved and recipe.validation.windows) or saved % measured:
        raise InputError(
            f"--checkpoint.keep_best compares held-out losses, measured every {measured} steps on "
            f"{recipe.validation.windows} windows, with checkpoints every {saved}; "
            "give --checkpoint.every a multiple of --validation.every"
        )
