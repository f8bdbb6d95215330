#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "torch==2.15.0",
#     "transformers==4.57.6",
#     "adapters==1.3.0",
#     "tokenizers==0.22.2",
#     "numpy==2.4.6",
# ]
# ///
"""Train adapters with isogloss and with PyTorch and the `adapters` library, in turn, and compare.

    cargo build --release
    python3 examples/peer/adapters_speed.py --isogloss target/release/isogloss \\
        --recipe examples/recipes/adapters/intents_{adapter,gradual}.toml [--epochs 5] [--every 100]

Both train the recipe's adapter, with its schedule, on the training split of its source: the same
number of optimizer steps over batches of the same size and like lengths, forward, backward, clipping
and AdamW. Evaluation and loading are not timed, but for what isogloss computes of frozen layers before
the first step. Each program is a process of its own, with two threads and its own peak of memory.
PyTorch's frozen layers take no gradients either, so that it makes no graph below the lowest open one;
its learning rate is constant, which costs as much as one that falls.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path


def read_recipe(path):
    """Return the tables of a recipe, merged with those of the recipes that it extends."""
    table = tomllib.loads(path.read_text())
    extended = table.pop("extends", None)
    return merged(read_recipe(path.parent / extended), table) if extended else table


def merged(inherited, own):
    """Return the entries of both, those of `own` before the others."""
    both = {key: merged(inherited[key], own[key]) for key in inherited.keys() & own.keys() if isinstance(own[key], dict)}
    return {**inherited, **own, **both}


def extend(recipe, path, differences):
    """Write a recipe that differs from another one."""
    path.write_text(f"extends = {json.dumps(str(recipe.absolute()))}\n{differences}")


def ours(isogloss, recipe, epochs, device):
    """Run `isogloss finetune`; return seconds by step, and megabytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speed.toml"
        extend(recipe, path, f'[data]\nlanguages = ["de"]\n[training]\nepochs = {epochs}\nlog_every = 1\n')
        command = [isogloss, "finetune", path, "--out", folder, "--device", device]
        two_threads = {**os.environ, "RAYON_NUM_THREADS": "2"}
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=two_threads)
        error = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            sys.exit(error.decode())
        lines = map(json.loads, (Path(folder) / "speed/seed-42/metrics.jsonl").read_text().splitlines())
        totals = [line["seconds"] for line in lines if line["kind"] == "train"]
    return [b - a for a, b in zip([0.0, *totals], totals)], usage.ru_maxrss / 1024


def theirs(recipe, epochs, device):
    """Train with PyTorch in a process of its own; return the same."""
    command = [sys.executable, __file__, "--one", json.dumps([str(recipe), epochs, device])]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def train_with_torch(recipe, epochs, device):
    """Train and print seconds by step, and megabytes."""
    import adapters
    import torch
    from finetune import Example, collate, length_grouped_batches
    from tokenizers import Tokenizer
    from transformers import AutoModel

    torch.set_num_threads(2)
    table = read_recipe(Path(recipe))
    source = table["model"]["source"]
    data = table["data"]["path"].replace("{language}", table["data"]["sources"][0])
    rows = [json.loads(line) for line in Path(data).read_text().splitlines()]
    rows = [row for row in rows if row["split"] == "train"]
    names = sorted({row["label"] for row in rows})
    tokenizer = Tokenizer.from_file(f"{source}/tokenizer.json")
    examples = [
        Example(encoding.ids, names.index(row["label"]))
        for row, encoding in zip(rows, tokenizer.encode_batch([row["text"] for row in rows]))
    ]

    model = AutoModel.from_pretrained(source, add_pooling_layer=False)
    adapters.init(model)
    factor = table["adapter"]["seq_bn"]["reduction_factor"]
    model.add_adapter("task", config=adapters.SeqBnConfig(reduction_factor=factor))
    model.train_adapter("task")
    head = torch.nn.Linear(model.config.hidden_size, len(names))
    dropout = torch.nn.Dropout(0.1)
    model, head = model.to(device).train(), head.to(device)
    layers = model.encoder.layer
    schedule = table.get("schedule", {})
    every = schedule.get("gradual_unfreeze", {}).get("every_steps")
    if schedule and list(schedule.get("gradual_unfreeze", {})) != ["every_steps"]:
        sys.exit(f"{recipe}: compared are adapters all at once and gradual unfreezing, top down")
    opened = {layer: 0 if every is None else every * (len(layers) - 1 - layer) for layer in range(len(layers))}
    params = [param for param in model.parameters() if param.requires_grad] + list(head.parameters())
    optimizer = torch.optim.AdamW(params, lr=1e-3, weight_decay=0.01)

    batch_size = table["training"]["batch_size"]
    generator = torch.Generator().manual_seed(42)
    seconds, step = [], 0
    for _ in range(epochs):
        for indices in length_grouped_batches(examples, batch_size, generator):
            for layer, block in enumerate(layers):
                if opened[layer] >= step and opened[layer] in (0, step) or step == 0:
                    for name, param in block.named_parameters():
                        if "adapters" in name:
                            param.requires_grad_(opened[layer] <= step)
            batch = [examples[idx] for idx in indices]
            ids, mask, labels = collate(batch, model.config.pad_token_id, device)
            began = time.perf_counter()
            states = model(input_ids=ids, attention_mask=mask).last_hidden_state
            weights = mask.unsqueeze(-1).to(states.dtype)
            vectors = (states * weights).sum(1) / weights.sum(1)
            loss = torch.nn.functional.cross_entropy(head(dropout(vectors)), labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_([param for param in params if param.grad is not None], 1.0)
            optimizer.step()
            loss.item()
            seconds.append(time.perf_counter() - began)
            step += 1
    print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))


def interval(recipe):
    """Return after how many steps a recipe opens the next layer, if it opens one by one."""
    return read_recipe(recipe).get("schedule", {}).get("gradual_unfreeze", {}).get("every_steps")


def with_interval(recipe, every, folder):
    """Return a recipe in which layers open every so many steps."""
    path = folder / f"{recipe.stem}_{every}.toml"
    differences = f"[schedule.gradual_unfreeze]\nevery_steps = {every}\n" if interval(recipe) else ""
    extend(recipe, path, differences)
    return path


def median(values):
    """Return the middle value."""
    return sorted(values)[len(values) // 2]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--isogloss", type=Path)
    parser.add_argument("--recipe", type=Path, nargs="+")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--every", type=int, help="open a layer every so many steps, not as the recipe says")
    parser.add_argument("--device", default="flex", help="where isogloss computes")
    parser.add_argument("--torch-device", default="cpu")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        return train_with_torch(*json.loads(arguments.one))
    print("| recipe | isogloss, s | PyTorch, s | speed | isogloss, MB | PyTorch, MB |\n|---|---:|---:|---:|---:|---:|")
    steps = {}
    folder = tempfile.TemporaryDirectory()
    if arguments.every:
        arguments.recipe = [with_interval(recipe, arguments.every, Path(folder.name)) for recipe in arguments.recipe]
    for recipe in arguments.recipe:
        a, b = ours(arguments.isogloss, recipe, arguments.epochs, arguments.device), theirs(
            recipe, arguments.epochs, arguments.torch_device
        )
        if len(a[0]) != len(b[0]):
            sys.exit(f"{recipe}: {len(a[0])} steps and {len(b[0])} steps are not the same work")
        steps[recipe.stem] = (a[0], b[0])
        print(f"| {recipe.stem} | {sum(a[0]):.1f} | {sum(b[0]):.1f} | {sum(b[0]) / sum(a[0]):.2f}× | {a[1]:.0f} | {b[1]:.0f} |")
    for recipe in arguments.recipe:
        every = interval(recipe)
        if every is None:
            continue
        print(f"\n| open layers, {recipe.stem} | isogloss, s a step | PyTorch, s a step |\n|---:|---:|---:|")
        a, b = steps[recipe.stem]
        # The last stretch has the rest of the run.
        starts = list(range(0, min(len(a), 12 * every), every))
        for n, (start, end) in enumerate(zip(starts, [*starts[1:], len(a)]), 1):
            print(f"| {n} | {median(a[start:end]):.3f} | {median(b[start:end]):.3f} |")


if __name__ == "__main__":
    main()
