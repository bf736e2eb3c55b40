import jax
import jax.numpy as jnp
import numpy as np

import tiny

from cnerf_jax import sampler
from cnerf_jax.models import base_sdf


def test_sphere_is_exact_and_smooth_at_its_centre():
  """Protects the sphere: |x| - (far - near)/4 with gradients of length one, and finite ones at the centre."""
  points = jnp.asarray(np.random.default_rng(0).standard_normal((20, 3)), jnp.float32)
  np.testing.assert_allclose(base_sdf.sphere_sdf(points), np.linalg.norm(points, axis=-1) - 0.06, atol=1e-6)
  assert base_sdf.sphere_sdf(jnp.zeros(3)) == jnp.float32(-0.06)
  gradient = jax.vmap(jax.grad(base_sdf.sphere_sdf))(points)
  np.testing.assert_allclose(jnp.linalg.norm(gradient, axis=-1), 1, atol=1e-6)
  assert (np.asarray(jax.grad(base_sdf.sphere_sdf)(jnp.zeros(3))) == 0).all()
  second = jax.grad(lambda x: jnp.sum(jax.grad(base_sdf.sphere_sdf)(x)**2))(jnp.zeros(3))
  assert np.isfinite(np.asarray(second)).all()


def test_base_network_passes_gradients_to_points_alone():
  """Protects frozen bases: none to parameters or styles, but the eikonal loss sees its slope."""
  generator = tiny.make_generator()
  params = tiny.make_params(generator)
  styles = jax.random.normal(jax.random.key(1), (1, 3, 2, 8))
  points = jnp.asarray(np.random.default_rng(0).uniform(-0.1, 0.1, (1, 6, 3)), jnp.float32)
  value = lambda params, styles, points: jnp.sum(sampler.radiance_field(generator, params, styles).base_sdf(points)**2)
  by_params, by_styles, by_points = jax.jit(jax.grad(value, argnums=(0, 1, 2)))(params, styles, points)
  assert all((np.asarray(g) == 0).all() for g in jax.tree.leaves((by_params, by_styles)))
  assert (np.abs(np.asarray(by_points)).sum(-1) > 0).all()


def test_base_network_is_driven_by_class_zero():
  """Protects the published base: the styles of class 0 shape it, no other's."""
  generator = tiny.make_generator()
  params = tiny.make_params(generator)
  styles = jax.random.normal(jax.random.key(1), (1, 3, 2, 8))
  points = jnp.full((1, 6, 3), 0.05)
  draw = jax.jit(lambda styles: sampler.radiance_field(generator, params, styles).base_sdf(points))
  base = lambda styles: np.asarray(draw(styles))
  assert (base(styles.at[:, 1:].add(1.0)) == base(styles)).all()
  assert (base(styles.at[:, 0].add(1.0)) != base(styles)).all()
