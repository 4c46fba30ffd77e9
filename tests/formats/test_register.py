import pytest

from silif_plugins.cli import help_of, main
from silif_plugins.formats import EXPORTERS, export, register_exporter

from .conftest import network


@pytest.fixture
def listed():
    """A format of one's own."""

    def to_list(trained, path, *, lines: int = 3):
        """The names of some tensors.

        Args:
            trained: The network.
            path: A text file.
            lines: How many of them.
        """
        path.write_text("\n".join(list(trained.net.state_dict())[:lines]))
        return {"file": str(path), "data": trained.config.data if trained.config else None}

    register_exporter("list", to_list, suffix=".txt")
    yield
    del EXPORTERS["list"]


def test_a_format_of_ones_own(listed, tmp_path):
    assert export(network(), tmp_path / "a.txt", to="list", lines=2) == {"file": str(tmp_path / "a.txt"), "data": None}
    assert (tmp_path / "a.txt").read_text().splitlines() == [
        "hidden.0.current.weights.weight",
        "hidden.0.current.norm.weight",
    ]
    with pytest.raises(ValueError, match="lines: got 'two'; it must be an integer"):
        export(network(), tmp_path / "a.txt", to="list", lines="two")
    with pytest.raises(ValueError, match="line: list has no such option; it has lines; did you mean lines"):
        export(network(), tmp_path / "a.txt", to="list", line=2)
    with pytest.raises(ValueError, match=r"to: got 'lists'; it must be one of .*did you mean list"):
        export(network(), tmp_path / "a.txt", to="lists")


def test_options_mean_the_same_for_all(listed):
    def other(trained, path, *, lines: str = "all"):
        """Another."""

    with pytest.raises(ValueError, match=r"lines: is .* in other, but .* in list"):
        register_exporter("other", other)


def test_command_line(listed, run, capsys):
    assert "How many of them. (list)" in " ".join(help_of("export").split())
    assert main(["export", str(run), "--to", "list", "--lines", "1"]) == 0
    assert (run / "net.txt").read_text() == "hidden.0.current.weights.weight"
    assert '"data": "spoken-digits"' in capsys.readouterr().out
    assert main(["export", str(run), "--to", "lst"]) == 2
    assert "did you mean list" in capsys.readouterr().err
