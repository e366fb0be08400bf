"""`chaku train merge`, `chaku train grow` and `chaku train --plan`: what comes after and before a run."""

import sys
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import replace
from pathlib import Path

from rich_argparse import RawDescriptionRichHelpFormatter

from templates.errors import InputError
from train.arguments import parse


def merge(argv: list[str]) -> int:
    """Make an adapter and its base model into one plain model directory."""
    parser = ArgumentParser(
        prog="chaku train merge",
        description="Add an adapter that `chaku train --lora.rank` wrote to its base model, and write a plain model.",
        epilog="example:\n  chaku train merge adapter/ --out model/ && chaku serve model/",
        formatter_class=RawDescriptionRichHelpFormatter,
    )
    parser.add_argument("adapter", type=Path, metavar="ADAPTER", help="Directory of the adapter.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="Directory for the model.")
    parser.add_argument("--base", metavar="DIR", help="The base model, where it is no longer where training found it.")
    options = parser.parse_args(argv)
    from train.merge import merge as merge_adapter

    merge_adapter(options.adapter, options.out, base=options.base)
    print(f"chaku: wrote {options.out}", file=sys.stderr)
    return 0


def grow(argv: list[str]) -> int:
    """Give a base model the control tokens that a template needs."""
    parser = ArgumentParser(
        prog="chaku train grow",
        description="Write a copy of a base model that knows the control tokens of a template.",
        epilog="example, ChatML on a Llama:\n"
        "  chaku train grow llama/ --template chatml --out llama-chatml/\n"
        "  chaku data prepare dump.json --model llama-chatml/ --template chatml --out data/\n"
        "  chaku train --config RECIPE.yaml --model.path llama-chatml/ --data.path data/ --out model/",
        formatter_class=RawDescriptionRichHelpFormatter,
    )
    parser.add_argument("base", metavar="BASE", help="Hugging Face directory of the base model.")
    parser.add_argument("--template", required=True, metavar="NAME", help="Template whose tokens it lacks.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="Directory for the grown model.")
    options = parser.parse_args(argv)
    from train.grow import grow as grow_model

    tokens = grow_model(options.base, options.out, template=options.template)
    print(f"chaku: wrote {options.out} with {' '.join(tokens)}", file=sys.stderr)
    return 0


_PLAN_EXAMPLES = """\
examples:
  chaku train --plan 13b --config examples/recipes/vicuna-13b.yaml --gpu a100-80gb --gpus 8 --tokens 207M
  chaku train --plan 7b --config examples/recipes/lora-7b-24gb.yaml --gpu rtx-4090 --tokens 20M --price 0.5
  chaku train --plan --config RECIPE.yaml --model.path MODEL_DIR --data.path data/ --gpu cpu"""
_UNITS = {"K": 1e3, "M": 1e6, "B": 1e9}


def plan(argv: list[str]) -> int:
    """Say what a run would take on GPUs that need not be here. Returns 0 where it fits into them, else 1."""
    parser = ArgumentParser(
        prog="chaku train",
        usage="%(prog)s --plan [SIZE] --gpu NAME [--gpus N] [--tokens N] [--config RECIPE.yaml] [--field VALUE]",
        description="Reckon the memory, steps, hours and cost of a run from shapes alone, on any machine.\n"
        "Recipe and fields are those of `chaku train`; --data.path takes the place of --tokens.",
        epilog=_PLAN_EXAMPLES,
        formatter_class=RawDescriptionRichHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--plan",
        nargs="?",
        metavar="SIZE",
        help="135m, 7b, 8b, 13b, 70b, or a model's directory: in place of model.path.",
    )
    add("--gpu", required=True, metavar="NAME", help="For instance a100-80gb, h100, rtx-4090; cpu is this machine.")
    add("--gpus", type=int, default=1, metavar="N", help="How many, on all nodes together (default: 1).")
    add("--tokens", type=_tokens, metavar="N", help="Tokens of one epoch, such as 207M, where no data is prepared yet.")
    add("--window", type=int, default=2048, metavar="N", help="Window of those tokens (default: 2048).")
    add("--mfu", type=float, metavar="SHARE", help="Share of the peak that model FLOPs take, such as 0.4.")
    add("--price", type=float, metavar="P", help="Price of one device for an hour; without it no cost is shown.")
    options, fields = parser.parse_known_args(argv)
    _check_plan(options.gpus, options.window, options.mfu)
    # a plan needs no paths; what the recipe or the command line says comes later and wins
    recipe = parse(["--model.path", "", "--data.path", "", "--out", "model", *fields])
    model = options.plan or recipe.model.path
    if not model:
        raise InputError("--plan: says no model; give a size or a directory after it, such as `--plan 13b`")
    if options.tokens is None and recipe.data.path == Path():
        raise InputError("--plan: says no data; give --tokens 207M, or --data.path with prepared windows")
    print("chaku: loading torch ...", file=sys.stderr)
    from train.plan import plan as make_plan

    return make_plan(
        replace(recipe, model=replace(recipe.model, path=model)),
        gpu=options.gpu,
        count=options.gpus,
        tokens=options.tokens,
        window=options.window,
        utilisation=options.mfu,
        price=options.price,
    )


def _check_plan(gpus: int, window: int, mfu: float | None) -> None:
    for name, value in (("--gpus", gpus), ("--window", window)):
        if value < 1:
            raise InputError(f"{name} is {value}; give at least 1")
    if mfu is not None and not 0 < mfu <= 1:
        raise InputError(f"--mfu is {mfu:g}; give a share above 0 and up to 1, such as 0.4")


def _tokens(text: str) -> float:
    """A count of tokens: ``207M`` is 207,000,000."""
    number, unit = (text[:-1], _UNITS[text[-1].upper()]) if text[-1:].upper() in _UNITS else (text, 1.0)
    try:
        count = float(number.replace(",", "")) * unit
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no count of tokens; give for instance 207M") from error
    if not 1 <= count < 1e15:
        raise ArgumentTypeError(f"{text!r} is no count of tokens; give for instance 207M")
    return count
