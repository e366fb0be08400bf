"""`chaku train`: a recipe handed to the training run, to its rehearsal or to its plan; `merge` and `grow`."""

import logging
import os
import sys

from templates.errors import InputError
from train import commands
from train.arguments import parse


def main(argv: list[str]) -> int:
    """Train by a recipe, or merge or grow a model. Returns 0 when it is written, or SIGTERM left a checkpoint."""
    # where it is installed, PEFT imports it, and it asks for a package that only speeds up 4-bit inference on CPUs
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    if argv[:1] in (["merge"], ["grow"]):
        return {"merge": commands.merge, "grow": commands.grow}[argv[0]](argv[1:])
    if argv[:1] and not argv[0].startswith("-"):
        raise InputError(f"`chaku train {argv[0]}`: there is only `chaku train merge` and `grow`; give options by name")
    if "--plan" in argv:
        return commands.plan(argv)
    recipe = parse(argv)
    if os.environ.get("RANK", "0") == "0":
        print("chaku: loading torch ...", file=sys.stderr)
    if "--dry-run" in argv:
        from train.dry_run import dry_run

        return dry_run(recipe)
    from train.main import train

    return train(recipe)
