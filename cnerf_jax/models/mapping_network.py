"""The mapping network: latent z ~ N(0, I) to style code w, by linear layers and leaky ReLU. z is not normalised."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
import numpy as np

from cnerf_jax.models import initializers


class MappingNetwork(nn.Module):
  """z → w (paper section 3; published: 3 x (linear 256, leaky ReLU 0.2)).

  Attributes:
    style_dim: width of z and of w.
    num_layers: linear layers.
  """

  style_dim: int
  num_layers: int = 3

  @nn.compact
  def __call__(self, z: Float[Array, '*batch style_dim']) -> Float[Array, '*batch style_dim']:
    x = z
    for i in range(self.num_layers):
      x = nn.Dense(
          self.style_dim, name=f'layer_{i}', kernel_init=initializers.kaiming(),
          bias_init=initializers.bias_for(x.shape[-1]))(x)
      x = jax.nn.leaky_relu(x, initializers.LEAKY_SLOPE)
    return x


def fold_gaussian(params, mean: Float[Array, 'style_dim'], covariance: Float[Array, 'style_dim style_dim']):
  """Parameters of a mapping network that does to z ~ N(0, I) what `params` do to N(mean, covariance).

  The affine map z → mean + L z, with L the Cholesky factor of the covariance, folds into the first linear layer.
  """
  first = params['layer_0']
  factor = jnp.linalg.cholesky(covariance)
  folded = {'kernel': factor.T @ first['kernel'], 'bias': first['bias'] + mean @ first['kernel']}
  return dict(params) | {'layer_0': folded}


def unfold_gaussian(params, mean: Float[np.ndarray, 'style_dim'], covariance: Float[np.ndarray, 'style_dim style_dim']):
  """The inverse of `fold_gaussian`: parameters that do to N(mean, covariance) what `params` do to z ~ N(0, I)."""
  kernel, mean = np.asarray(params['layer_0']['kernel'], np.float64), np.asarray(mean, np.float64)
  unfolded = np.linalg.solve(np.linalg.cholesky(np.asarray(covariance, np.float64)).T, kernel)
  bias = np.asarray(params['layer_0']['bias'], np.float64) - mean @ unfolded
  return dict(params) | {'layer_0': {'kernel': unfolded.astype(np.float32), 'bias': bias.astype(np.float32)}}
