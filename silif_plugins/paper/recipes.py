"""Recipes: training settings as files, shipped with the package or the user's own.

A recipe is a YAML file of settings of :class:`silif_plugins.training.TrainConfig`. Those for rows of a paper also say,
under ``paper``, what was published and how; see :class:`Recipe`.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..datasets import SOURCES
from ..hints import did_you_mean
from ..neurons import canonical_name
from ..optional import require
from ..training import TrainConfig

FOLDER = Path(__file__).parent / "recipe_files"

_LONGEST, _DEEPEST = 1 << 14, 16

DELAYS_TABLE = 3

SILIF, SPIKING_SSM = "SiLIF", "SpikingSSM"

SETS: dict[str, tuple[str, int]] = {
    **{f"table{number}": (SILIF, number) for number in (1, 2, 5, 6, 7, 9)},
    "delays": (SILIF, DELAYS_TABLE),
    **{f"spiking-ssm-table{number}": (SPIKING_SSM, number) for number in (2, 3, 4, 5)},
}
"""Sets of recipes: the SiLIF paper's tables of results and the one of its models with delays, and SpikingSSM's."""

CONVENTIONS = {
    "test-selection": "the epoch was chosen on the test set; --selection published does so too",
    "batch-means": "accuracies are means over batches, where a smaller last batch counts fully; ours are over samples",
    "late-spikes": "events at or after max_time were written out of bounds and lost; ours are dropped on purpose",
    "padding": "padded steps, which hold 0, a loud value, were input like any other; ours are too, by published: true",
    "sparsity": "sparsity includes the input channels and divides by one batch too few; ours is of hidden neurons",
    "fixed-readout": "the published count includes the decays of the readout, which are fixed; that here does not",
    "se-adlif-readout": "the score is the sum over time of the readout's softmax, as in SpArch",
    "s5-rf-training": "weights decayed by 1e-4, samples were shifted and, of SSC, mixed; none of that here",
    "silif-count": "38.7k is the parameter count of SiLIF; that of this network is 38,460",
}
"""What a published number rests on, by the names that recipes use."""


@dataclass(frozen=True)
class Row:
    """A row of a table of a paper.

    Attributes:
        table: Number of the table.
        method: What the row is called there.
        accuracy: Published test accuracy in percent.
        sparsity: Published sparsity in percent: what a spiking rate, over all neurons, leaves of 100 %.
        sd: Published standard deviation, of the accuracy or else the sparsity.
        perplexity: Published perplexity of a language model.
        paper: Which paper's.
    """

    table: int
    method: str
    accuracy: float | None = None
    sparsity: float | None = None
    sd: float | None = None
    perplexity: float | None = None
    paper: str = SILIF

    @property
    def place(self) -> tuple[str, int]:
        """The paper and the table, as ``SETS`` has them."""
        return self.paper, self.table

    @property
    def table_name(self) -> str:
        """What the table is called: its number, with the paper if it is not SiLIF's."""
        return str(self.table) if self.paper == SILIF else f"{self.paper} {self.table}"


@dataclass(frozen=True)
class Recipe:
    """A recipe with all that its file says.

    Attributes:
        name: Its name, or path for a user's own.
        settings: Settings of TrainConfig.
        resolution: Duration of a time step.
        parameters: Trained numbers of the network, as we count them.
        published_parameters: As the paper states them.
        runs: Number of seeds behind the published number.
        source: Where the settings come from.
        rows: The rows of the paper's tables that it is for.
        conventions: Names in ``CONVENTIONS``.
    """

    name: str
    settings: dict[str, Any]
    resolution: str = ""
    parameters: int | None = None
    published_parameters: str | None = None
    runs: int = 1
    source: str = ""
    rows: tuple[Row, ...] = ()
    conventions: tuple[str, ...] = ()

    @property
    def accuracy(self) -> Row | None:
        """The first row with an accuracy."""
        return next((row for row in self.rows if row.accuracy is not None), None)

    @property
    def sparsity(self) -> Row | None:
        """The first row with a sparsity."""
        return next((row for row in self.rows if row.sparsity is not None), None)


@functools.cache
def names() -> list[str]:
    """Names of the shipped recipes, such as ``spoken-digits/silif``.

    Examples:
        >>> "spoken-digits/silif" in names()
        True
    """
    return sorted(path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.yaml"))


def in_set(name: str) -> list[Recipe]:
    """Return the recipes of a set of rows (``table1``, ``delays``, ...) or a data set, or the one of this name.

    The rows of that table come first in each.

    Raises:
        ValueError: If there is neither.

    Examples:
        >>> [recipe.name for recipe in in_set("delays")]
        ['gsc/silif-delays', 'ssc/silif-delays']
    """
    if of_data := [each for each in names() if each.startswith(f"{name}/")]:
        return [describe(find(each)) for each in of_data]
    if name not in SETS:
        if re.match("table|delay", name.lower()) and not Path(name).is_file():
            raise ValueError(f"recipe: got {name!r}; sets of recipes are {', '.join(SETS)}")
        return [describe(find(name))]
    place = SETS[name]
    recipes = [describe(FOLDER / f"{each}.yaml") for each in names()]
    return [
        dataclasses.replace(recipe, rows=tuple(sorted(recipe.rows, key=lambda row: row.place != place)))
        for recipe in recipes
        if place in {row.place for row in recipe.rows}
    ]


def find(name_or_file: str) -> Path:
    """Find a recipe by the name of a shipped one, or by its path.

    Raises:
        ValueError: If there is neither; the message names what comes closest.
    """
    path = Path(name_or_file)
    if path.is_file():
        return path
    if name_or_file in names():
        return FOLDER / f"{name_or_file}.yaml"
    whole = [name for name in names() if name.endswith(f"/{name_or_file.lower()}")]
    hint = f"; did you mean {' or '.join(whole)}?" if whole else did_you_mean(name_or_file, names())
    raise ValueError(f"recipe: got {name_or_file!r}; it must be a file or one that 'silif recipes' lists{hint}")


def default_for(data: str, neuron: str) -> Path | None:
    """Return the shipped recipe for a neuron on a data set, or None; not one that repeats what was published.

    Examples:
        >>> default_for("spoken-digits", "csilif").name
        'c-silif.yaml'
        >>> default_for("gsc", "AdLIF")
    """
    name = f"{data}/{canonical_name(neuron).lower()}"
    if data not in SOURCES or name not in names() or describe(find(name)).source:
        return None
    return find(name)


def for_network(data: str, name: str) -> Path | None:
    """Return the shipped recipe for a network other than the default one on a data set, or None.

    Examples:
        >>> for_network("sequential-digits", "transformer")
    """
    name = f"{data}/{name}"
    return find(name) if name in names() else None


def read(path: Path) -> dict[str, Any]:
    """Read the settings of a recipe, after checking each.

    Raises:
        ValueError: If the file is not YAML, or a setting is unknown or not valid; the message names both.
    """
    return describe(path).settings


def describe(path: Path) -> Recipe:
    """Read a recipe, after checking each of its settings.

    Raises:
        ValueError: If the file is not YAML, or a setting is unknown or not valid; the message names both.
    """
    yaml = require("yaml", extra="train", purpose="Reading recipes")
    name = path.relative_to(FOLDER).with_suffix("").as_posix() if path.is_relative_to(FOLDER) else str(path)
    try:
        settings = yaml.safe_load(_plain(path, yaml))
        if not isinstance(settings, dict):
            raise ValueError(f"got {type(settings).__name__}; it must hold settings as 'name: value'")
        paper = settings.pop("paper", None) or {}
        TrainConfig.from_mapping(settings)
        rows = tuple(Row(**row) for row in paper.pop("rows", ()))
        conventions = tuple(paper.pop("conventions", ()))
        if unknown := [each for each in conventions if each not in CONVENTIONS]:
            raise ValueError(f"paper.conventions: got {unknown[0]}; known are {', '.join(CONVENTIONS)}")
        return Recipe(name=name, settings=settings, rows=rows, conventions=conventions, **paper)
    except (yaml.YAMLError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path}: {error}") from error


def _plain(path: Path, yaml: Any) -> str:
    """Read a YAML file that takes no more time and memory than its size lets one expect.

    Aliases can name the same list again and again, so that a few lines stand for more than any memory holds; and
    the time that nested lists take grows with the square of their depth.

    Raises:
        ValueError: If it is longer or deeper than any recipe, or has aliases.
    """
    with open(path, "rb") as file:
        content = file.read(_LONGEST + 1)
    if len(content) > _LONGEST:
        raise ValueError(f"got more than {_LONGEST} bytes; a recipe has a few hundred")
    text = content.decode("utf-8-sig")
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("got an alias (*name); write its value out instead")
        if depth > _DEEPEST:
            raise ValueError(f"got values more than {_DEEPEST} deep; a recipe has a few")
    return text
