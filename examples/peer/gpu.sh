#!/usr/bin/env bash
# Measures isogloss on a GPU through Vulkan beside PyTorch through CUDA, in eight minutes at most.
#
#     cargo build --release --features isogloss/vulkan --package isogloss-cli --package isogloss-examples \
#         --bin isogloss --example benchmark
#     examples/peer/gpu.sh target/release OUT
#
# The first argument is the folder of the built programs, or one that holds both; what is measured goes
# to the folder OUT. It needs a Python with torch and transformers.
set -uo pipefail
cd "$(dirname "$0")/../.."
bin=$1 out=$2
mkdir -p "$out"
benchmark=$bin/examples/benchmark
[[ -x $benchmark ]] || benchmark=$bin/benchmark

"$bin/isogloss" devices
timeout 60 "$bin/isogloss" devices --check --device vulkan --out "$out/isogloss-check.json"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null

timeout 300 python3 examples/peer/gpu.py --benchmark "$benchmark" --budget 250 --out "$out" 2>"$out/gpu.err" || tail -5 "$out/gpu.err"

# A whole run, whose scores must be those of the CPU.
for device in vulkan flex; do
  began=$(date +%s.%N)
  timeout 60 "$bin/isogloss" finetune examples/recipes/small/plain.toml --device $device --out "$out/runs/$device" \
    >"$out/finetune-$device.log" 2>&1
  echo "finetune small/plain on $device: exit $?, $(echo "$(date +%s.%N) - $began" | bc 2>/dev/null) s"
  tail -4 "$out/finetune-$device.log"
done
