#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "torch==2.15.0",
#     "transformers==5.23.0",
#     "tokenizers==0.23.3",
#     "numpy==2.4.6",
#     "scikit-learn==1.9.1",
#     "seqeval==1.2.2",
# ]
# ///
"""Fine-tune an encoder on one language and evaluate it on many: the PyTorch peer of isogloss.

    python3 examples/peer/finetune.py --model DIR --data DIR/intents --out DIR [--seed 1 2 3]

The same data, model folder and settings as `isogloss finetune`, for comparing scores. DATA holds
`<language>.jsonl` with `text`, `label`, `slots` and `split`, as examples/corpora/prepare.py writes
them.

Data. Training takes the split "train" of the source language. After each epoch the model is scored
on its split "dev", and the best epoch, the earliest of equals, is kept. The kept model is scored on
the split "test" of every language. Classes are those of the source's training split; dev and test
examples with another class are left out and counted. In tagging the classes are the slot types, and
an example is left out when any of its slots has a type that is not among them.

Classification. Mean over real tokens (special ones too) of the last hidden state, dropout 0.1, a
linear layer drawn from N(0, 0.02) with zero bias, cross-entropy. Scored by accuracy, and by macro-F1
over the classes that are true or predicted somewhere.

Tagging. Dropout and linear layer on each token. A subword takes the slot that its characters
overlap, surrounding blanks not counted; the first such subword of a slot is `B-`, the others `I-`;
one of no width is `O`. Special tokens have no label. Scored by seqeval's span F1 over subwords.

Training. AdamW (betas 0.9 and 0.999, eps 1e-8), no weight decay on biases and layer norms, global
gradient norm clipped to 1, linear decay after a linear warm-up of ceil(ratio * steps) steps. Each
epoch's order: a seeded shuffle, cut into stretches of 50 batches, each sorted by length and cut into
batches, and the batches shuffled. Batches are padded to their longest row.
"""

import argparse
import copy
import json
import math
import resource
import statistics
import time
from collections import namedtuple
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModel, get_linear_schedule_with_warmup

IGNORE_INDEX = -100
MEGA_BATCH = 50
EVAL_BATCH = 64
MIN_SHARED_LABELS = 18

Example = namedtuple("Example", "input_ids labels")


# ---------------------------------------------------------------- data


def read_rows(data, language):
    """Read the rows of a language."""
    with (data / f"{language}.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def pick_languages(data, source, wanted):
    """Return the languages to evaluate; "auto" takes those that share enough labels with the source."""
    if wanted != "auto":
        return wanted.split(",")
    known = {row["label"] for row in read_rows(data, source) if row["split"] == "train"}
    found = []
    for path in sorted(data.glob("*.jsonl")):
        shared = {row["label"] for row in read_rows(data, path.stem)} & known
        if len(shared) >= MIN_SHARED_LABELS:
            found.append(path.stem)
    return found


def classes_of(row, task):
    """Return the classes that an example needs: its label, or the types of its slots."""
    return {row["label"]} if task == "classification" else {slot["slot"] for slot in row["slots"]}


def label_names(rows, task):
    """Return the names of the outputs, from the source's training rows."""
    classes = sorted(set().union(*(classes_of(row, task) for row in rows)))
    if task == "classification":
        return classes
    return ["O"] + [f"{mark}-{name}" for name in classes for mark in "BI"]


def bio_tags(text, slots, offsets, special):
    """Tag the subwords of a text; None marks special tokens."""
    tags, begun = [], set()
    for (start, end), is_special in zip(offsets, special, strict=True):
        # A sentencepiece offset covers the blank before its word.
        while start < end and text[start].isspace():
            start += 1
        while start < end and text[end - 1].isspace():
            end -= 1
        hit = next((idx for idx, slot in enumerate(slots) if start < slot["end"] and slot["start"] < end), None)
        if is_special:
            tags.append(None)
        elif hit is None or start == end:
            tags.append("O")
        else:
            tags.append(f"{'I' if hit in begun else 'B'}-{slots[hit]['slot']}")
            begun.add(hit)
    return tags


def encode(rows, task, names, tokenizer):
    """Encode the rows whose classes are known, and count the others."""
    idx_of = {name: idx for idx, name in enumerate(names)}
    known = set(names) if task == "classification" else {name[2:] for name in names[1:]}
    kept = [row for row in rows if classes_of(row, task) <= known]
    examples = []
    for row, encoding in zip(kept, tokenizer.encode_batch([row["text"] for row in kept]), strict=True):
        if task == "classification":
            labels = idx_of[row["label"]]
        else:
            tags = bio_tags(row["text"], row["slots"], encoding.offsets, encoding.special_tokens_mask)
            labels = [IGNORE_INDEX if tag is None else idx_of[tag] for tag in tags]
        examples.append(Example(encoding.ids, labels))
    return examples, len(rows) - len(kept)


def length_grouped_batches(examples, batch_size, generator):
    """Return one epoch of batches of row numbers, rows of like length together, in random order."""
    order = torch.randperm(len(examples), generator=generator).tolist()
    mega, batches = MEGA_BATCH * batch_size, []
    for start in range(0, len(order), mega):
        stretch = sorted(order[start : start + mega], key=lambda idx: len(examples[idx].input_ids), reverse=True)
        batches += [stretch[idx : idx + batch_size] for idx in range(0, len(stretch), batch_size)]
    return [batches[idx] for idx in torch.randperm(len(batches), generator=generator).tolist()]


def collate(examples, pad_id, device):
    """Pad examples to the longest and return ids, mask and labels."""

    def pad(rows, value):
        rows = [torch.tensor(row) for row in rows]
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value).to(device)

    input_ids = pad([example.input_ids for example in examples], pad_id)
    mask = pad([[1] * len(example.input_ids) for example in examples], 0)
    if isinstance(examples[0].labels, int):
        labels = torch.tensor([example.labels for example in examples], device=device)
    else:
        labels = pad([example.labels for example in examples], IGNORE_INDEX)
    return input_ids, mask, labels


# ---------------------------------------------------------------- model


class Classifier(torch.nn.Module):
    """An encoder with a linear layer on the mean of its tokens, or on each token."""

    def __init__(self, encoder, n_labels, task="classification"):
        super().__init__()
        self.encoder = encoder
        self.task = task
        self.dropout = torch.nn.Dropout(0.1)
        self.classifier = torch.nn.Linear(encoder.config.hidden_size, n_labels)
        torch.nn.init.normal_(self.classifier.weight, std=0.02)
        torch.nn.init.zeros_(self.classifier.bias)

    def forward(self, input_ids, attention_mask):
        """Return logits, `[batch, labels]`, or `[batch, seq, labels]` in tagging."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        if self.task == "classification":
            weights = attention_mask.unsqueeze(-1).to(hidden.dtype)
            hidden = (hidden * weights).sum(1) / weights.sum(1)
        return self.classifier(self.dropout(hidden))


def load_encoder(folder, random_init=False, **overrides):
    """Load the encoder in a folder, without a pooler; with overrides of its config where given."""
    config = AutoConfig.from_pretrained(folder, **overrides)
    options = {"attn_implementation": "sdpa"}
    if config.model_type in ("bert", "xlm-roberta", "roberta"):
        options["add_pooling_layer"] = False
    if random_init:
        options.pop("add_pooling_layer", None)
        model = AutoModel.from_config(config, **options)
        model.pooler = None
        return model
    return AutoModel.from_pretrained(folder, config=config, dtype=torch.float32, **options)


def parameter_groups(model, weight_decay):
    """Split the parameters into those that decay and the biases and layer norms, which do not."""
    norms = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, torch.nn.LayerNorm)}
    decayed, kept = [], []
    for name, parameter in model.named_parameters():
        (kept if name in norms or name.endswith("bias") else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": kept, "weight_decay": 0.0}]


# ---------------------------------------------------------------- training and evaluation


@torch.inference_mode()
def evaluate(model, examples, names, pad_id, device):
    """Score a model on examples; long rows first, so that batches are of like length."""
    # Imported here because the benchmarks, which score nothing, also run where these are missing.
    from seqeval.metrics import f1_score as span_f1
    from seqeval.metrics import precision_score as span_precision
    from seqeval.metrics import recall_score as span_recall
    from sklearn.metrics import accuracy_score, f1_score

    model.eval()
    order = sorted(range(len(examples)), key=lambda idx: -len(examples[idx].input_ids))
    true, pred = [], []
    for start in range(0, len(order), EVAL_BATCH):
        batch = [examples[idx] for idx in order[start : start + EVAL_BATCH]]
        input_ids, mask, labels = collate(batch, pad_id, device)
        best = model(input_ids, mask).argmax(-1)
        if model.task == "classification":
            true += labels.tolist()
            pred += best.tolist()
        else:
            for true_row, pred_row in zip(labels.tolist(), best.tolist(), strict=True):
                pairs = [(names[t], names[p]) for t, p in zip(true_row, pred_row, strict=True) if t != IGNORE_INDEX]
                true.append([t for t, _ in pairs])
                pred.append([p for _, p in pairs])
    if model.task == "classification":
        return {
            "n": len(examples),
            "accuracy": float(accuracy_score(true, pred)),
            "macro_f1": float(f1_score(true, pred, average="macro", zero_division=0)),
        }
    return {
        "n": len(examples),
        "precision": float(span_precision(true, pred, zero_division=0)),
        "recall": float(span_recall(true, pred, zero_division=0)),
        "f1": float(span_f1(true, pred, zero_division=0)),
    }


def run_seed(seed, arguments, names, train, dev, tests, pad_id):
    """Train with one seed and score every language; return what results.json says of the run."""
    metric = "accuracy" if arguments.task == "classification" else "f1"
    device = torch.device(arguments.torch_device)
    torch.manual_seed(seed)
    order = torch.Generator().manual_seed(seed)
    model = Classifier(load_encoder(arguments.model), len(names), arguments.task).to(device)
    optimizer = torch.optim.AdamW(
        parameter_groups(model, arguments.weight_decay), lr=arguments.lr, betas=(0.9, 0.999), eps=1e-8
    )
    steps_per_epoch = math.ceil(len(train) / arguments.batch_size)
    total_steps = arguments.epochs * steps_per_epoch
    if arguments.max_steps:
        total_steps = min(total_steps, arguments.max_steps)
    warmup_steps = math.ceil(arguments.warmup_ratio * total_steps)
    schedule = get_linear_schedule_with_warmup(optimizer, warmup_steps, total_steps)

    step, epochs, best, best_state, started = 0, [], None, None, time.perf_counter()
    while step < total_steps:
        model.train()
        losses = []
        for rows in length_grouped_batches(train, arguments.batch_size, order):
            if step == total_steps:
                break
            input_ids, mask, labels = collate([train[idx] for idx in rows], pad_id, device)
            logits = model(input_ids, mask)
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, -2), labels.flatten(), ignore_index=IGNORE_INDEX)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            losses.append(loss.item())
            step += 1
        scores = evaluate(model, dev, names, pad_id, device)
        epochs.append({"epoch": len(epochs) + 1, "train_loss": statistics.fmean(losses), "dev": scores})
        print(f"seed {seed} epoch {len(epochs)} loss {epochs[-1]['train_loss']:.4f} dev {metric} {scores[metric]:.4f}")
        if best is None or scores[metric] > best[metric]:
            best, best_state = {"epoch": len(epochs), **scores}, copy.deepcopy(model.state_dict())
    train_secs = time.perf_counter() - started

    model.load_state_dict(best_state)
    languages = {}
    for language, (examples, n_left_out) in tests.items():
        if examples:
            scores = evaluate(model, examples, names, pad_id, device)
            languages[language] = {**scores, "n_left_out": n_left_out}
    return {
        "seed": seed,
        "steps": total_steps,
        "warmup_steps": warmup_steps,
        "train_secs": train_secs,
        "best_epoch": best["epoch"],
        "epochs": epochs,
        "languages": languages,
        "target_means": target_means(languages, arguments.source),
    }


def target_means(languages, source):
    """Return the mean of each score over the languages other than the source, each counting once."""
    targets = [scores for language, scores in languages.items() if language != source]
    keys = [key for key in targets[0] if not key.startswith("n")] if targets else []
    return {key: statistics.fmean(scores[key] for scores in targets) for key in keys}


def mean_and_std(values):
    """Return the mean and the sample standard deviation, 0 for a single value."""
    return {"mean": statistics.fmean(values), "std": statistics.stdev(values) if len(values) > 1 else 0.0}


def summarize(runs):
    """Join the runs: means per language, and mean and deviation of the means over targets."""
    languages, stds = {}, {}
    for language, first in runs[0]["languages"].items():
        joined = {
            key: mean_and_std([run["languages"][language][key] for run in runs])
            for key in first
            if not key.startswith("n")
        }
        counts = {key: first[key] for key in ("n", "n_left_out")}
        languages[language] = counts | {key: value["mean"] for key, value in joined.items()}
        stds[language] = {key: value["std"] for key, value in joined.items()}
    means = {key: mean_and_std([run["target_means"][key] for run in runs]) for key in runs[0]["target_means"]}
    return {"languages": languages, "languages_std": stds, "target_means": means}


def print_table(summary, source, n_runs):
    """Print scores per language, and their means over the targets."""
    keys = [key for key in next(iter(summary["languages"].values())) if not key.startswith("n")]
    print(f"{'language':10}{'n':>6}{'left out':>10}" + "".join(f"{key:>11}" for key in keys))
    for language, scores in summary["languages"].items():
        mark = " *" if language == source else ""
        values = "".join(f"{100 * scores[key]:11.2f}" for key in keys)
        print(f"{language + mark:10}{scores['n']:6}{scores['n_left_out']:10}{values}")
    for key, value in summary["target_means"].items():
        mean, std = 100 * value["mean"], 100 * value["std"]
        print(f"mean over targets, without {source}, {n_runs} seed(s): {key} {mean:.2f} ± {std:.2f}")


def parse_arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="Hugging Face model folder")
    parser.add_argument("--data", type=Path, required=True, help="folder of <language>.jsonl files")
    parser.add_argument("--out", type=Path, required=True, help="folder for results.json")
    parser.add_argument("--task", choices=("classification", "tagging"), default="classification")
    parser.add_argument("--source", default="en", help="language to train on")
    parser.add_argument("--languages", default="auto", help="languages to evaluate, comma-separated, or auto")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--lr", type=float, default=5e-5)
    parser.add_argument("--warmup-ratio", type=float, default=0.1)
    parser.add_argument("--weight-decay", type=float, default=0.01)
    parser.add_argument("--max-length", type=int, default=128, help="in tokens, special ones included")
    parser.add_argument("--max-steps", type=int, help="stop, and end the schedule, after so many steps")
    parser.add_argument("--seed", type=int, nargs="+", default=[1], help="one run for each")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--torch-device", default="cpu", help="cpu or cuda")
    return parser.parse_args()


def main():
    """Train, evaluate, write and print."""
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    tokenizer = Tokenizer.from_file(str(arguments.model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(arguments.max_length)
    pad_id = AutoConfig.from_pretrained(arguments.model).pad_token_id

    task, source = arguments.task, arguments.source
    languages = pick_languages(arguments.data, source, arguments.languages)
    if source not in languages:
        languages.insert(0, source)
    splits = {
        split: [row for row in read_rows(arguments.data, source) if row["split"] == split] for split in ("train", "dev")
    }
    names = label_names(splits["train"], task)
    train, _ = encode(splits["train"], task, names, tokenizer)
    dev, dev_left_out = encode(splits["dev"], task, names, tokenizer)
    tests = {}
    for language in languages:
        rows = [row for row in read_rows(arguments.data, language) if row["split"] == "test"]
        tests[language] = encode(rows, task, names, tokenizer)
        if not tests[language][0]:
            print(f"{language}: no test example has a known class; not evaluated")
    print(f"{len(train)} train, {len(dev)} dev ({dev_left_out} left out)")
    print(f"{len(names)} labels, {len(languages)} languages")

    runs = [run_seed(seed, arguments, names, train, dev, tests, pad_id) for seed in arguments.seed]
    summary = summarize(runs)
    settings = {key: str(value) if isinstance(value, Path) else value for key, value in vars(arguments).items()}
    settings["torch"] = torch.__version__
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    results = {"settings": settings, "labels": names, **summary, "runs": runs, "peak_rss_mb": memory}
    arguments.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, ensure_ascii=False, indent=1)
    (arguments.out / "results.json").write_text(text + "\n", encoding="utf-8")
    print_table(summary, source, len(runs))


if __name__ == "__main__":
    main()
