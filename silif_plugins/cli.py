"""The command line: ``silif train``, ``evaluate``, ``compare``, ``recipes``, ``reproduce``, ``download``, ``generate``.

Results go to stdout, progress and logs to stderr. Exit code 0: done; 1: the machine failed (such as a full disk);
2: the user can mend it; 130: interrupted.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import __version__, recipes
from .optional import require

USER_ERRORS = (ValueError, FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError, ImportError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    arguments = [_underscored(argument) for argument in (sys.argv[1:] if argv is None else argv)]
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        settings = _parse(arguments)
        logging.getLogger("silif_plugins").setLevel(logging.INFO if settings.verbose else logging.WARNING)
        command = settings.subcommand
        COMMANDS[command](settings[command])
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("silif: interrupted; finished epochs are kept: run again with --resume", file=sys.stderr)
        return 130
    except USER_ERRORS as error:
        print(f"silif: error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever reads our results, such as head, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains when it flushes at exit
        return 0
    except OSError as error:
        print(f"silif: failed: {error}", file=sys.stderr)
        return 1
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not re.search("out of memory|can't allocate memory", str(error)):
            raise
        message = f"silif: error: not enough memory; take fewer steps, smaller layers or batches ({error})"
        print(message, file=sys.stderr)
        return 2
    return 0


def _underscored(argument: str) -> str:
    """Options may be written --hidden-sizes or --hidden_sizes."""
    name, equals, value = argument.partition("=")
    return name.replace("-", "_").replace("__", "--", 1) + equals + value if re.match("--[a-z]", name) else argument


def _parse(arguments: list[str]) -> Any:
    """Parse; the shipped recipe for the neuron and data set gives the defaults, unless a recipe is named."""
    arguments = [
        part
        for argument in arguments
        for part in (argument.split("=", 1) if argument.startswith("--recipe=") else [argument])
    ]
    if "train" in arguments[:-1] and not arguments[arguments.index("train") + 1].startswith("-"):
        arguments.insert(arguments.index("train") + 1, "--recipe")  # silif train RECIPE
    recipe = None
    for place, argument in enumerate(arguments[1:], 1):
        if arguments[place - 1] == "--recipe":
            recipe = recipes.describe(recipes.find(argument))
            recipe.check()
            arguments[place] = json.dumps(recipe.settings)
    parser = build_parser()
    settings = parser.parse_args(arguments)
    if settings.subcommand == "train":
        if recipe is None:
            default = recipes.default_for(settings.train.data, settings.train.neuron)
            if default:
                place = arguments.index("train") + 1
                settings = parser.parse_args([*arguments[:place], "--recipe", str(default), *arguments[place:]])
        else:
            _check_data(recipe, settings.train.data)
            if settings.train.out is None and recipe.name in recipes.names():
                settings.train.out = Path("runs") / recipe.name / f"seed{settings.train.seed}"
    return settings


def _check_data(recipe: recipes.Recipe, data: str) -> None:
    """Raise if the data that the recipe needs are not where the user says."""
    from .datasets import NAMES
    from .datasets.sources import SOURCES, check_folder

    name = recipe.settings.get("data")
    if name in SOURCES and data not in NAMES:
        check_folder(name, None if data == name and not Path(data).expanduser().is_dir() else data)


def build_parser() -> Any:
    """Build the parser; its options are the fields of TrainConfig, their help the docstring's."""
    jsonargparse = require("jsonargparse", extra="train", purpose="The command line")
    from .training import TrainConfig

    def command(**words: Any) -> Any:
        return jsonargparse.ArgumentParser(**words)

    parser = command(
        prog="silif", description="Train, evaluate and compare SiLIF and other spiking neurons.", version=__version__
    )
    parser.add_argument("--verbose", action="store_true", help="Log every epoch to stderr.")
    subcommands = parser.add_subcommands(dest="subcommand")

    train = command(
        description="Train a network; by default SiLIF on spoken digits. 'silif train RECIPE' takes the settings of a "
        "recipe, which options then change. Under torchrun several processes, on one machine or more, share each "
        "batch. Prints the result as JSON."
    )
    train.add_argument("--recipe", action="config", help="A recipe by name (such as spoken-digits/silif) or YAML file.")
    train.add_class_arguments(TrainConfig)
    train.add_argument("--out", type=Path | None, default=None, help="Folder of the run; runs/DATA/NEURON-seedN.")
    train.add_argument("--threads", type=int, default=1, help="Threads of PyTorch; small networks are fastest with 1.")
    train.add_argument("--resume", action="store_true", help="Go on with the run in the folder, if there is one.")
    subcommands.add_subcommand("train", train, help="Train a network.")

    evaluate = command(description="Evaluate a trained network. Prints the figures as JSON.")
    evaluate.add_argument("checkpoint", type=str, help="Folder of a run, or a .safetensors file of one.")
    evaluate.add_argument("--data", type=str | None, default=None, help="Another data set than it was trained on.")
    evaluate.add_argument("--split", type=str, default="test", help="train, valid or test.")
    subcommands.add_subcommand("evaluate", evaluate, help="Evaluate a trained network.")

    compare = command(
        description="Train several neurons with the same data, seeds and budget, each with the settings of its shipped "
        "recipe. Prints a table; draws accuracy against synaptic operations."
    )
    compare.add_argument("--neurons", type=list[str], default=["LIF", "SiLIF"], help="Such as [LIF,SiLIF,C-SiLIF].")
    compare.add_argument("--seeds", type=int, default=1, help="Number of seeds, 0 to N-1.")
    compare.add_argument("--data", type=str, default="spoken-digits", help="Data set, as for train.")
    compare.add_argument("--set", type=dict[str, Any], default={}, help="Settings for all, such as --set.epochs 5.")
    compare.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="Runs at a time, one thread each.")
    compare.add_argument("--out", type=Path, default=Path("runs/compare"), help="Folder for the runs, table and plot.")
    subcommands.add_subcommand("compare", compare, help="Compare neurons.")

    listing = command(description="List the recipes: what each needs, and what was published.")
    listing.add_argument("set", nargs="?", default=None, type=str | None, help="Such as table1, delays or one recipe.")
    subcommands.add_subcommand("recipes", listing, help="List the recipes.")

    reproduce = command(
        description="Train the recipes of a table of the paper over several seeds. Prints a table of what was measured "
        "beside what was published."
    )
    reproduce.add_argument("sets", nargs="+", type=str, help=f"Recipes, or sets: {', '.join(recipes.SETS)}.")
    reproduce.add_argument(
        "--data", type=dict[str, str], default={}, help="Such as --data.ssc FOLDER --data.gsc FOLDER."
    )
    reproduce.add_argument("--seeds", type=int | None, default=None, help="Number of seeds; as many as were published.")
    reproduce.add_argument("--set", type=dict[str, Any], default={}, help="Other settings, such as --set.epochs 5.")
    reproduce.add_argument("--jobs", type=int, default=1, help="Runs at a time, one thread each.")
    reproduce.add_argument(
        "--out", type=Path, default=Path("runs/reproduce"), help="Folder for the runs and the table."
    )
    subcommands.add_subcommand("reproduce", reproduce, help="Train what was published again.")

    download = command(description="Download SHD or SSC with tonic, which checks the files.")
    download.add_argument("name", type=str, help="shd or ssc.")
    download.add_argument("folder", type=Path, help="Where the .h5 files go.")
    subcommands.add_subcommand("download", download, help="Download SHD or SSC.")

    generate = command(
        description="Synthesise spoken digits as spikes, in the layout of the Spiking Heidelberg Digits."
    )
    generate.add_argument("folder", type=Path, help="Where to write spoken_digits_{train,valid,test}.h5.")
    generate.add_argument(
        "--utterances", type=int, default=1440, help="For training; a third of it for validation, two for test."
    )
    generate.add_argument("--channels", type=int, default=140, help="Channels of the cochlea; 700 for as many as SHD.")
    generate.add_argument("--seed", type=int, default=0, help="Another seed gives other utterances.")
    subcommands.add_subcommand("generate", generate, help="Make more spoken digits.")
    return parser


def _train(settings: Any) -> None:
    import torch

    from .training import TrainConfig, train

    given = settings.as_dict()
    out, resume, threads = given.pop("out"), given.pop("resume"), given.pop("threads")
    given.pop("recipe", None)
    if threads < 1:
        raise ValueError(f"threads: got {threads}; it must be positive")
    torch.set_num_threads(threads)
    config = TrainConfig.from_mapping(given)
    folder = out or Path("runs") / Path(config.data).name / f"{config.neuron}-seed{config.seed}"
    result = train(config, folder, resume=resume)
    if os.environ.get("RANK", "0") == "0":  # one of several processes under torchrun speaks for all
        print(json.dumps(result))


def _evaluate(settings: Any) -> None:
    import dataclasses

    from .training import evaluate, load_network, load_split

    net, config, facts = load_network(settings.checkpoint)
    config = dataclasses.replace(config, data=settings.data or config.data)
    dataset = load_split(config, settings.split)
    if dataset.num_channels != facts["num_inputs"] or dataset.num_classes != facts["num_classes"]:
        raise ValueError(
            f"{config.data}: got {dataset.num_channels} channels and {dataset.num_classes} classes; "
            f"{settings.checkpoint} needs {facts['num_inputs']} and {facts['num_classes']}"
        )
    figures = dataclasses.asdict(evaluate(net, dataset, pad=not config.published))
    if not math.isfinite(figures["loss"]):
        raise ValueError(f"{settings.checkpoint}: the loss is {figures['loss']}; the network has diverged")
    print(json.dumps({"neuron": config.neuron, "data": config.data, "split": settings.split, **figures}))


def _compare(settings: Any) -> None:
    from . import plots
    from .training import TrainConfig, compare, summarize, table

    if settings.seeds < 1 or settings.jobs < 1:
        raise ValueError(f"seeds, jobs: got {settings.seeds} and {settings.jobs}; both must be positive")
    configs = []
    for neuron in settings.neurons:
        recipe = recipes.default_for(settings.data, neuron)
        chosen = {"neuron": neuron, "data": settings.data, **(recipes.read(recipe) if recipe else {}), **settings.set}
        configs += [TrainConfig.from_mapping({**chosen, "seed": seed}) for seed in range(settings.seeds)]
    results = compare(configs, settings.out, jobs=settings.jobs)
    summaries = summarize(results)
    print(table(summaries))
    figure = plots.accuracy_against_operations(summaries)
    plots.save(figure, settings.out / "accuracy_against_operations.png")
    print(f"\nplot: {settings.out / 'accuracy_against_operations.png'}")


def _recipes(settings: Any) -> None:
    from .datasets.sources import SOURCES

    chosen = (
        recipes.in_set(settings.set) if settings.set else [recipes.describe(recipes.find(n)) for n in recipes.names()]
    )
    head = ("recipe", "neuron", "resolution", "parameters", "published", "tables", "needs")
    rows = [head]
    for each in chosen:
        tables = sorted({entry.table for entry in each.rows})
        data = each.settings.get("data", "spoken-digits")
        rows.append(
            (
                each.name,
                str(each.settings.get("neuron", "SiLIF")),
                each.resolution,
                f"{each.parameters:,}" if each.parameters else each.published_parameters or "",
                next(filter(None, map(_figures, each.rows)), ""),
                ", ".join(map(str, tables)),
                ", ".join([*(["data " + data] if data in SOURCES else []), *each.needs]),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    for cells in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
    if settings.set and settings.set not in recipes.SETS:
        _print_sources(chosen[0])


def _figures(row: recipes.Row) -> str:
    """The published figures of a row; empty for a row of settings."""
    figures = {"accuracy": row.accuracy, "sparsity": row.sparsity}
    spread = f" ± {row.sd:g}" if row.sd is not None else ""
    return ", ".join(f"{name} {value:g}{spread} %" for name, value in figures.items() if value is not None)


def _print_sources(recipe: recipes.Recipe) -> None:
    """Say where the numbers and settings of one recipe come from."""
    from .datasets.sources import SOURCES

    if recipe.source:
        print(f"\nsettings: {recipe.source}")
    for row in recipe.rows:
        print(f"Table {row.table}, {row.method}: {_figures(row) or 'settings only'}")
    for name in recipe.conventions:
        print(f"published ({name}): {recipes.CONVENTIONS[name]}")
    data = recipe.settings.get("data")
    if data in SOURCES:
        print(f"data: {SOURCES[data].title}; {SOURCES[data].where}")


def _reproduce(settings: Any) -> None:
    from .files import write_file
    from .training.reproduce import comparison, reproduce

    chosen = {recipe.name: recipe for name in settings.sets for recipe in recipes.in_set(name)}
    done = reproduce(
        list(chosen.values()),
        settings.data,
        settings.out,
        seeds=settings.seeds,
        jobs=settings.jobs,
        changes=settings.set,
    )
    text = comparison(done)
    if settings.set:
        text += f"\nNot the published settings: {json.dumps(dict(settings.set))}."
    print(text)
    settings.out.mkdir(parents=True, exist_ok=True)
    write_file(settings.out / f"{'-'.join(settings.sets).replace('/', '-')}.md", (text + "\n").encode())


def _download(settings: Any) -> None:
    from .datasets import download

    for file in download(settings.name, settings.folder):
        print(file)


def _generate(settings: Any) -> None:
    from .datasets.speech import generate

    if settings.utterances < 1:
        raise ValueError(f"utterances: got {settings.utterances}; it must be positive")
    files = generate(settings.folder, utterances=settings.utterances, channels=settings.channels, seed=settings.seed)
    for file in files:
        print(file)


COMMANDS = {
    "train": _train,
    "evaluate": _evaluate,
    "compare": _compare,
    "recipes": _recipes,
    "reproduce": _reproduce,
    "download": _download,
    "generate": _generate,
}


if __name__ == "__main__":
    sys.exit(main())
