"""What this machine can do at best, and what a process has used: the yardsticks of the other benchmarks."""

import json
import pathlib
import resource
import subprocess
import time

import jax
import jax.numpy as jnp
import numpy as np

from cnerf_jax.training import sharding

_SIZES = {'cpu': 2048}  # of matrices; 8192 elsewhere, so that an accelerator has something to do


def matrix_peak(devices=None, repeats: int = 5) -> float:
  """FLOP/s of float32 products of large matrices, one on each device at the same time, best of `repeats`, at jax's default precision."""
  mesh = sharding.make_mesh(devices)
  size = _SIZES.get(jax.default_backend(), 8192)
  x = jax.random.normal(jax.random.key(0), (mesh.size, size, size))
  x = jax.device_put(x, sharding.over_batch(mesh))
  product = jax.jit(jnp.matmul)
  (seconds,) = interleaved([lambda: product(x, x)], repeats)
  return mesh.size * 2 * size**3 / min(seconds)


def interleaved(functions, repeats: int) -> list[list[float]]:
  """Seconds of each call of each function until its results are ready, after one call of each that is not timed.

  Every repetition calls all, in an order of its own: what one leaves behind (caches, pages) burdens another each time.
  """
  order = np.random.default_rng(0)
  for function in functions:
    jax.block_until_ready(function())
  seconds = [[] for _ in functions]
  for _ in range(repeats):
    for i in order.permutation(len(functions)):
      started = time.perf_counter()
      jax.block_until_ready(functions[i]())
      seconds[i].append(time.perf_counter() - started)
  return seconds


def peak_resident_gib() -> float:
  """Peak memory of this process so far, GiB."""
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def peak_device_gib() -> float | None:
  """Peak memory on the first device, GiB, where the backend says."""
  stats = jax.devices()[0].memory_stats() or {}
  return stats['peak_bytes_in_use'] / 2**30 if 'peak_bytes_in_use' in stats else None


def resident_bytes(pid: int) -> int:
  """Resident set sizes of a process and its children, added."""
  total = 0
  try:
    for line in pathlib.Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines():
      if line.startswith('Rss:'):
        total += int(line.split()[1]) * 1024
    for task in pathlib.Path(f'/proc/{pid}/task').iterdir():
      total += sum(resident_bytes(int(child)) for child in (task / 'children').read_text().split())
  except (OSError, ProcessLookupError):
    pass  # it ended while it was looked at
  return total


def timed(command: list[str], log: pathlib.Path) -> tuple[float, int]:
  """(seconds, peak bytes) of a command and what it starts; what it says goes to the file `log`, and is shown if it fails."""
  started, most = time.perf_counter(), 0
  with open(log, 'w') as file:
    process = subprocess.Popen(command, stdout=file, stderr=file)
    while process.poll() is None:
      most = max(most, resident_bytes(process.pid))
      time.sleep(0.1)
  if process.returncode:
    raise SystemExit(f'{" ".join(command[:4])} failed:\n{log.read_text()[-2000:]}')
  return time.perf_counter() - started, most


def metrics(seconds: list[float], *, images: int, flops: float, peak: float) -> dict[str, float | None]:
  """The columns that benchmarks of time report.

  Args:
    seconds: of each repetition.
    images: made or learnt from in one.
    flops: of the model, in one.
    peak: FLOP/s of all devices that took part, as from `matrix_peak`.
  """
  median = float(np.median(seconds))
  return dict(
      median_seconds=median, min_seconds=min(seconds), max_seconds=max(seconds), images_per_second=images / median,
      model_tflop=flops / 1e12, tflop_per_second=flops / median / 1e12, peak_tflop_per_second=peak / 1e12,
      share_of_peak=flops / median / peak)


def report(row: dict, output: str | None) -> None:
  """Prints a row of metrics, one a line, and appends it to the file `output` as a line of JSON."""
  for name, value in row.items():
    print(f'{name:22s} {value:.4g}' if isinstance(value, float) else f'{name:22s} {value}')
  append(row, output)


def append(row: dict, output: str | None) -> None:
  """Appends a row to the file `output`, if there is one, as a line of JSON."""
  if output:
    with pathlib.Path(output).open('a') as file:
      file.write(json.dumps(row) + '\n')
