"""Train the speech network and draw, as a moving picture, what it makes of an utterance before and after each epoch.

Writes an SVG file: the utterance, the spikes of the second hidden layer, the membrane of a busy neuron, and how
sure the network is of the word while it is spoken. Whoever asked for less motion sees the last epoch alone.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

import torch
from torch import Tensor

from silif_plugins.files import write_file
from silif_plugins.paper import recipes
from silif_plugins.plots import COLOURS
from silif_plugins.scan import scan
from silif_plugins.training import TrainConfig, Trained, evaluate, load_network, load_split, recalibrate, train

LEFT, WIDTH, BOTTOM = 90, 462, 380
"""Where time begins, how long it is, and where its axis is, in units of the picture."""

PANELS = {"utterance": (36, 60), "layer 2": (106, 110), "a neuron": (226, 70), "is it": (308, 66)}
"""Top and height of each."""

AFTERWARDS = 25
"""Steps that are shown after the utterance has ended."""

FIRST, EACH, LAST = 2.0, 0.7, 3.0
"""Seconds that a frame stays."""

THEME = "svg{color:#555}@media(prefers-color-scheme:dark){svg{color:#bbb}}"


class Frame(NamedTuple):
    """What the network does with the utterance at some time of its training.

    Attributes:
        title: When that is, and how good it is.
        spikes: Of the second hidden layer, [T, N].
        membranes: Its membranes, [T, N].
        words: Probability of each word after each step, [T, C].
    """

    title: str
    spikes: Tensor
    membranes: Tensor
    words: Tensor


@torch.no_grad()
def look(trained: Trained, utterance: Tensor, title: str) -> Frame:
    """Run a network over an utterance [T, channels]."""
    first, second = trained.network.hidden
    current = second.current(first.spikes(utterance[:, None]))
    _, _, states = scan(second.neuron.state_space(), current, return_states=True)
    words = trained.predict(utterance.numpy()).over_time
    return Frame(title, states.spk[:, 0], states.mem[:, 0], torch.from_numpy(words))


def learn(config: TrainConfig, utterance: Tensor) -> list[Frame]:
    """Train; return a frame of the untrained network, and one after each epoch."""
    frames = []
    with tempfile.TemporaryDirectory() as folder:
        last = Path(folder) / "last.safetensors"

        def after(epoch: dict[str, float]) -> None:
            title = f"after {epoch['epoch']} of {config.epochs} epochs: {_right(epoch['valid_accuracy'])}"
            frames.append(look(load_network(last), utterance, title))

        train(config, Path(folder), on_epoch=after)
        trained = load_network(last)
    torch.manual_seed(config.seed)  # the network as it was before
    validation = load_split(config, "valid")
    untrained = config.network(utterance.shape[1], validation.num_classes).eval()
    recalibrate(untrained, load_split(config, "train"))
    title = f"before training: {_right(evaluate(untrained, validation).accuracy)}"
    return [look(trained._replace(network=untrained), utterance, title), *frames]


def _right(accuracy: float) -> str:
    return f"{100 * accuracy:.0f} % right on new voices"


def picture(frames: Sequence[Frame], utterance: Tensor, words: Sequence[str], said: int, step: float) -> str:
    """Draw frames as an SVG that shows them in turn; neurons stand in the order of their first spike in the last one.

    Args:
        frames: What to show.
        utterance: The network's input, [T, channels].
        words: Names of the classes.
        said: Which of them the utterance is.
        step: Duration of a time step in seconds.
    """
    shown = min(len(utterance), int(torch.nonzero(utterance)[:, 0].max()) + AFTERWARDS)
    utterance = utterance[:shown]
    spikes = frames[-1].spikes[:shown]
    order = torch.where(spikes.any(0), spikes.argmax(0), len(spikes)).argsort(stable=True)  # by their first spike
    starts = int(torch.nonzero(utterance)[0, 0])
    busiest = int((spikes.sum(0) * ~spikes[:starts].bool().any(0)).argmax())  # of those that wait for the word
    membranes = torch.stack([each.membranes[:shown, busiest] for each in frames])
    low, high = membranes.min().item(), max(membranes.max().item(), 1.0)
    names = [*list(PANELS)[:-1], f"“{words[said]}”?"]
    still = [_text(0, top + height / 2 + 6, name) for name, (top, height) in zip(names, PANELS.values(), strict=True)]
    for time in range(0, round(1000 * step * shown), 200):
        still.append(_text(LEFT + WIDTH * time / (1000 * step * shown), BOTTOM + 20, f"{time}{' ms' * (not time)}"))
    threshold = torch.full((2,), (1.0 - low) / (high - low))
    still += [
        _dots(utterance, "utterance", "currentColor"),
        _line(threshold, "a neuron", f'stroke="{COLOURS[1]}" stroke-dasharray="5 4"'),
        f'<path d="M{LEFT} {BOTTOM}h{WIDTH}" stroke="currentColor"/>',
    ]
    moving = []
    for each in frames:
        heard = int(each.words[-1].argmax())
        verdict = "" if heard == said else f"no: “{words[heard]}”"
        moving.append(
            _text(0, 18, each.title)
            + _dots(each.spikes[:shown, order], "layer 2", COLOURS[0])
            + _line((each.membranes[:shown, busiest] - low) / (high - low), "a neuron", f'stroke="{COLOURS[0]}"')
            + _line(each.words[:shown, said], "is it", f'stroke="{COLOURS[2]}" stroke-width="2.5"')
            + _text(0, PANELS["is it"][0] + 58, verdict)
        )
    title = f"Spikes, membrane and verdict of a network on the word “{words[said]}”, before and after each epoch"
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 560 408" width="560"'
    return (
        f'{head} font-family="sans-serif" font-size="17" fill="none" stroke-width="1.6"><title>{escape(title)}</title>'
        f"<style>{THEME}</style><style>{_turns(len(frames))}</style>{''.join(still)}"
        + "".join(f'<g class="epoch epoch-{index}">{each}</g>' for index, each in enumerate(moving))
        + "</svg>\n"
    )


def _turns(count: int) -> str:
    """Style sheet that shows frames in turn; the last one alone where there is to be no motion."""
    stays = torch.tensor([FIRST, *[EACH] * (count - 2), LAST]).cumsum(0)
    ends = (100 * stays / stays[-1]).tolist()
    rules = [
        f".epoch{{opacity:0}}.epoch-{count - 1}{{opacity:1}}",
        f"@media(prefers-reduced-motion:no-preference){{.epoch{{animation:{stays[-1]:.1f}s step-end infinite}}}}",
    ]
    for index, (begin, end) in enumerate(zip([0.0, *ends], ends, strict=False)):
        until = f"{end:.2f}%{{opacity:0}}" if index < count - 1 else ""
        rules.append(f".epoch-{index}{{animation-name:epoch-{index}}}")
        rules.append(f"@keyframes epoch-{index}{{0%{{opacity:0}}{begin:.2f}%{{opacity:1}}{until}}}")
    return "".join(rules)


def _text(x: float, y: float, words: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" fill="currentColor">{escape(words)}</text>' if words else ""


def _dots(spikes: Tensor, panel: str, colour: str) -> str:
    """A dash for each spike of [T, N]; the first neuron is at the bottom."""
    top, height = PANELS[panel]
    steps, neurons = spikes.shape
    marks = "".join(f"M{time} {neurons - neuron}h.7" for time, neuron in torch.nonzero(spikes).tolist())
    scale = f"translate({LEFT} {top}) scale({WIDTH / steps:.4g} {height / neurons:.4g})"
    return (
        f'<path d="{marks}" transform="{scale}" stroke="{colour}" stroke-width="2" vector-effect="non-scaling-stroke"/>'
    )


def _line(values: Tensor, panel: str, style: str) -> str:
    """A line of values from 0 to 1."""
    top, height = PANELS[panel]
    across = torch.linspace(LEFT, LEFT + WIDTH, len(values)).tolist()
    points = (f"{x:.0f} {top + height * (1 - y):.1f}" for x, y in zip(across, values.tolist(), strict=True))
    return f'<path d="M{"L".join(points)}" {style}/>'


def main() -> None:
    """Train, look, write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neuron", default="SiLIF", help="SiLIF, C-SiLIF, cAdLIF, ...")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--utterance", type=int, default=7, help="which one of the test set")
    parser.add_argument("--out", type=Path, default=Path("training.svg"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    settings = recipes.read(recipes.find(f"spoken-digits/{arguments.neuron.lower()}"))
    config = TrainConfig.from_mapping({**settings, "epochs": arguments.epochs})
    test = load_split(config, "test")
    utterance, said = test[arguments.utterance]
    frames = learn(config, utterance)
    write_file(arguments.out, picture(frames, utterance, test.classes, int(said), 0.010).encode())
    for each in frames:
        print(each.title)
    print(arguments.out)


if __name__ == "__main__":
    main()
