"""`chaku train merge` and `chaku train grow`: what comes after and before a run."""

import sys
from argparse import ArgumentParser
from pathlib import Path

from rich_argparse import RawDescriptionRichHelpFormatter


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
