"""What convolutions of the discriminators' sizes reach, by XLA, as one matrix product and by tiles: python -m benchmarks.convolution

A row for each size: GFLOP/s forward, with the gradients by picture and kernel, and of R1 (the gradient of a gradient), all by the
products that the definition asks for. The reason for the limits in `cnerf_jax.models.convolution`.
"""

from absl import app
import jax
from jax import lax
import jax.numpy as jnp
import numpy as np

from benchmarks import machine
from cnerf_jax.models import convolution

# batch, side, channels in (two of them coordinates), channels out
SIZES = ((1, 64, 258, 256), (4, 32, 130, 128), (4, 32, 514, 512), (4, 16, 258, 400), (4, 16, 514, 512), (4, 8, 402, 400), (4, 4, 402, 400))
WAYS = {
    'XLA': lambda x, kernel: lax.conv_general_dilated(x, kernel, (1, 1), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC')),
    'product': lambda x, kernel: convolution.convolve_by_product(x, kernel, ((1, 1), (1, 1))),
    'tiles': convolution.convolve_by_tiles,
}


def uses(convolve):
  """Name → (function of picture and kernel, products it takes by the forward pass's)."""
  score = lambda x, kernel: jnp.sum(jnp.tanh(convolve(x, kernel)))
  penalty = lambda x, kernel: jnp.sum(jax.grad(score)(x, kernel)**2)
  return {'forward': (convolve, 1), 'gradients': (jax.grad(score, argnums=(0, 1)), 3), 'R1': (jax.grad(penalty, argnums=(0, 1)), 6)}


def main(argv):
  del argv
  for batch, side, inputs, outputs in SIZES:
    x = jax.random.normal(jax.random.key(0), (batch, side, side, inputs))
    kernel = 0.02 * jax.random.normal(jax.random.key(1), (3, 3, inputs, outputs))
    cases = {f'{use}, {way}': case for way, convolve in WAYS.items() for use, case in uses(convolve).items()}
    programs = [jax.jit(function).lower(x, kernel).compile() for function, _ in cases.values()]
    seconds = machine.interleaved([lambda f=f: f(x, kernel) for f in programs], 7)
    flops = 2 * batch * side**2 * 9 * inputs * outputs
    rates = [times * flops / np.median(s) / 1e9 for (_, times), s in zip(cases.values(), seconds)]
    listed = '; '.join(f'{name} {rate:.0f}' for name, rate in zip(cases, rates))
    print(f'{batch} x {side}x{side}, {inputs} to {outputs}: {listed} GFLOP/s')


if __name__ == '__main__':
  app.run(main)
