#!/usr/bin/env bash
# Measures isogloss on a GPU through Vulkan beside PyTorch through CUDA, in eight minutes at most: the
# parts may take 450 seconds together, and each prints and writes what it has as it goes.
#
#     cargo build --release --features isogloss/vulkan --package isogloss-cli --package isogloss-examples \
#         --bin isogloss --example benchmark
#     examples/peer/gpu.sh target/release OUT
#
# The first argument is the folder of the built programs, or one that holds both; what is measured goes
# to the folder OUT. PyTorch needs a Python with torch and transformers.
#
#     examples/peer/gpu.sh target/release OUT flex --tiny
#
# tries the script on another device with a small model.
set -uo pipefail
cd "$(dirname "$0")/../.."
bin=$1 out=$2 device=${3:-vulkan} tiny=${4:-}
mkdir -p "$out"
benchmark=$bin/examples/benchmark
[[ -x $benchmark ]] || benchmark=$bin/benchmark
torch_device=cuda
[[ -z $tiny ]] || torch_device=cpu

timeout 10 "$bin/isogloss" devices
timeout 5 nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null

# Shapes of natural lengths are tuned one by one, so that this part takes most of the time.
timeout 265 python3 -u examples/peer/gpu.py --benchmark "$benchmark" --device "$device" --torch-device "$torch_device" \
  --budget 250 --out "$out" $tiny 2>"$out/gpu.err" || tail -5 "$out/gpu.err"

# A whole run, whose scores must be those of the CPU.
finetune() {
  local on=$1 seconds=$2 began=$SECONDS
  timeout "$seconds" "$bin/isogloss" finetune examples/recipes/small/plain.toml --device "$on" --fresh --out "$out/runs/$on" \
    >"$out/finetune-$on.log" 2>&1
  echo "finetune small/plain on $on: exit $?, $((SECONDS - began)) s"
  tail -4 "$out/finetune-$on.log"
}
finetune "$device" 45
[[ $device == flex ]] || finetune flex 25

# Last, because it may be cut: its file has the checks that were made before.
timeout 100 "$bin/isogloss" devices --check --device "$device" --out "$out/isogloss-check.json"
echo "devices --check: exit $?"
