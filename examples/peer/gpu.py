#!/usr/bin/env python3
"""Time isogloss through Vulkan and PyTorch through CUDA on one GPU, and print the ratios.

    python3 examples/peer/gpu.py --benchmark target/release/examples/benchmark --out FOLDER

Each measurement is printed and written to FOLDER/lines.jsonl as soon as it is made, with its ratio
to the other program in the same precision, so that a run that is cut loses none before it. What does
not fit into `--budget` seconds is left out, the compiled variants of PyTorch first.

The model has the sizes of multilingual-e5-small and random weights; the texts of the case
"natural" are the English commands of examples/data, cut by the tokenizer of isogloss-tiny. isogloss
goes through the batches of a case twice and the second pass is timed, as kernels are compiled and
tuned in the first one; PyTorch gets four steps more than are timed. isogloss runs in f32 and with bf16
and f16 products, PyTorch eager and compiled, in f32 (without TF32) and under bf16 autocast. Shares of
the peak divide the work of the step, 6 operations for each weight of a matrix and each token and the
products of attention, by the rate of an 8192 x 8192 product through PyTorch on the same card, in f32
or in bf16.

It needs torch and transformers; without them, isogloss is measured alone. `--tiny` tries the script
with a small model, on any device.
"""

import argparse
import gc
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

try:
    import torch
    from bench import CLASSES, make_step, natural_batches, uniform_batches
    from finetune import Classifier, load_encoder
except ModuleNotFoundError as missing:
    torch = None
    print(f"no PyTorch beside isogloss: {missing}", flush=True)

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "examples/data/commands/en.jsonl"
TOKENIZER = ROOT / "examples/isogloss-tiny/tokenizer.json"
# The config.json of multilingual-e5-small; random weights need no more of it.
CONFIG = {
    "model_type": "bert",
    "vocab_size": 250037,
    "hidden_size": 384,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "pad_token_id": 1,
}
# Mode, batch, tokens of a row.
CASES = [("train", 32, 128), ("train", 16, 512), ("train", 32, None), ("infer", 32, 128)]
TINY = {"vocab_size": 10000, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
TINY_CASES = [("train", 2, 16), ("infer", 2, None)]
# What isogloss and PyTorch run in each case, and the variant that each is compared with.
OURS = {"isogloss f32": "eager f32", "isogloss bf16": "eager bf16", "isogloss f16": "eager bf16"}
# Under autocast in bf16, and compiled.
THEIRS = {
    "eager f32": (False, False),
    "eager bf16": (True, False),
    "compiled f32": (False, True),
    "compiled bf16": (True, True),
}
# In the order of importance; the compiled variants come after all cases.
FIRST = ["isogloss f32", "eager f32", "isogloss bf16", "eager bf16", "isogloss f16"]
LAST = ["compiled bf16", "compiled f32"]


def operations(mode, batch, seq):
    """Return the floating-point operations of a step, without the embedding and the classifier."""
    hidden, inner, layers = CONFIG["hidden_size"], CONFIG["intermediate_size"], CONFIG["num_hidden_layers"]
    tokens = batch * seq
    forward = layers * (2 * tokens * (4 * hidden**2 + 2 * hidden * inner) + 4 * tokens * seq * hidden)
    return forward * (3 if mode == "train" else 1)


def name(case):
    """Return what a case is called in the table."""
    mode, batch, seq = case
    return f"{mode} {batch} x {seq or 'natural'}"


def ours(arguments, folder, case, precision, limit):
    """Run isogloss on a case for `limit` seconds at most; return its line, or why there is none."""
    mode, batch, seq = case
    what = {"train": mode == "train", "batch": batch, "seq": seq, "vocab": CONFIG["vocab_size"], "table": "whole"}
    command = [arguments.benchmark, "--model", folder, "--data", DATA, "--device", arguments.device]
    command += ["--precision", precision, "--steps", str(arguments.steps), "--repeat", "--one", json.dumps(what)]
    began = time.perf_counter()
    try:
        run = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return {"error": f"more than {limit:.0f} s"}
    if run.returncode:
        return {"error": run.stderr[-2000:]}
    line = json.loads(run.stdout.splitlines()[-1])
    line["process_secs"] = round(time.perf_counter() - began, 1)
    return line


def theirs(arguments, folder, case, bf16, compiled):
    """Time PyTorch on a case."""
    mode, batch, seq = case
    torch.manual_seed(0)
    torch._dynamo.reset()
    model = Classifier(load_encoder(folder, random_init=True), CLASSES).to(arguments.torch_device)
    generator = torch.Generator().manual_seed(0)
    sizes = argparse.Namespace(
        batch=batch, seq=seq or 128, steps=arguments.steps, warmup=4, model=folder, data=DATA
    )
    if seq:
        batches = uniform_batches(sizes, CONFIG["vocab_size"], generator)
    else:
        batches = natural_batches(sizes, CONFIG["vocab_size"], CONFIG["pad_token_id"], generator)
    if compiled:
        model.compile(dynamic=seq is None)
    step = make_step(model, mode, torch.autocast(arguments.torch_device, torch.bfloat16) if bf16 else None)
    is_cuda = arguments.torch_device == "cuda"
    wait = torch.cuda.synchronize if is_cuda else lambda: None
    if is_cuda:
        torch.cuda.reset_peak_memory_stats()
    secs = []
    for tensors in batches:
        tensors = [tensor.to(arguments.torch_device) for tensor in tensors]
        wait()
        began = time.perf_counter()
        step(*tensors)
        wait()
        secs.append(time.perf_counter() - began)
    del model, step
    gc.collect()
    line = {"secs_per_step": secs[sizes.warmup :], "warmup_secs": secs[: sizes.warmup]}
    if is_cuda:
        line["device_mb"] = torch.cuda.max_memory_allocated() / 1e6
        torch.cuda.empty_cache()
    return line


def ceilings():
    """Measure the card: bytes a second of a copy, operations a second of products in f32 and bf16."""

    def seconds(function):
        for _ in range(3):
            function()
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(10):
            function()
        torch.cuda.synchronize()
        return (time.perf_counter() - began) / 10

    source = torch.randn(1 << 28, device="cuda")
    target = torch.empty_like(source)
    found = {"copy": 2 * source.nbytes / seconds(lambda: target.copy_(source))}
    del source, target
    for kind, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
        a = torch.randn(8192, 8192, device="cuda", dtype=dtype)
        found[kind] = 2 * 8192**3 / seconds(lambda a=a: a @ a)
    return found


class Results:
    """The measurements so far, each printed and written as it comes."""

    def __init__(self, file, rates):
        """Write to an open file; `rates` are the card's, or empty."""
        self.file = file
        self.rates = rates
        self.secs = {}

    def add(self, case, what, line):
        """Write a measurement, and print it with its share of the peak and the ratios that it completes."""
        if "secs_per_step" in line:
            line["median_secs"] = statistics.median(line["secs_per_step"])
        print(json.dumps({"case": name(case), "what": what, **line}), file=self.file, flush=True)
        if "median_secs" not in line:
            print(f"{name(case):<20}{what:<15}{line['error'].strip().splitlines()[-1]}", flush=True)
            return
        secs = line["median_secs"]
        self.secs[case, what] = secs
        rate = self.rates.get("f32" if "f32" in what else "bf16")
        share = f"{operations(*case) / secs / rate:>8.1%} of peak" if rate and case[2] else ""
        memory = f"{line['device_mb']:>8.0f} MB" if line.get("device_mb") else ""
        print(f"{name(case):<20}{what:<15}{secs * 1e3:>10.2f} ms{share}{memory}", flush=True)
        for own, peer in OURS.items():
            for other in (peer, peer.replace("eager", "compiled")):
                pair = (self.secs.get((case, own)), self.secs.get((case, other)))
                if what in (own, other) and all(pair):
                    ratio = f"{pair[1] / pair[0]:.2f} times the speed of {other}"
                    print(f"{'':<20}{own}: {ratio}", flush=True)


def measure(arguments, folder, results, cases, whats, began):
    """Measure each variant of each case that the budget has time for."""
    for case in cases:
        for what in whats:
            left = arguments.budget - (time.perf_counter() - began)
            if left < arguments.least:
                print(f"{name(case):<20}{what:<15}left out, {left:.0f} s are left", flush=True)
                continue
            if what in OURS:
                limit = min(arguments.limit, left)
                line = ours(arguments, folder, case, what.removeprefix("isogloss "), limit)
            elif torch is None:
                continue
            else:
                try:
                    line = theirs(arguments, folder, case, *THEIRS[what])
                except RuntimeError as problem:
                    line = {"error": str(problem)}
            results.add(case, what, line)


def main():
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--benchmark", type=Path, required=True, help="the built example `benchmark`")
    parser.add_argument("--device", default="vulkan", help="where isogloss computes")
    parser.add_argument("--torch-device", choices=("cpu", "cuda"), default="cuda", help="where PyTorch computes")
    parser.add_argument("--out", type=Path, required=True, help="a folder for lines.jsonl")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--limit", type=float, default=60, help="seconds for a case of isogloss")
    parser.add_argument("--budget", type=float, default=250, help="seconds for all")
    parser.add_argument("--least", type=float, default=8, help="seconds without which no variant is begun")
    parser.add_argument("--tiny", action="store_true", help="try the script with a small model")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    if arguments.tiny:
        CONFIG.update(TINY)
        arguments.steps = min(arguments.steps, 3)
    with tempfile.TemporaryDirectory() as folder, (arguments.out / "lines.jsonl").open("w") as lines:
        folder = Path(folder)
        (folder / "config.json").write_text(json.dumps(CONFIG))
        (folder / "tokenizer.json").write_bytes(TOKENIZER.read_bytes())
        rates = {}
        if torch is not None and arguments.torch_device == "cuda":
            rates = ceilings()
            card = f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}"
            print(json.dumps({"case": "ceilings", "what": card, **rates}), file=lines, flush=True)
            print(f"{card}: copy {rates['copy'] / 1e9:.0f} GB/s, ", end="")
            print(f"products {rates['f32'] / 1e12:.1f} TFLOP/s in f32, {rates['bf16'] / 1e12:.0f} in bf16", flush=True)
        results = Results(lines, rates)
        cases = TINY_CASES if arguments.tiny else CASES
        for whats in (FIRST, LAST):
            measure(arguments, folder, results, cases, whats, began)


if __name__ == "__main__":
    main()
