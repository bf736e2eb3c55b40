#!/usr/bin/env bash
# For a GPU machine that one has for minutes: correctness first, then step times, then training for the time that is left.
#   OUT=results MINUTES=8 bash benchmarks/gpu.sh            # the whole of it
#   TINY=1 OUT=/tmp/out bash benchmarks/gpu.sh              # the same path on a CPU, in a few minutes
set -euo pipefail
cd "$(dirname "$0")/.."
OUT=${OUT:-gpu_results}; MINUTES=${MINUTES:-8}; TINY=${TINY:-0}
mkdir -p "$OUT"
export XLA_FLAGS="${XLA_FLAGS:-} --xla_force_host_platform_device_count=1"
python -c 'import jax; print(jax.__version__, jax.devices())' | tee "$OUT/device.txt"

# SIREN's factor of 30 needs full float32 products to agree with the golden arrays.
JAX_DEFAULT_MATMUL_PRECISION=highest python -m pytest tests/parity_test.py 2>&1 | tee "$OUT/parity.log"

if [ "$TINY" = 1 ]; then
  python -m benchmarks.step --config=configs/smoke.py --repeats=2 --output="$OUT/step.jsonl"
  config=configs/smoke.py
else
  for batch in 4 8 24; do
    for precision in highest default; do
      echo "batch $batch precision $precision"
      JAX_DEFAULT_MATMUL_PRECISION=$precision python -m benchmarks.step --config=configs/ffhq12_published.py \
        --config.batch_size="$batch" --output="$OUT/step.jsonl" || echo "batch $batch failed" | tee -a "$OUT/step.log"
    done
  done
  config=configs/portraits64.py
fi

# Training saves as it goes: a timeout loses nothing that was saved.
timeout "$((MINUTES * 60))" python main.py --config="$config" --workdir="$OUT/run" --config.data.dir="$OUT/data" \
  2>&1 | tee "$OUT/train.log" || true
cp "$OUT"/run/scores.json "$OUT"/run/losses.png "$OUT" 2>/dev/null || true
cp "$(ls "$OUT"/run/sheets/samples_*.png | tail -n 1)" "$OUT/samples.png" 2>/dev/null || true
