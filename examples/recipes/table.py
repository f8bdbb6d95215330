#!/usr/bin/env python3
"""Print finished runs as a Markdown table, a recipe a row, and one by language.

    python3 examples/recipes/table.py runs/consistency [--only 'intents_*'] [--first plain]

Every number is a mean over seeds with the sample standard deviation; scores are in percent. The trace
of the Fisher information and the sharpness, where they were measured, are those of the last measure of
`metrics.jsonl`. How the mean of the targets differs from the first recipe's is taken seed by seed. Of
retrieval, the scores before the first step stand beside those after the last.
"""

import argparse
import json
from pathlib import Path
from statistics import mean, stdev


def spread(values, form):
    """Return `mean ± standard deviation`."""
    text = format(mean(values), form).replace("-", "−")
    return f"{text} ± {format(stdev(values), form.lstrip('+'))}" if len(values) > 1 else text


def log(run):
    """Return the lines of a run's log."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def last(run, kind):
    """Return the last line of the log of a kind, empty if there is none."""
    return next((line for line in reversed(log(run)) if line["kind"] == kind), {})


def retrieval(runs, results):
    """Print how well sentences find their translations, before training and after, a language a row."""
    first = next(iter(runs.values()))[0]
    before = next(line for line in log(first) if line["kind"] == "dev" and line["step"] == 0)
    print(f"| language | before | {' | '.join(runs)} |\n|---|---:|{'---:|' * len(runs)}")
    for tag, score in before["languages"].items():
        cells = [spread([100 * r["languages"][tag]["accuracy"] for r in results[name]], ".1f") for name in runs]
        print(f"| {tag} | {100 * score:.1f} | {' | '.join(cells)} |")
    cells = [spread([100 * r["mean_target"] for r in results[name]], ".1f") for name in runs]
    print(f"| **mean** | {100 * before['accuracy']:.1f} | {' | '.join(cells)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, help="the --out of a sweep")
    parser.add_argument("--only", default="*", help="a pattern of the recipes' names")
    parser.add_argument("--first", default="plain", help="the recipe of the first row")
    arguments = parser.parse_args()

    recipes = sorted({path.parent.parent.name for path in arguments.runs.glob(f"{arguments.only}/seed-*/results.json")})
    recipes.sort(key=lambda name: name != arguments.first)
    if not recipes:
        parser.error(f"no finished run in {arguments.runs}")
    runs = {name: sorted(path.parent for path in arguments.runs.glob(f"{name}/seed-*/results.json")) for name in recipes}
    results = {name: [json.loads((run / "results.json").read_text()) for run in runs[name]] for name in recipes}
    if results[recipes[0]][0]["task"] == "retrieval":
        return retrieval(runs, results)
    sources, metric = results[recipes[0]][0]["sources"], results[recipes[0]][0]["metric"]
    if any(result["metric"] != metric for of_recipe in results.values() for result in of_recipe):
        parser.error("these runs are scored in different ways: choose among them with --only")

    measures = {name: [last(run, "measure") for run in runs[name]] for name in recipes}
    sharp = all("sharpness" in measure for of_recipe in measures.values() for measure in of_recipe)
    few_shot = all("mean_few_shot" in result for of_recipe in results.values() for result in of_recipe)
    seconds = {name: [last(run, "train").get("seconds") for run in runs[name]] for name in recipes}
    timed = all(None not in of_recipe for of_recipe in seconds.values())

    seeds = {name: [run.name for run in runs[name]] for name in recipes}
    paired = len(recipes) > 1 and len(seeds[recipes[0]]) > 1 and all(seeds[name] == seeds[recipes[0]] for name in recipes)
    more = (f" − {recipes[0]} |" if paired else "") + (" after a few examples |" if few_shot else "") + (" Fisher trace | sharpness |" if sharp else "") + (" trained parameters | seconds, the fastest |" if timed else "")
    of_sources = sources[0] if len(sources) == 1 else f"mean of {len(sources)} sources"
    print(f"| recipe | seeds | {of_sources} | mean of targets |{more}\n|---|---:|---:|---:|{'---:|' * more.count('|')}")
    for name in recipes:
        of_source = [100 * mean(result["languages"][tag][metric] for tag in sources) for result in results[name]]
        of_targets = [100 * result["mean_target"] for result in results[name]]
        cells = [spread(of_source, ".1f"), spread(of_targets, ".1f")]
        if paired:
            of_first = [100 * result["mean_target"] for result in results[recipes[0]]]
            differences = [score - first for score, first in zip(of_targets, of_first)]
            cells.append("" if name == recipes[0] else spread(differences, "+.1f"))
        if few_shot:
            cells.append(spread([100 * result["mean_few_shot"] for result in results[name]], ".1f"))
        if sharp:
            cells.append(spread([measure["fisher"]["trace"] for measure in measures[name]], ".1f"))
            cells.append(spread([measure["sharpness"]["adversarial"] for measure in measures[name]], ".4f"))
        if timed:
            cells.append(str(json.loads((runs[name][0] / "environment.json").read_text())["n_trainable"]))
            cells.append(f"{min(seconds[name]):.0f}")
        print(f"| {name} | {len(runs[name])} | {' | '.join(cells)} |")

    print(f"\n| language | {' | '.join(recipes)} |\n|---|{'---:|' * len(recipes)}")
    for tag in results[recipes[0]][0]["languages"]:
        cells = [spread([100 * r["languages"][tag][metric] for r in results[name]], ".1f") for name in recipes]
        print(f"| {tag} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
