import jax.numpy as jnp
import pytest

from cnerf_jax.losses import weighting


def test_weights_multiply_terms():
  """Protects the config's loss weights: the loss is the sum of weight times term."""
  terms = {'eikonal': jnp.float32(3.0), 'viewpoint': jnp.float32(0.5)}
  assert weighting.weighted(terms, {'eikonal': 0.1, 'viewpoint': 15.0, 'other': 7.0}) == pytest.approx(7.8)
