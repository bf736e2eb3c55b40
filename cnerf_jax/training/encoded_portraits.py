"""The latents of real portraits as VAE pretraining leaves them, and their Gaussian, which becomes part of the generator.

Encoded latents end up near N(0, I), but not on it: a few directions are several times wider. Drawn from N(0, I) as they are, latents would
give people that are all alike, so the Gaussian of the encoded latents is folded into the mapping network.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import flax.struct
import jax
from jaxtyping import Bool, Float
import numpy as np

from cnerf_jax.models import generator as generator_lib
from cnerf_jax.models import mapping_network
from cnerf_jax.models import portrait_encoder
from cnerf_jax.models import regional_mapping
from cnerf_jax.training import regional_prior
from cnerf_jax.training import sharding


@flax.struct.dataclass
class EncodedPortraits:
  """What the encoder says of many real portraits.

  Attributes:
    means: of their latents, each a Gaussian of independent coordinates.
    variances: likewise.
    present: which classes each portrait shows, where latents are regional; else None.
  """

  means: Float[np.ndarray, 'portraits latents']
  variances: Float[np.ndarray, 'portraits latents']
  present: Bool[np.ndarray, 'portraits classes'] | None


def encode(encoder: portrait_encoder.PortraitEncoder, params: Any, batches: Iterable, mesh) -> EncodedPortraits:
  """The latents of all portraits of some batches.

  Args:
    encoder: the network.
    params: its parameters.
    batches: of real portraits, on the mesh; at least one.
    mesh: of devices.
  """
  apply = jax.jit(encoder.apply, out_shardings=sharding.replicated(mesh))
  encodings = [jax.device_get(apply(params, batch['image'], batch['semantic_mask'])) for batch in batches]
  of_all = lambda part: np.concatenate([part(encoding) for encoding in encodings])
  return EncodedPortraits(
      means=of_all(lambda encoding: encoding.z.mean),
      variances=np.exp(of_all(lambda encoding: encoding.z.log_variance)),
      present=None if encodings[0].present is None else of_all(lambda encoding: encoding.present))


def encoded_gaussian(means: Float[np.ndarray, 'portraits latents'], variances: Float[np.ndarray, 'portraits latents']):
  """Mean and covariance of the latents of real portraits: of the encoder's Gaussians' means, plus their mean variance."""
  means, variances = means.astype(np.float64), variances.astype(np.float64)
  covariance = np.cov(means, rowvar=False) + np.diag(variances.mean(axis=0))
  return means.mean(axis=0).astype(np.float32), covariance.astype(np.float32)


def fold(generator: generator_lib.Generator, params: Any, encoded: EncodedPortraits) -> tuple[dict[str, Any], tuple[np.ndarray, ...]]:
  """A generator that draws from z ~ N(0, I) what it drew from the latents of real portraits.

  Args:
    generator: the module.
    params: its parameters, as fitted beside the encoder.
    encoded: the portraits that it was fitted to, as the encoder then reads them.

  Returns:
    Its parameters, of which the mapping network's alone are other ones; and what was folded in: mean and covariance of the latents, with
    the thresholds of presence where they are regional.
  """
  if generator.region_dim:
    gaussian = regional_prior.fit(encoded.means, encoded.variances, encoded.present)
    mapping = regional_mapping.with_prior(params['params']['mapping'], *gaussian)
  else:
    gaussian = encoded_gaussian(encoded.means, encoded.variances)
    mapping = mapping_network.fold_gaussian(params['params']['mapping'], *gaussian)
  return {'params': dict(params['params']) | {'mapping': mapping}}, gaussian
