#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# ///
"""Write the model card of isogloss-tiny: what is in card.md, with tables of scores in their places.

    python3 examples/recipes/tiny/card.py FOLDER --distilled RUN --teacher RUN --tasks RUN RUN

FOLDER is that of the model. The runs hold results.json: the student's distillation, the teacher's
retrieval of the same pairs, and the fine-tuning of student and teacher on the commands of examples/data.
"""

import argparse
import json
import re
from pathlib import Path


def languages(run):
    return json.loads((Path(run) / "results.json").read_text())["languages"]


def table(names, columns):
    """Percent, a row a language and the mean of all but English last."""
    lines = ["| | " + " | ".join(names) + " |", "|---" + "|---:" * len(names) + "|"]
    first = columns[0]
    for language in sorted(first):
        scores = (100 * column[language]["accuracy"] for column in columns)
        lines.append(f"| {language} | " + " | ".join(f"{score:.1f}" for score in scores) + " |")
    others = [language for language in first if language != "en"]
    means = (100 * sum(column[l]["accuracy"] for l in others) / len(others) for column in columns)
    lines.append("| mean without en | " + " | ".join(f"**{mean:.1f}**" for mean in means) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--distilled", required=True)
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--tasks", nargs=2, required=True)
    args = parser.parse_args()
    names = ["isogloss-tiny", "multilingual-e5-small"]
    tables = {
        "retrieval": table(names, [languages(args.distilled), languages(args.teacher)]),
        "commands": table(names, [languages(run) for run in args.tasks]),
        "bytes": f"{sum(file.stat().st_size for file in args.folder.iterdir() if file.name != 'README.md') / 1e6:.2f} MB",
    }
    text = Path(__file__).with_name("card.md").read_text(encoding="utf-8")
    text = re.sub(r"\{\{(\w+)\}\}", lambda match: tables[match[1]], text)
    (args.folder / "README.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
