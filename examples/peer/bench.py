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
"""Time PyTorch on the work of `examples/benchmark.rs`, and print one line of JSON.

    python3 examples/peer/bench.py --model DIR --mode train|infer [--batch 16 --seq 128]
    python3 examples/peer/bench.py --model DIR --mode train --natural --data DIR/intents/en.jsonl

Without `--natural`, every row has `--seq` tokens with random ids and no padding. With it, rows are
texts in the order of the file, cut to `--seq` tokens and padded to the longest of the batch.

A training step is forward with dropout, cross-entropy over 42 classes on mean-pooled tokens,
backward, clipping of the global gradient norm, and AdamW, in f32. An inference step is a forward
pass without dropout. `--vocab` or `--layers` build another size with random weights.

The line has `mode`, `batch`, `seq`, `secs_per_step` (after the warm-up), `median_secs`,
`tokens_per_sec` (real tokens of the timed steps over their time) and `peak_rss_mb` (of the whole
process, loading included; on cuda also `peak_device_mb`).
"""

import argparse
import contextlib
import json
import resource
import statistics
import time
from pathlib import Path

import torch
from finetune import Classifier, Example, collate, load_encoder, parameter_groups
from tokenizers import Tokenizer

CLASSES = 42


def uniform_batches(arguments, vocab, generator):
    """Return batches of full rows, one for each step."""
    batches = []
    for _ in range(arguments.warmup + arguments.steps):
        input_ids = torch.randint(4, vocab, (arguments.batch, arguments.seq), generator=generator)
        labels = torch.randint(0, CLASSES, (arguments.batch,), generator=generator)
        batches.append((input_ids, torch.ones_like(input_ids), labels))
    return batches


def natural_batches(arguments, vocab, pad_id, generator):
    """Return batches of texts, one for each step, beginning again where the file ends."""
    tokenizer = Tokenizer.from_file(str(arguments.model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(arguments.seq)
    lines = arguments.data.read_text(encoding="utf-8").splitlines()
    encodings = tokenizer.encode_batch([json.loads(line)["text"] for line in lines])
    batches = []
    for step in range(arguments.warmup + arguments.steps):
        start = step * arguments.batch
        rows = [encodings[(start + idx) % len(encodings)].ids for idx in range(arguments.batch)]
        labels = torch.randint(0, CLASSES, (arguments.batch,), generator=generator).tolist()
        # A smaller `--vocab` must hold every id.
        examples = [Example([token % vocab for token in row], label) for row, label in zip(rows, labels, strict=True)]
        batches.append(collate(examples, pad_id, "cpu"))
    return batches


def make_step(model, mode, autocast=None):
    """Return the function that is timed; `autocast` is a context manager around each forward pass."""
    autocast = autocast or contextlib.nullcontext()
    if mode == "infer":
        model.eval()

        @torch.inference_mode()
        def infer(input_ids, mask, _labels):
            with autocast:
                model(input_ids, mask)

        return infer

    model.train()
    optimizer = torch.optim.AdamW(parameter_groups(model, 0.01), lr=5e-5)

    def train(input_ids, mask, labels):
        with autocast:
            loss = torch.nn.functional.cross_entropy(model(input_ids, mask), labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return train


def parse_arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="Hugging Face model folder")
    parser.add_argument("--mode", choices=("train", "infer"), required=True)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seq", type=int, default=128)
    parser.add_argument("--natural", action="store_true", help="rows of natural length, from --data")
    parser.add_argument("--data", type=Path, help="a .jsonl file with texts")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--vocab", type=int, help="another vocabulary size, with random weights")
    parser.add_argument("--layers", type=int, help="another number of layers, with random weights")
    parser.add_argument("--torch-device", choices=("cpu", "cuda"), default="cpu")
    arguments = parser.parse_args()
    if arguments.natural and not arguments.data:
        parser.error("--natural needs --data")
    if arguments.steps < 1:
        parser.error("--steps must be at least 1")
    return arguments


def main():
    """Time the steps and print the line."""
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    device = torch.device(arguments.torch_device)
    overrides = {"vocab_size": arguments.vocab, "num_hidden_layers": arguments.layers}
    overrides = {key: value for key, value in overrides.items() if value is not None}
    encoder = load_encoder(arguments.model, random_init=bool(overrides), **overrides)
    model = Classifier(encoder, CLASSES).to(device)
    vocab = encoder.config.vocab_size
    if arguments.natural:
        batches = natural_batches(arguments, vocab, encoder.config.pad_token_id, generator)
    else:
        batches = uniform_batches(arguments, vocab, generator)

    step = make_step(model, arguments.mode)
    secs = []
    for batch in batches:
        batch = [tensor.to(device) for tensor in batch]
        if device.type == "cuda":
            torch.cuda.synchronize()
        started = time.perf_counter()
        step(*batch)
        if device.type == "cuda":
            torch.cuda.synchronize()
        secs.append(time.perf_counter() - started)
    secs = secs[arguments.warmup :]
    tokens = sum(int(mask.sum()) for _, mask, _ in batches[arguments.warmup :])
    line = {
        "mode": arguments.mode,
        "batch": arguments.batch,
        "seq": arguments.seq,
        "natural": arguments.natural,
        "threads": arguments.threads,
        "device": arguments.torch_device,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "secs_per_step": [round(value, 6) for value in secs],
        "median_secs": round(statistics.median(secs), 6),
        "tokens_per_sec": round(tokens / sum(secs), 2),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "torch": torch.__version__,
    }
    if device.type == "cuda":
        line["peak_device_mb"] = round(torch.cuda.max_memory_allocated() / 2**20, 1)
    print(json.dumps(line))


if __name__ == "__main__":
    main()
