"""The peers of `train_speed.py`, each a process in the peer's own Python.

    python benchmarks/train_peers.py trl|padded MODEL ROWS STEPS DTYPE

ROWS is a JSON Lines file of documents, ``{"input_ids", "labels"}``. `trl` is SFTTrainer with packing (best fit, without
padding), its loss without full logits, and no gradient checkpointing; `padded` is FastChat's way: Hugging Face's
trainer with each row padded to 2048 tokens. Prints one line of JSON: what each step took and held.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

WINDOW = 2048


class Clock(TrainerCallback):
    """The seconds of each step."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_step_begin(self, *_: object, **__: object) -> None:  # noqa: D102
        self._started = time.perf_counter()

    def on_step_end(self, *_: object, **__: object) -> None:  # noqa: D102
        self.seconds.append(time.perf_counter() - self._started)


def counted(trainer_class: type[Trainer], steps: list[dict[str, int]]) -> type[Trainer]:
    """The trainer, noting the tokens of each step."""

    class Counting(trainer_class):  # type: ignore[valid-type, misc]
        def compute_loss(self, model: object, inputs: dict[str, Any], *args: object, **kwargs: object) -> object:
            labels, mask = inputs["labels"], inputs.get("attention_mask")
            tokens = int(mask.sum()) if mask is not None else inputs["input_ids"].numel()
            steps.append({"tokens": tokens, "supervised_tokens": int((labels[..., 1:] != -100).sum())})
            return super().compute_loss(model, inputs, *args, **kwargs)

    return Counting


def options(steps: int) -> dict[str, Any]:
    """What both trainers share: what Chaku does too, and nothing that costs time."""
    return {
        "output_dir": tempfile.mkdtemp(),
        "max_steps": steps,
        "per_device_train_batch_size": 1,
        "learning_rate": 1e-4,
        "optim": "adamw_torch_fused",
        "gradient_checkpointing": False,
        "use_cpu": True,
        "bf16": False,
        "save_strategy": "no",
        "report_to": "none",
        "logging_strategy": "no",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }


def run_trl(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Dataset, steps: int
) -> tuple[Clock, list[dict[str, int]]]:
    """TRL at its best settings for a CPU."""
    from trl import SFTConfig, SFTTrainer

    clock, counts = Clock(), []
    settings = SFTConfig(**options(steps), max_length=WINDOW, packing=True, packing_strategy="bfd")
    trainer = counted(SFTTrainer, counts)(
        model=model, args=settings, train_dataset=rows, processing_class=tokenizer, callbacks=[clock]
    )
    trainer.train()
    return clock, counts


def run_padded(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Dataset, steps: int
) -> tuple[Clock, list[dict[str, int]]]:
    """FastChat's `train.py`: every row padded to the longest length."""
    filler = tokenizer.pad_token_id

    def collate(batch: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        [row] = batch
        missing = WINDOW - len(row["input_ids"])
        return {
            "input_ids": torch.tensor([row["input_ids"] + [filler] * missing]),
            "labels": torch.tensor([row["labels"] + [-100] * missing]),
            "attention_mask": torch.tensor([[1] * len(row["input_ids"]) + [0] * missing]),
        }

    clock, counts = Clock(), []
    settings = TrainingArguments(**options(steps), remove_unused_columns=False)
    trainer = counted(Trainer, counts)(
        model=model, args=settings, train_dataset=rows, data_collator=collate, callbacks=[clock]
    )
    trainer.train()
    return clock, counts


def main() -> None:
    """Run one peer and print its figures."""
    kind, path, rows_file, steps, dtype = sys.argv[1:]
    rows = Dataset.from_list([json.loads(line) for line in Path(rows_file).read_text().splitlines()])
    model = AutoModelForCausalLM.from_pretrained(path, dtype=getattr(torch, dtype), attn_implementation="sdpa")
    tokenizer = AutoTokenizer.from_pretrained(path)
    run = {"trl": run_trl, "padded": run_padded}[kind]
    clock, counts = run(model, tokenizer, rows, int(steps))
    print(json.dumps([{"seconds": seconds, **count} for seconds, count in zip(clock.seconds, counts, strict=False)]))


if __name__ == "__main__":
    main()
