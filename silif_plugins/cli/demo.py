"""``silif demo``: a network that ships with the package recognises spoken digits."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch

from ..tables import table
from ..training import from_pretrained, load_split, shipped
from .output import Answer
from .parser import Parser, UsageError

NET = "silif-spoken-digits"


def parser(arguments: Sequence[str] = ()) -> Parser:
    """Return the options."""
    found = Parser("demo", "Recognise spoken digits with a network that ships with the package.")
    found.add("--net", default=NET, metavar="NAME", help=f"One of {', '.join(shipped())}, or a folder. Default: {NET}.")
    found.add("--utterances", type=int, default=10, metavar="N", help="How many of the test set. Default: 10.")
    found.add("--seed", type=int, default=0, metavar="N", help="Which ones. Default: 0.")
    return found


def run(settings: argparse.Namespace) -> Answer:
    """Recognise utterances, one after the other."""
    net, config, classes, results = from_pretrained(settings.net)
    dataset = load_split(config, "test")
    if not 1 <= settings.utterances <= len(dataset):
        raise UsageError(f"utterances: got {settings.utterances}; it must be from 1 to {len(dataset)}")
    chosen = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(settings.seed))
    data = []
    for index in chosen[: settings.utterances].tolist():
        frames, label = dataset[index]
        with torch.no_grad():
            scores = net(frames.unsqueeze(0)).scores[0]
        best = int(scores.argmax())
        share = float(scores[best] / scores.sum())
        data.append({"utterance": index, "said": classes[label], "heard": classes[best], "share": round(share, 3)})
    rows = [("utterance", "said", "heard", "share of the score")]
    rows += [(str(e["utterance"]), str(e["said"]), str(e["heard"]), f"{e['share']:.0%}") for e in data]
    right = sum(each["said"] == each["heard"] for each in data)
    text = f"{table(rows)}\n\n{right} of {len(data)} right; {results['accuracy']:.1%} of the whole test set"
    return Answer(data, text, "silif train")
