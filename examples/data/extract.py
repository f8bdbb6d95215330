#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# ///
"""Take the small data that the examples need from the large data that `prepare.py` fetches.

    python3 examples/corpora/prepare.py --out corpora --only intents
    python3 examples/data/extract.py corpora

Writes, beside this file,

- commands/{language}.jsonl: `text`, `label` and `split`; all English commands of the train and dev
  splits, and as many of the test split of each language as EACH, evenly spaced, of those whose label
  English has;
- sources/{language}.jsonl: the same for several languages of training, English, German and French, as many
  of each split as SOURCES; of four others the test split alone;
- texts/{language}.txt: commands of the train split of each language, without labels and whatever their label
  is, as many as TEXTS, evenly spaced, each once and none of those in commands/{language}.jsonl;
- names/en-{language}.tsv: what CLDR calls an emoji in English and in the language, as many as NAMES,
  evenly spaced, of the names that are no more than three words in English, and not the same in both;
- names/{language}.txt: the names of that file in the language alone.
"""

import json
import sys
from pathlib import Path

LANGUAGES = "ar de el en es eu fi fr hi it ko nl pl ru vi zh-CN".split()
ANNOTATIONS = "downloads/cldr-annotations-full-48-2-0/package/annotations"
TAGS = {"zh-CN": "zh"}
EACH, NAMES, TEXTS = 160, 400, 320
SEVERAL = "en de fr es hi it ru".split()
SOURCES = {"train": 480, "dev": 96, "test": 160}
HERE = Path(__file__).resolve().parent


def spaced(rows, n):
    n = min(n, len(rows))
    return [rows[i * len(rows) // n] for i in range(n)]


def commands(folder, language):
    lines = (folder / "intents" / f"{language}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = map(json.loads, lines)
    return [{key: row[key] for key in ("text", "label", "split")} for row in rows]


def names(folder, language):
    path = folder / ANNOTATIONS / TAGS.get(language, language) / "annotations.json"
    entries = json.loads(path.read_text(encoding="utf-8"))["annotations"]["annotations"]
    return {emoji: entry["tts"][0] for emoji, entry in entries.items() if "tts" in entry}


def write(path, lines):
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def main():
    folder = Path(sys.argv[1])
    english = commands(folder, "en")
    labels = {row["label"] for row in english if row["split"] == "train"}
    english_names = names(folder, "en")
    for language in LANGUAGES:
        rows = english if language == "en" else commands(folder, language)
        tests = [row for row in rows if row["split"] == "test" and row["label"] in labels]
        kept = [row for row in rows if row["split"] != "test"] if language == "en" else []
        kept += spaced(tests, EACH)
        lines = (json.dumps(row, ensure_ascii=False) for row in kept)
        write(HERE / "commands" / f"{language}.jsonl", lines)
        known = {row["text"] for row in kept if row["split"] == "test"}
        texts = dict.fromkeys(row["text"] for row in rows if row["split"] == "train")
        write(HERE / "texts" / f"{language}.txt", spaced([text for text in texts if text not in known], TEXTS))
        if language in SEVERAL:
            known = [row for row in rows if row["label"] in labels]
            kept = [row for split, n in SOURCES.items() for row in spaced([r for r in known if r["split"] == split], n)]
            if language not in SEVERAL[:3]:
                kept = [row for row in kept if row["split"] == "test"]
            lines = (json.dumps(row, ensure_ascii=False) for row in kept)
            write(HERE / "sources" / f"{language}.jsonl", lines)
        if language == "en":
            continue
        own = names(folder, language)
        pairs = dict.fromkeys(
            (name, own[emoji])
            for emoji, name in english_names.items()
            if emoji in own and len(name.split()) <= 3 and name.lower() != own[emoji].lower()
        )
        kept = spaced(list(pairs), NAMES)
        write(HERE / "names" / f"en-{language}.tsv", map("\t".join, kept))
        write(HERE / "names" / f"{language}.txt", (name for _, name in kept))


if __name__ == "__main__":
    main()
