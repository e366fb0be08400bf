"""A recipe from a YAML file and the command line, its `--help`, and what is said of a field that is none."""

import difflib
import re
from argparse import SUPPRESS

from jsonargparse import ArgumentError, ArgumentParser
from rich_argparse import RawDescriptionRichHelpFormatter

from templates.errors import InputError
from train.recipe import Recipe

_DESCRIPTION = """\
Fine-tune a model on windows that `chaku data prepare` wrote.

A recipe is a YAML file; every value in it can be given on the command line too, which then wins.
A run that was stopped goes on from its last checkpoint when the same command is given again.

  chaku train merge ADAPTER --out DIR             makes an adapter (LoRA) and its base one plain model
  chaku train grow BASE --template T --out DIR    gives a base model the control tokens of a template"""

_EXAMPLES = """\
examples:
  # on a laptop's CPU, with the recipe's values but twenty steps
  chaku train --config examples/recipes/smollm2-135m-cpu.yaml --model.path MODEL_DIR --data.path data/ \\
      --out model/ --schedule.max_steps 20

  # before a long run: memory, time, one step, saving, reading back and stopping, tried in a minute
  chaku train --config RECIPE.yaml --model.path MODEL_DIR --data.path data/ --out model/ --dry-run

  # before renting: memory, steps and hours on any GPUs, for a size or a directory
  chaku train --plan 13b --config examples/recipes/vicuna-13b.yaml --gpu a100-80gb --gpus 8 --tokens 207M

  # on eight GPUs
  torchrun --nproc-per-node 8 -m chaku train --config examples/recipes/vicuna-7b.yaml \\
      --model.path MODEL_DIR --data.path data/ --out vicuna/

the whole way, with what each message means: docs/training.md
"""


class _Help(RawDescriptionRichHelpFormatter):
    group_name_formatter = str  # titles as the recipe's docstrings have them, not In Capitals


def parse(argv: list[str]) -> Recipe:
    """The recipe that the arguments ask for. Raises InputError that names a field which is unknown or mistyped."""
    parser = ArgumentParser(
        prog="chaku train",
        usage="%(prog)s --config RECIPE.yaml --model.path DIR --data.path DIR --out DIR [--section.field value ...]",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=_Help,
        exit_on_error=False,
        print_config=None,
    )
    parser.add_argument("--config", action="config", metavar="RECIPE.yaml", help="Recipe to start from.")
    parser.add_argument("--dry-run", action="store_true", help="Try everything that the run needs, in a minute.")
    parser.add_argument("--plan", action="store_true", help="Only reckon memory, steps, hours: see --plan --help.")
    parser.add_class_arguments(Recipe)
    _complete_help(parser)
    try:
        values = vars(parser.instantiate(parser.parse_args(argv)))
    except ArgumentError as error:
        said = " ".join(str(error).split())
        names = [action.dest for action in parser._actions]
        raise InputError(f"{_in_options(said, names)}see `chaku train --help`") from error
    return Recipe(**{name: value for name, value in values.items() if name not in ("config", "dry_run", "plan")})


def _complete_help(parser: ArgumentParser) -> None:
    """Show each field's default; hide the options that would read a whole section from another file."""
    for action in parser._actions:
        section, _, name = action.dest.rpartition(".")
        if action.metavar == "CONFIG":
            action.help = SUPPRESS
        elif section or name in ("out", "seed"):
            action.metavar = action.metavar or name.upper()
            default = "not set" if action.default is None else str(action.default).lower()
            required = action.dest in ("model.path", "data.path", "out")
            action.help = f"{action.help} ({'required' if required else f'default: {default}'})"


def _in_options(said: str, names: list[str]) -> str:
    """What jsonargparse refused, by the options that a person gives, with the field that was perhaps meant."""
    section = re.match(r'Parser key "(\w+)": Unable to load config', said)
    if section and section[1] != "config":
        field = next(name for name in names if name.startswith(f"{section[1]}."))
        return f"--{section[1]} is a section of the recipe; name its field, such as --{field}; "
    return re.sub(r'Parser key "([\w.]+)":', r"--\1:", said) + "; " + _near(said, names)


def _near(said: str, names: list[str]) -> str:
    """The field that a refused one on the command line or in the file is most like, if any is."""
    found = re.search(r"arguments: --([\w.]+)", said) or re.search(
        r"Group '(\w+)' does not accept option '(\w+)'", said
    )
    near = difflib.get_close_matches(".".join(found.groups()), names, n=1) if found else []
    return f"did you mean {near[0]}? " if near else ""
