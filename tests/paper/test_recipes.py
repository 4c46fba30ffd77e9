"""The shipped recipes: valid, complete for the paper's tables, and with the parameter counts that they state."""

import pytest
import yaml

from silif_plugins.paper import recipes
from silif_plugins.training import TrainConfig

CLASSES = {"shd": 20, "ssc": 35, "gsc": 35}
ALL = [recipes.describe(recipes.find(name)) for name in recipes.names()]
OF_PAPERS = [recipe for recipe in ALL if recipe.source]
OF_SPIKING_SSM = [recipe for recipe in OF_PAPERS if any(row.paper == "SpikingSSM" for row in recipe.rows)]
OF_THE_PAPER = [recipe for recipe in OF_PAPERS if recipe not in OF_SPIKING_SSM]

SIZES = {
    "mnist": (1, 10),
    "lra-listops": (15, 10),
    "lra-text": (255, 2),
    "lra-retrieval": (510, 2),
    "cifar10": (1, 10),
    "pathfinder": (1, 2),
    "wikitext-103": (267_735, 267_735),
}
"""Channels and classes of the data of SpikingSSM's recipes."""


@pytest.mark.parametrize("recipe", ALL, ids=lambda recipe: recipe.name)
def test_settings_are_valid_and_named_after_their_data(recipe):
    config = TrainConfig.from_mapping(recipe.settings)
    assert recipe.name.split("/")[0] == config.data
    if recipe not in OF_PAPERS:
        assert recipe.name == f"{config.data}/{config.label.lower()}"
        config.network(5, 3)


@pytest.mark.parametrize("recipe", OF_THE_PAPER, ids=lambda recipe: recipe.name)
def test_recipes_of_the_paper_say_what_was_published(recipe):
    config = TrainConfig.from_mapping(recipe.settings)
    assert recipe.source
    assert recipe.resolution.endswith(" ms")
    assert recipe.runs in (1, 5, 10)
    channels = config.data_options.get("bands", 40) if config.data == "gsc" else 700 // config.pool
    net = config.network(channels, CLASSES[config.data])
    assert sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad) == recipe.parameters
    if recipe.published_parameters and "silif-count" not in recipe.conventions:
        unit = {"M": 1e6, "k": 1e3}[recipe.published_parameters[-1]]
        assert recipe.parameters / unit == pytest.approx(float(recipe.published_parameters[:-1]), rel=0.08)
    if config.data != "gsc":  # bins as wide as the resolution says: the published loader's
        width = config.max_time / (config.steps - 1)
        assert 1000 * width == pytest.approx(float(recipe.resolution.split()[0]), rel=0.02)
    if recipe.conventions and recipe.conventions[0] in ("fixed-readout", "s5-rf-training"):
        return  # others' code: zeros to begin with, other rules
    assert config.published
    delays = {config.options.get(name, "linear") for name in ("connection", "recurrent_connection")} != {"linear"}
    assert config.options.get("initial_state", "uniform") == ("zeros" if delays else "uniform")
    assert config.recalibrate == 0
    if config.data == "shd":
        assert "test-selection" in recipe.conventions
    assert config.selection == "held-out"


@pytest.mark.parametrize("recipe", OF_SPIKING_SSM, ids=lambda recipe: recipe.name)
def test_recipes_of_spiking_ssm_say_what_was_published(recipe):
    config = TrainConfig.from_mapping(recipe.settings)
    net = config.outline(*SIZES[config.data])
    assert sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad) == recipe.parameters
    (row,) = recipe.rows
    assert (row.accuracy is None) != (row.perplexity is None)
    assert "configuration" in recipe.source
    if "SpikingSSM" in row.method and row.table == 3:
        rate = float(row.method.rpartition(" ")[2])
        assert row.sparsity == pytest.approx(100 - 100 * rate)
        assert config.options["learn_threshold"] == ("-VT" in row.method)
    if recipe.published_parameters:
        assert recipe.parameters / 1e6 == pytest.approx(float(recipe.published_parameters[:-1]), rel=0.03)


def test_means_of_table_3_are_those_of_its_recipes():
    """The paper prints the means of its six tasks; of S4D-Lin's, too."""
    rows = [row for recipe in recipes.in_set("spiking-ssm-table3") for row in recipe.rows]
    for name, accuracy, rate in (("SpikingSSM-VF", 84.30, 0.11), ("SpikingSSM-VT", 84.33, 0.10), ("S4D", 85.52, None)):
        own = [row for row in rows if name in row.method]
        assert len(own) == 6
        assert sum(row.accuracy for row in own) / 6 == pytest.approx(accuracy, abs=0.011)
        if rate is not None:
            assert sum(100 - row.sparsity for row in own) / 600 == pytest.approx(rate, abs=0.006)


# Rows of each table, counted in the paper: Table 1 has 11 of SSC and 7 of GSC. Table 7 has an for each data set
# and neuron but AdLIF on SSC ("N/A").
ROWS = {"table1": 18, "table2": 6, "table5": 9, "table6": 9, "table7": 11, "table9": 8, "delays": 2}
# Of the systems that are here: SpikingSSM, with fixed and trained thresholds, and S4D on six tasks.
ROWS |= {"spiking-ssm-table2": 2, "spiking-ssm-table3": 18, "spiking-ssm-table4": 1, "spiking-ssm-table5": 2}


@pytest.mark.parametrize(("name", "number"), ROWS.items())
def test_every_row_of_the_tables_has_a_recipe(name, number):
    found = [row for recipe in recipes.in_set(name) for row in recipe.rows if row.place == recipes.SETS[name]]
    assert len(found) == number
    assert len({(row.method, row.accuracy, row.sparsity) for row in found}) == number
    for row in found:
        if name in ("table1", "table2", "table6"):
            assert 70 < row.accuracy < 100
        elif name == "table7":
            assert 80 < row.sparsity < 100


def test_the_rows_of_the_set_come_first():
    (six,) = (recipe for recipe in recipes.in_set("table6") if recipe.name == "shd/c-silif-512")
    (two,) = (recipe for recipe in recipes.in_set("table2") if recipe.name == "shd/c-silif-512")
    assert (six.accuracy.accuracy, two.accuracy.accuracy) == (95.55, 95.6)
    assert six.sparsity.sparsity == 80.25


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("- a\n- b\n", "got list; it must hold settings"),
        ("neuron: [SiLIF\n", "own.yaml"),
        ("learning_rat: 0.1\n", "learning_rat: unknown setting"),
        ("neuron: SiLIF\npaper: {conventions: [luck]}\n", "paper.conventions: got luck"),
        ("neuron: SiLIF\npaper: {rows: [{tabel: 1}]}\n", "tabel"),
        ("neuron: SiLIF\npaper: {acuracy: 3}\n", "acuracy"),
        ("neuron: SiLIF\npaper: 3\n", "own.yaml"),
        ("epochs: many\n", "epochs: got 'many'; it must be an integer"),
        ("neuron_options: " + "[" * 16_000 + "\n", "got values more than 16 deep"),
        ("neuron_options: {a: &a [1, 1], b: *a}\n", r"got an alias \(\*name\)"),
        ("# long\n" * 10_000, "got more than 16384 bytes"),
    ],
)
def test_bad_files_are_named(content, message, tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(content)
    with pytest.raises(ValueError, match=message) as raised:
        recipes.describe(path)
    assert "own.yaml" in str(raised.value)


def test_a_recipe_that_stands_for_a_billion_values_is_refused_at_once(tmp_path):
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    path = tmp_path / "bomb.yaml"
    path.write_text("neuron_options:\n" + "".join(f"  {line}\n" for line in lines))
    with pytest.raises(ValueError, match=r"bomb.yaml: got an alias"):
        recipes.describe(path)


def test_a_users_recipe_needs_no_word_of_the_paper(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({"neuron": "C-SiLIF", "epochs": 3}))
    recipe = recipes.describe(path)
    assert (recipe.name, recipe.settings, recipe.rows) == (str(path), {"neuron": "C-SiLIF", "epochs": 3}, ())
