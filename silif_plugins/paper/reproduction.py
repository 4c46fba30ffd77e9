"""Published rows trained again: runs over seeds, and measured numbers beside the published ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..datasets import SOURCES
from ..tables import table
from ..training import Diverged, Summary, TrainConfig, compare, summarize
from .recipes import CONVENTIONS, Recipe


@dataclass(frozen=True)
class Reproduced:
    """A recipe and what came of it.

    Attributes:
        recipe: The recipe.
        summary: Over its runs; None if it was not run, or not to the end.
        selected_on: What its epochs were chosen on.
        problem: Why it was not run to the end.
    """

    recipe: Recipe
    summary: Summary | None = None
    selected_on: str = ""
    problem: str = ""


def reproduce(
    recipes: Sequence[Recipe],
    folders: Mapping[str, str],
    out: Path,
    *,
    seeds: int | None = None,
    jobs: int = 1,
    changes: Mapping[str, Any] | None = None,
) -> list[Reproduced]:
    """Train recipes over seeds; what the folder holds already is not trained again.

    Recipes that diverge are returned without a summary.

    Args:
        recipes: The recipes.
        folders: Folder of each data set by its name (``shd``, ``ssc``, ``gsc``).
        out: Folder of all runs.
        seeds: Number of seeds, 0 to N-1; as many as were published by default.
        jobs: How many runs at a time, each in a process with one thread.
        changes: Settings that replace those of the recipes.

    Raises:
        FileNotFoundError: If data are missing, before anything is trained; the message says for every set what to
            download and where to put it.
        ValueError: If a setting is not valid, or ``seeds`` or ``jobs`` is not positive.
    """
    if (seeds is not None and seeds < 1) or jobs < 1:
        raise ValueError(f"seeds, jobs: got {seeds} and {jobs}; both must be positive")
    _check_data(dict.fromkeys(str(recipe.settings["data"]) for recipe in recipes), folders)
    configs = {recipe.name: _configs(recipe, folders, seeds, changes or {}) for recipe in recipes}
    done = []
    for recipe in recipes:
        try:
            results = compare(configs[recipe.name], out / recipe.name, jobs=jobs)
        except Diverged as error:
            done.append(Reproduced(recipe, problem=str(error)))
        else:
            done.append(Reproduced(recipe, summarize(results)[0], results[0]["selected_on"]))
    return done


def _check_data(data: Mapping[str, None], folders: Mapping[str, str]) -> None:
    problems = []
    for name in data:
        if name in SOURCES:
            try:
                SOURCES[name].check_folder(folders.get(name))
            except FileNotFoundError as error:
                problems.append(str(error).replace("--data FOLDER", f"--data.{name} FOLDER"))
    if problems:
        raise FileNotFoundError("\n".join(problems))


def _configs(
    recipe: Recipe, folders: Mapping[str, str], seeds: int | None, changes: Mapping[str, Any]
) -> list[TrainConfig]:
    settings = {**recipe.settings, **changes}
    settings["data"] = folders.get(settings["data"], settings["data"])
    number = recipe.runs if seeds is None else seeds
    return [TrainConfig.from_mapping({**settings, "seed": seed}) for seed in range(number)]


def comparison(done: Sequence[Reproduced]) -> str:
    """Lay out what was measured beside what was published, as a Markdown table with notes.

    Examples:
        >>> from silif_plugins.paper.recipes import in_set
        >>> print(comparison([Reproduced(in_set("gsc/adlif")[0], problem="the loss is nan in epoch 3")]))
        | recipe    | accuracy | published | sparsity | published      | parameters | published | seeds |
        |-----------|----------|-----------|----------|----------------|------------|-----------|-------|
        | gsc/adlif | diverged |           |          | 93.39 ± 0.65 % |            | 0.3M      |       |
        <BLANKLINE>
        gsc/adlif: diverged, the loss is nan in epoch 3.
    """
    head = ("recipe", "accuracy", "published", "sparsity", "published", "parameters", "published", "seeds")
    return "\n".join([table([head, *map(_row, done)], markdown=True), "", *notes(done)])


def figures(each: Reproduced) -> list[tuple[str, str, str, str]]:
    """Return a row for each figure: recipe (in the first), name, measured, published.

    Examples:
        >>> from silif_plugins.paper.recipes import in_set
        >>> figures(Reproduced(in_set("gsc/adlif")[0], problem="the loss is nan in epoch 3"))[0]
        ('gsc/adlif', 'accuracy', 'diverged', '')
    """
    name, accuracy, published_accuracy, sparsity, published_sparsity, count, published_count, _ = _row(each)
    rows = [
        ("accuracy", accuracy, published_accuracy),
        ("sparsity", sparsity, published_sparsity),
        ("parameters", count, published_count),
    ]
    return [("" if place else name, *row) for place, row in enumerate(rows) if row[1] or row[2]]


def _row(each: Reproduced) -> tuple[str, ...]:
    recipe, summary = each.recipe, each.summary
    accuracy, sparsity = recipe.accuracy, recipe.sparsity
    published = (
        _percent(accuracy.accuracy, accuracy.sd) if accuracy else "",
        _percent(sparsity.sparsity, sparsity.sd) if sparsity else "",
        recipe.published_parameters or "",
    )
    if summary is None:
        return (recipe.name, "diverged", published[0], "", published[1], "", published[2], "")
    spread = 100 * summary.accuracy_sd if summary.seeds > 1 else None
    return (
        recipe.name,
        _percent(100 * summary.accuracy, spread),
        published[0],
        _percent(100 * summary.sparsity, None),
        published[1],
        f"{summary.parameters:,}",
        published[2],
        str(summary.seeds),
    )


def _percent(value: float | None, sd: float | None) -> str:
    return f"{value:.2f} %" if sd is None else f"{value:.2f} ± {sd:.2f} %"


def notes(done: Sequence[Reproduced]) -> list[str]:
    """Say what the numbers rest on, and why some are missing."""
    lines = []
    for each in done:
        if each.summary is None:
            lines.append(f"{each.recipe.name}: diverged, {each.problem}.")
        elif each.recipe.conventions:
            lines.append(f"{each.recipe.name}: epoch chosen on the {each.selected_on}.")
    ran = [each.recipe for each in done if each.summary is not None]
    used = dict.fromkeys(name for recipe in ran for name in recipe.conventions)
    return [*lines, *(f"Published ({name}): {CONVENTIONS[name]}." for name in used)]
