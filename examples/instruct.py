"""`make alpaca` and `make wizardlm`: seeds -> data -> windows -> training -> vLLM, each step a command that is printed.

Without TEACHER the base model itself is served and writes the data, as in Self-Instruct; with 135M parameters that
shows the road, not a good model.
"""

import argparse
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import cast

from demo import ask, base_model, console, read_json, serving, stay_up, step
from rich.table import Table

_METHODS = {"alpaca": "alpaca", "wizardlm": "evol-instruct"}
_RECIPE = Path(__file__).parent / "recipes" / "smollm2-135m-cpu.yaml"


def main() -> None:
    """Run the whole road; with --once exit after the summary, else serve until Ctrl-C."""
    args = parse_args()
    cast("TextIOWrapper", sys.stdout).reconfigure(line_buffering=True)
    model = args.model or base_model()
    made, data, out = args.work / "made", args.work / "data", args.work / args.kind
    if args.teacher:
        synthesize(args, args.teacher, made)
    else:
        with serving(Path(model), ui=False) as (api, _, _):
            synthesize(args, api, made)
    options = ("--model", model, "--template", args.kind, "--held-out", "0.1", "--out", str(data))
    step("Prepare: clean, split, tokenise, pack", "data", "prepare", str(made / "messages.jsonl"), *options)
    paths = ("--model.path", model, "--data.path", str(data), "--out", str(out))
    step("Train", "train", "--config", str(args.recipe or _RECIPE), *paths, *schedule(args))
    with serving(out, ui=not args.once) as (api, page, server):
        ask(api)
        summarise(made, data, out, api)
        if not args.once:
            stay_up(page, server)


def parse_args() -> argparse.Namespace:
    """The variables of the Makefile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=_METHODS, help="which data and which prompt format")
    parser.add_argument("--model", help="base model: a Hugging Face directory or hub name (default: SmolLM2-135M)")
    parser.add_argument("--teacher", metavar="URL", help="an API whose model writes the data (default: the base model)")
    parser.add_argument("--target", type=int, default=20, help="records to make (default: 20)")
    parser.add_argument("--budget", help="spend at most so many tokens, dollars or requests")
    parser.add_argument("--max-tokens", type=int, help="at most so many tokens a reply (default: the method's own)")
    parser.add_argument("--recipe", type=Path, help="how to train (default: a laptop's, three epochs)")
    parser.add_argument("--steps", type=int, help="training steps (default: the recipe's)")
    parser.add_argument("--work", type=Path, required=True, help="where everything is written")
    parser.add_argument("--once", action="store_true", help="exit after the summary")
    return parser.parse_args()


def synthesize(args: argparse.Namespace, api: str, made: Path) -> None:
    """Seeds -> instructions and replies."""
    options = ["--target", str(args.target), "--base-url", api, "--out", str(made)]
    options += ["--budget", args.budget] if args.budget else []
    options += ["--max-tokens", str(args.max_tokens)] if args.max_tokens else []
    step("Make data", "data", "synthesize", _METHODS[args.kind], *options)


def schedule(args: argparse.Namespace) -> tuple[str, ...]:
    """How long to train: as asked, else by the recipe named, else three times over the data, as Alpaca was.

    The 60 steps that the laptop's recipe takes over a dump learn 20 records by heart: held-out loss 4.7, then 8.9.
    """
    if args.steps:
        return ("--schedule.max_steps", str(args.steps))
    return () if args.recipe else ("--schedule.max_steps", "null", "--schedule.epochs", "3")


def summarise(made: Path, data: Path, model: Path, api: str) -> None:
    """The figures of the run, one table."""
    counts, figures = read_json(data / "manifest.json")["counts"], read_json(model / "chaku.json")["figures"]
    table = Table(title="Chaku: from seeds to a chat", title_justify="left", show_header=False)
    for name, value in (
        ("records made", f"{counts['conversations_in']}, see {made / 'report.html'}"),
        ("supervised tokens", f"{counts['supervised_tokens']:,} of {counts['tokens']:,}"),
        ("held-out loss", f"{figures['before_held_out_loss']:.4f} -> {figures['held_out_loss']:.4f}"),
        ("API", api),
    ):
        table.add_row(name, value)
    console.print(table)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
