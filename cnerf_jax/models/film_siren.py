"""FiLM-SIREN: a sine layer whose frequency and phase are set by a style.

  x ← sin(gamma * (W x + b) + beta),  gamma = gamma_offset + 15 (A w + a),  beta = 0.25 (B w + c)

gamma and beta depend on the style alone, so they fold into the layer: sin(W' x + b') with W' = W gamma, b' = gamma b + beta.
The module turns a style into such a conditioned layer; the layer itself is a pure function of points.
"""

import flax.linen as nn
import flax.struct
from jax import lax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnerf_jax.models import initializers
from cnerf_jax.models import sine


POINT_DIM = 3


@flax.struct.dataclass
class Linear:
  """x @ kernel + bias."""

  kernel: Float[Array, '*stack inputs outputs']
  bias: Float[Array, '*stack outputs']

  def __call__(self, x: Float[Array, '*points inputs']) -> Float[Array, '*points outputs']:
    return x @ self.kernel + self.bias


@flax.struct.dataclass
class SineLayer(Linear):
  """sin(x @ kernel + bias), frequency and phase folded in.

  The layer that sees points is always of full float32 products, whatever the backend prefers: its phases reach tens of radians, and it
  is cheap. The others follow `jax_default_matmul_precision`.
  """

  def __call__(self, x: Float[Array, '*points inputs']) -> Float[Array, '*points outputs']:
    precision = lax.Precision.HIGHEST if x.shape[-1] == POINT_DIM else None
    return sine.sine(jnp.matmul(x, self.kernel, precision=precision) + self.bias)


class FilmSiren(nn.Module):
  """Style → conditioned sine layer.

  Attributes:
    inputs: channels in.
    outputs: channels out.
    is_first: the layer sees points, and starts from U(±1/inputs).
    gamma_offset: mean frequency. 30 as published; 15 suits images of 32 pixels and below (docs/convergence.md).
    gamma_scale: reach of the style on the frequency.
    beta_scale: reach of the style on the phase.
  """

  inputs: int
  outputs: int
  is_first: bool = False
  gamma_offset: float = 30.0
  gamma_scale: float = 15.0
  beta_scale: float = 0.25

  @nn.compact
  def __call__(self, style: Float[Array, 'batch style_dim']) -> SineLayer:
    kernel_init = initializers.first_siren() if self.is_first else initializers.siren()
    kernel = self.param('kernel', kernel_init, (self.inputs, self.outputs))
    bias = self.param('bias', initializers.bias_for(self.inputs), (self.outputs,))
    film = lambda name: nn.Dense(
        self.outputs, name=name, kernel_init=initializers.kaiming(0.25),
        bias_init=initializers.bias_for(style.shape[-1]))(style)
    gamma = self.gamma_offset + self.gamma_scale * film('gamma')
    beta = self.beta_scale * film('beta')
    return SineLayer(kernel=kernel * gamma[..., None, :], bias=bias * gamma + beta)
