#!/usr/bin/env python3
"""Time isogloss through Vulkan and PyTorch through CUDA on one GPU, and print the ratios.

    python3 examples/peer/gpu.py --benchmark target/release/examples/benchmark --out FOLDER

The model has the sizes of multilingual-e5-small and random weights; the texts of the case
"natural" are the English commands of examples/data, cut by the tokenizer of isogloss-tiny. isogloss
goes through the batches of a case twice and the second pass is timed, as kernels are compiled and
tuned in the first one; PyTorch gets four steps more than are timed. isogloss runs in f32 and with f16
products, PyTorch eager and compiled, in f32 (without TF32) and under bf16 autocast. Shares of the peak divide the work of the step, 6
operations for each weight of a matrix and each token and the products of attention, by the rate of
an 8192 x 8192 product in the same precision through PyTorch on the same card.

It needs torch and transformers, and prints one line of JSON for each measurement before the table.
"""

import argparse
import gc
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import torch
from bench import CLASSES, make_step, natural_batches, uniform_batches
from finetune import Classifier, load_encoder

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
PRECISIONS = ["f32", "f16"]
VARIANTS = [("eager f32", False, False), ("eager bf16", True, False), ("compiled f32", False, True), ("compiled bf16", True, True)]


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


def ours(arguments, folder, case, precision):
    """Run isogloss on a case; return its line, or why there is none."""
    mode, batch, seq = case
    what = {"train": mode == "train", "batch": batch, "seq": seq, "vocab": CONFIG["vocab_size"], "table": "whole"}
    command = [arguments.benchmark, "--model", folder, "--data", DATA, "--device", arguments.device]
    command += ["--precision", precision, "--steps", str(arguments.steps), "--repeat", "--one", json.dumps(what)]
    began = time.perf_counter()
    try:
        run = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=arguments.limit)
    except subprocess.TimeoutExpired:
        return {"error": f"more than {arguments.limit} s"}
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
    model = Classifier(load_encoder(folder, random_init=True), CLASSES).cuda()
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
    step = make_step(model, mode, torch.autocast("cuda", torch.bfloat16) if bf16 else None)
    torch.cuda.reset_peak_memory_stats()
    secs = []
    for tensors in batches:
        tensors = [tensor.cuda() for tensor in tensors]
        torch.cuda.synchronize()
        began = time.perf_counter()
        step(*tensors)
        torch.cuda.synchronize()
        secs.append(time.perf_counter() - began)
    del model, step
    gc.collect()
    line = {"secs_per_step": secs[sizes.warmup :], "warmup_secs": secs[: sizes.warmup]}
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


def main():
    """Measure both, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--benchmark", type=Path, required=True, help="the built example `benchmark`")
    parser.add_argument("--device", default="vulkan", help="where isogloss computes")
    parser.add_argument("--out", type=Path, required=True, help="a folder for lines.jsonl")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--limit", type=float, default=80, help="seconds for a case of isogloss")
    parser.add_argument("--budget", type=float, default=300, help="seconds after which no variant is begun")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    rates, rows = ceilings(), []
    with tempfile.TemporaryDirectory() as folder, (arguments.out / "lines.jsonl").open("w") as lines:
        folder = Path(folder)
        (folder / "config.json").write_text(json.dumps(CONFIG))
        (folder / "tokenizer.json").write_bytes(TOKENIZER.read_bytes())

        def note(case, what, line):
            if "secs_per_step" in line:
                line["median_secs"] = statistics.median(line["secs_per_step"])
            line = {"case": name(case), "what": what, **line}
            for out in (lines, None):
                print(json.dumps(line), file=out, flush=True)
            rows.append(line)

        for case in CASES:
            for precision in PRECISIONS:
                note(case, f"isogloss {precision}", ours(arguments, folder, case, precision))
            for what, bf16, compiled in VARIANTS[:2]:
                note(case, what, theirs(arguments, folder, case, bf16, compiled))
        for case in CASES:
            for what, bf16, compiled in VARIANTS[2:]:
                if time.perf_counter() - began < arguments.budget:
                    note(case, what, theirs(arguments, folder, case, bf16, compiled))
    print(f"\n{torch.cuda.get_device_name()}, PyTorch {torch.__version__}: copy {rates['copy'] / 1e9:.0f} GB/s, ", end="")
    print(f"products {rates['f32'] / 1e12:.1f} TFLOP/s in f32, {rates['bf16'] / 1e12:.0f} in bf16")
    print(f"{'':<22}{'':<15}{'ms / step':>10}{'x isogloss f32':>15}{'of peak':>9}{'MB':>8}")
    for case in CASES:
        own = next((row for row in rows if row["case"] == name(case) and row["what"] == "isogloss f32"), {})
        for row in (row for row in rows if row["case"] == name(case)):
            if "median_secs" not in row:
                print(f"{row['case']:<22}{row['what']:<15}{row['error'].splitlines()[-1]:>10}")
                continue
            ratio = own.get("median_secs", float("nan")) / row["median_secs"]
            peak = rates["f32" if "f32" in row["what"] else "bf16"]
            share = operations(*case) / row["median_secs"] / peak if case[2] else float("nan")
            print(f"{row['case']:<22}{row['what']:<15}{row['median_secs'] * 1e3:>10.2f}{ratio:>15.2f}", end="")
            print(f"{share:>9.1%}{row.get('device_mb') or 0:>8.0f}")


if __name__ == "__main__":
    main()
