"""The peers of `train_speed.py`, each a process in the peer's own Python.

    python benchmarks/train_peers.py trl|padded MODEL ROWS STEPS TYPE

ROWS is a JSON Lines file of documents, ``{"input_ids", "labels"}``. `trl` is SFTTrainer with packing (best fit, without
padding), its loss without full logits, and no gradient checkpointing; `padded` is FastChat's way: Hugging Face's
trainer with each row padded to 2048 tokens. Both hold float32 weights, as Chaku does, and compute in TYPE. Prints one
line of JSON: the seconds of each step.
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


def options(steps: int, dtype: str) -> dict[str, Any]:
    """What both trainers share: what Chaku does too, and nothing that costs time."""
    return {
        "output_dir": tempfile.mkdtemp(),
        "max_steps": steps,
        "per_device_train_batch_size": 1,
        "learning_rate": 1e-4,
        "optim": "adamw_torch_fused",
        "gradient_checkpointing": False,
        "use_cpu": True,
        "bf16": dtype == "bfloat16",
        "save_strategy": "no",
        "report_to": "none",
        "logging_strategy": "no",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }


def trl_trainer(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Dataset, settings: dict[str, Any], clock: Clock
) -> Trainer:
    """TRL at its best settings for a CPU; the labels say which tokens are the assistant's."""
    from trl import SFTConfig, SFTTrainer

    packed = SFTConfig(**settings, max_length=WINDOW, packing=True, packing_strategy="bfd")
    trainer: Trainer = SFTTrainer(
        model=model, args=packed, train_dataset=rows, processing_class=tokenizer, callbacks=[clock]
    )
    return trainer


def padded_trainer(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Dataset, settings: dict[str, Any], clock: Clock
) -> Trainer:
    """FastChat's `train.py`: every row padded to the longest length."""

    def collate(batch: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        [row] = batch
        missing = WINDOW - len(row["input_ids"])
        return {
            "input_ids": torch.tensor([row["input_ids"] + [tokenizer.pad_token_id] * missing]),
            "labels": torch.tensor([row["labels"] + [-100] * missing]),
            "attention_mask": torch.tensor([[1] * len(row["input_ids"]) + [0] * missing]),
        }

    padded = TrainingArguments(**settings, remove_unused_columns=False)
    return Trainer(model=model, args=padded, train_dataset=rows, data_collator=collate, callbacks=[clock])


def main() -> None:
    """Run one peer and print its figures."""
    kind, path, rows_file, steps, dtype = sys.argv[1:]
    rows = Dataset.from_list([json.loads(line) for line in Path(rows_file).read_text().splitlines()])
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="sdpa")
    tokenizer = AutoTokenizer.from_pretrained(path)
    make, clock = {"trl": trl_trainer, "padded": padded_trainer}[kind], Clock()
    make(model, tokenizer, rows, options(int(steps), dtype), clock).train()
    print(json.dumps(clock.seconds))


if __name__ == "__main__":
    main()
