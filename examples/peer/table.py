#!/usr/bin/env python3
"""Print isogloss's and the peer's scores by language as one Markdown table.

    python3 examples/peer/table.py runs/intents/seed-* --peer DIR/results.json

Both are means over seeds with the sample standard deviation, in percent.
"""

import argparse
import json
from pathlib import Path
from statistics import mean, stdev


def spread(values):
    """Return `mean ± standard deviation` in percent."""
    text = f"{100 * mean(values):.1f}"
    return f"{text} ± {100 * stdev(values):.1f}" if len(values) > 1 else text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", help="run folders of one recipe")
    parser.add_argument("--peer", type=Path, required=True, help="the peer's results.json")
    arguments = parser.parse_args()

    ours = [json.loads((run / "results.json").read_text()) for run in arguments.runs]
    theirs = json.loads(arguments.peer.read_text())["runs"]
    source, metric = ours[0]["sources"][0], ours[0]["metric"]

    def scores(runs, language):
        return [run["languages"][language][metric] for run in runs if language in run["languages"]]

    def targets(runs):
        return [
            mean(result[metric] for tag, result in run["languages"].items() if tag != source) for run in runs
        ]

    languages = sorted(ours[0]["languages"], key=lambda tag: -mean(scores(ours, tag)))
    print("| language | n | isogloss | PyTorch |\n|---|---:|---:|---:|")
    for tag in languages:
        n = ours[0]["languages"][tag]["n"]
        mark = " (source)" if tag == source else ""
        print(f"| {tag}{mark} | {n} | {spread(scores(ours, tag))} | {spread(scores(theirs, tag))} |")
    print(f"| **mean of {len(languages) - 1} targets** | | **{spread(targets(ours))}** | **{spread(targets(theirs))}** |")


if __name__ == "__main__":
    main()
