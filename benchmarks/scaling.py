"""How a long run would scale, on paper: python -m benchmarks.scaling --config=configs/ffhq12.py --tflops=150 --link_gb=100

FLOPs and gradient bytes come from the model; what a chip sustains and what a link carries are yours to say, best as measured by
`benchmarks.step` on one such chip. Prints, for each batch and number of chips, seconds of computing and of exchanging gradients in a
step (a ring all-reduce, nothing overlapped), the fraction of time that computes, and hours for the steps of the run.
"""

from absl import app
from absl import flags
from ml_collections import config_flags

from cnerf_jax.run import plan

_CONFIG = config_flags.DEFINE_config_file('config', 'configs/ffhq12.py', 'What would be trained.', lock_config=True)
_CHIPS = flags.DEFINE_list('chips', ['1', '8', '64', '256'], 'Numbers of chips.')
_BATCHES = flags.DEFINE_list('batches', ['24', '256', '2048'], 'Batch sizes.')
_STEPS = flags.DEFINE_integer('steps', 300_000, 'Steps of the run at every batch size.')
_TFLOPS = flags.DEFINE_float('tflops', 150.0, 'TFLOP/s that a chip sustains in a step.')
_LINK_GB = flags.DEFINE_float('link_gb', 100.0, 'GB/s that each chip sends and receives at once in an all-reduce.')
_SUMS = flags.DEFINE_float('sums', 1.0, 'How often a gradient is exchanged in a step (benchmarks.traffic: all-reduce over gradient).')
_SAVE_GB = flags.DEFINE_float('save_gb', 0.5, 'GB/s at which a checkpoint is written.')


def row(batch: int, chips: int, *, flops_per_image: float, gradient_bytes: float) -> dict:
  """Figures of one batch size on a number of chips; every chip takes at least one image."""
  chips_used = min(chips, batch)
  compute = -(-batch // chips_used) * flops_per_image / (_TFLOPS.value * 1e12)
  exchange = _SUMS.value * 2 * (chips_used - 1) / chips_used * gradient_bytes / (_LINK_GB.value * 1e9)
  seconds = compute + exchange
  return dict(
      batch=batch, chips=chips_used, compute=compute, exchange=exchange, computing=compute / seconds, images=batch / seconds,
      hours=seconds * _STEPS.value / 3600)


def main(argv):
  del argv
  config = _CONFIG.value
  parameters = sum(plan.count_parameters(config).values())
  flops_per_image = plan.count_flops_per_image(config)
  # parameters and Adam's two moments of all players, and the generator's average
  state_bytes = 4 * (3 * parameters + plan.count_parameters(config)['generator'])
  print(f'{flops_per_image / 1e12:.2f} TFLOP an image, gradients {4 * parameters / 1e6:.0f} MB, a checkpoint {state_bytes / 1e9:.2f} GB '
        f'({state_bytes / 1e9 / _SAVE_GB.value:.1f} s at {_SAVE_GB.value} GB/s); {_TFLOPS.value} TFLOP/s a chip, {_LINK_GB.value} GB/s a link')
  print(f'{"batch":>6s} {"chips":>6s} {"compute s":>10s} {"exchange s":>10s} {"computing":>9s} {"images/s":>9s} {"hours":>8s}')
  for batch in map(int, _BATCHES.value):
    for chips in map(int, _CHIPS.value):
      if chips > batch:
        continue
      r = row(batch, chips, flops_per_image=flops_per_image, gradient_bytes=4 * parameters)
      print(f'{r["batch"]:6d} {r["chips"]:6d} {r["compute"]:10.4f} {r["exchange"]:10.4f} {r["computing"]:9.2f} {r["images"]:9.0f}'
            f' {r["hours"]:8.1f}')


if __name__ == '__main__':
  app.run(main)
