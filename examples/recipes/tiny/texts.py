#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# ///
"""Write the texts that isogloss-tiny is made of.

    python3 examples/recipes/tiny/texts.py DIR

From what `examples/corpora/prepare.py` left in DIR, makes

- DIR/tiny/commands/{language}.txt: the commands of the train and dev splits, a line each, no labels;
- DIR/tiny/help/{language}.txt: help paragraphs of at most 300 characters;
- DIR/tiny/pairs/en-{language}.tsv: such paragraphs in English and in the language, then the commands,
  each beside itself: the student's vector of a command is to be the teacher's.

There are no help paragraphs in Arabic.
"""

import json
import sys
from pathlib import Path

LANGUAGES = "ar de el en es eu fi fr hi it ko nl pl ru vi zh-CN".split()
HELP = {"zh-CN": "zh"}
MOST_CHARACTERS = 300


def commands(folder, language):
    lines = (folder / "intents" / f"{language}.jsonl").read_text(encoding="utf-8").splitlines()
    texts = (row["text"] for row in map(json.loads, lines) if row["split"] != "test")
    return list(dict.fromkeys(" ".join(text.split()) for text in texts))


def help_pairs(folder, language):
    path = folder / "parallel" / f"en-{HELP.get(language, language)}.tsv"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    pairs = (line.split("\t") for line in lines)
    return [pair for pair in pairs if max(map(len, pair)) <= MOST_CHARACTERS]


def write(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def main():
    folder = Path(sys.argv[1])
    english = {}
    for language in LANGUAGES:
        own, pairs = commands(folder, language), help_pairs(folder, language)
        write(folder / "tiny" / "commands" / f"{language}.txt", own)
        english.update(dict.fromkeys(left for left, _ in pairs))
        if pairs:
            write(folder / "tiny" / "help" / f"{language}.txt", [right for _, right in pairs])
        lines = ["\t".join(pair) for pair in pairs] + [f"{text}\t{text}" for text in own]
        write(folder / "tiny" / "pairs" / f"en-{language}.tsv", lines)
        print(f"{language}: {len(pairs)} help paragraphs, {len(own)} commands")
    write(folder / "tiny" / "help" / "en.txt", english)


if __name__ == "__main__":
    main()
