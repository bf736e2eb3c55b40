#!/usr/bin/env bash
# For a GPU machine that is rented by the minute and has no network: correctness first, then benchmarks, then training for the
# time that is left. Every stage can be asked for alone, so that each stays under ten minutes; what was written is kept.
#   OUT=results bash benchmarks/gpu.sh parity
#   OUT=results bash benchmarks/gpu.sh bench
#   OUT=results MINUTES=9 bash benchmarks/gpu.sh train      # again: resumes
#   OUT=results MINUTES=8 bash benchmarks/gpu.sh            # all of it
#   BATCHES=24 VARIANTS=bfloat16 bash benchmarks/gpu.sh bench   # less of it
#   TINY=1 OUT=/tmp/out bash benchmarks/gpu.sh              # the same path on a CPU, in a few minutes
set -euo pipefail
cd "$(dirname "$0")/.."
OUT=${OUT:-gpu_results}; MINUTES=${MINUTES:-8}; TINY=${TINY:-0}
stages=${*:-parity bench train}
mkdir -p "$OUT"
export XLA_FLAGS="${XLA_FLAGS:-} --xla_force_host_platform_device_count=1"
export JAX_COMPILATION_CACHE_DIR=${JAX_COMPILATION_CACHE_DIR:-$OUT/xla}
python -c 'import jax; print(jax.__version__, jax.devices())' | tee "$OUT/device.txt"

if [ "$TINY" = 1 ]; then
  big=configs/smoke.py; trained=configs/smoke.py; batches=4; variants='float32 bfloat16'; drawn=1; repeats=2
else
  big=configs/default.py; trained=configs/portraits64.py; batches=${BATCHES:-4 24 96}; variants=${VARIANTS:-tensorfloat32 bfloat16 float32}
  drawn=1,4,16; repeats=5
fi

parity() {
  # SIREN's factor of 30 needs full float32 products to agree with the golden arrays
  JAX_DEFAULT_MATMUL_PRECISION=highest python -m pytest -o addopts='--import-mode=importlib -q' tests/parity_test.py 2>&1 | tee "$OUT/parity.log"
}

bench() {
  for variant in $variants; do
    # float32: full products. tensorfloat32: what jax takes by default on a GPU (rays and phases of points stay full). bfloat16: besides,
    # the discriminators' convolutions, in memory too.
    precision=default; dtype=float32
    if [ "$variant" = float32 ]; then precision=highest; fi
    if [ "$variant" = bfloat16 ]; then dtype=bfloat16; fi
    export JAX_DEFAULT_MATMUL_PRECISION=$precision
    python -m benchmarks.render --config="$big" --batches="$drawn" --repeats=$repeats --output="$OUT/render_$variant.jsonl" ||
      echo "render $variant failed" | tee -a "$OUT/failed.log"
    for batch in $batches; do
      echo "batch $batch, $variant"
      python -m benchmarks.step --config="$big" --config.batch_size="$batch" --config.discriminator_dtype=$dtype --repeats=$repeats \
        --output="$OUT/step_$variant.jsonl" ||
        echo "step of batch $batch, $variant failed" | tee -a "$OUT/failed.log"
    done
  done
  unset JAX_DEFAULT_MATMUL_PRECISION
}

train() {
  # training saves as it goes: a timeout loses nothing that was saved
  timeout "$((MINUTES * 60))" python main.py --config="$trained" --workdir="$OUT/run" --config.data.dir="$OUT/data" \
    --compilation_cache="$JAX_COMPILATION_CACHE_DIR" 2>&1 | tee "$OUT/train.log" || true
  python main.py --mode=evaluate --workdir="$OUT/run" 2>&1 | tee "$OUT/scores.txt" || true
  cp "$OUT"/run/losses.png "$OUT" 2>/dev/null || true
  cp "$(ls "$OUT"/run/evaluations/*/sheets/samples_*.png | tail -n 1)" "$OUT/samples.png" 2>/dev/null || true
}

for stage in $stages; do "$stage"; done
