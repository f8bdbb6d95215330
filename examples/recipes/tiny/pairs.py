#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# ///
"""Write the text that isogloss-tiny learns from.

    python3 examples/recipes/tiny/pairs.py corpora

Makes DIR/tiny/en-{language}.tsv of what `examples/corpora/prepare.py` left in DIR: help paragraphs in
English and in the language, both of at most 300 characters, and the commands of the language's train
and dev splits, each beside itself: the student's vector of a command is to be the teacher's. English and
Arabic, which have no help paragraphs of their own, have commands alone.
"""

import json
import sys
from pathlib import Path

LANGUAGES = "ar de el en es eu fi fr hi it ko nl pl ru vi zh-CN".split()
HELP = {"zh-CN": "zh"}
MOST_CHARACTERS = 300


def help_pairs(folder, language):
    path = folder / "parallel" / f"en-{HELP.get(language, language)}.tsv"
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        left, right = line.split("\t")
        if max(len(left), len(right)) <= MOST_CHARACTERS:
            yield left, right


def commands(folder, language):
    lines = (folder / "intents" / f"{language}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = map(json.loads, lines)
    texts = (" ".join(row["text"].split()) for row in rows if row["split"] != "test")
    return ((text, text) for text in dict.fromkeys(texts))


def main():
    folder = Path(sys.argv[1])
    out = folder / "tiny"
    out.mkdir(exist_ok=True)
    for language in LANGUAGES:
        helps, own = list(help_pairs(folder, language)), list(commands(folder, language))
        lines = [f"{left}\t{right}\n" for left, right in helps + own]
        (out / f"en-{language}.tsv").write_text("".join(lines), encoding="utf-8")
        print(f"{language}: {len(helps)} help paragraphs, {len(own)} commands")


if __name__ == "__main__":
    main()
