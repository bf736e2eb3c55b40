from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tiny

from cnerf_jax import camera as camera_lib
from cnerf_jax import rays as rays_lib
from cnerf_jax.models import compositional_field
from cnerf_jax.rendering import volume_rendering

pytestmark = pytest.mark.usefixtures('quick_compilation')

DRAW = np.random.default_rng(0)
IMAGE_SIZE, NUM_SAMPLES = 8, 6


@flax.struct.dataclass
class Blob:
  """A field made by hand, turned by a rotation: an ellipsoid whose colour depends on point and view direction."""

  rotation: Any
  axes: Any
  density_beta: Any
  color_of_point = np.asarray(DRAW.standard_normal((3, 3)), np.float32)
  color_of_view = np.asarray(DRAW.standard_normal((3, 3)), np.float32)

  def query(self, points, viewdirs):
    points, viewdirs = points @ self.rotation, viewdirs @ self.rotation  # row vectors: x @ R is R^T x
    color_logit = 8 * points @ self.color_of_point + (viewdirs @ self.color_of_view)[..., None, :]
    sdf = jnp.linalg.norm(points * self.axes + 1e-9, axis=-1) - 0.06
    return compositional_field.FieldSample(
        sdf=sdf,
        residual_sdf=jnp.zeros_like(sdf),
        color=jax.nn.sigmoid(color_logit),
        mask_scores=jax.nn.softmax(20 * points, axis=-1))


def make_blob(rotation=np.eye(3, dtype=np.float32)):
  return Blob(jnp.asarray(rotation), jnp.array([1.0, 0.7, 1.4]), jnp.float32(0.02))


def random_rotation():
  q, r = np.linalg.qr(DRAW.standard_normal((3, 3)))
  q = q * np.sign(np.diag(r))
  return (q * np.sign(np.linalg.det(q))).astype(np.float32)


def make_view(rotation=None):
  camera = camera_lib.orbit(jnp.array([0.3, -0.2]), jnp.array([0.1, 0.2]))
  if rotation is not None:
    camera = camera.replace(cam_to_world=jnp.asarray(rotation) @ camera.cam_to_world)
  rays = rays_lib.cast_rays(camera, image_size=IMAGE_SIZE)
  jitter = jnp.asarray(np.random.default_rng(1).uniform(size=rays.origins.shape[:-1]), jnp.float32)
  return rays, rays_lib.offset_distances(camera.near, camera.far, jitter, num_samples=NUM_SAMPLES)


def test_turning_camera_and_scene_together_changes_nothing():
  """Protects the frames: pictures depend on where the camera stands relative to the scene, and on nothing else."""
  rotation = random_rotation()
  still = volume_rendering.render_rays(make_blob(), *make_view())
  turned = volume_rendering.render_rays(make_blob(rotation), *make_view(rotation))
  assert np.asarray(still.rgb).std() > 0.05, 'an empty picture would prove nothing'
  for name in ('rgb', 'semantic_mask', 'depth', 'sdf', 'last_weight'):
    np.testing.assert_allclose(getattr(turned, name), getattr(still, name), atol=2e-5, err_msg=name)
  np.testing.assert_allclose(turned.surface_point, still.surface_point @ rotation.T, atol=2e-5)
  only_camera = volume_rendering.render_rays(make_blob(), *make_view(rotation))
  assert np.abs(np.asarray(only_camera.rgb - still.rgb)).max() > 0.05


def test_rendering_equals_the_loop():
  """Protects rgb, mask, depth, point and last weight: one ray and one sample at a time give the same."""
  blob, (rays, distances) = make_blob(), make_view()
  rendering = volume_rendering.render_rays(blob, rays, distances)
  points = np.asarray(rays.origins)[..., None, :] + np.asarray(distances)[..., None] * np.asarray(rays.directions)[..., None, :]
  sample = jax.tree.map(lambda x: np.asarray(x, np.float64), blob.query(jnp.asarray(points), rays.viewdirs))
  for ray in [(0, 0), (0, 27), (1, 36), (1, 63)]:
    transmittance, rgb, mask, depth, point = 1.0, np.zeros(3), np.zeros(3), 0.0, np.zeros(3)
    for j in range(NUM_SAMPLES):
      at = ray + (j,)
      density = 1 / (1 + np.exp(sample.sdf[at] / 0.02)) / 0.02
      gap = distances[ray][j + 1] - distances[ray][j] if j + 1 < NUM_SAMPLES else np.inf
      alpha = 1 - np.exp(-density * gap * np.linalg.norm(rays.directions[ray]))
      weight = transmittance * alpha
      rgb, mask = rgb + weight * sample.color[at], mask + weight * sample.mask_scores[at]
      depth, point = depth + weight * float(distances[at]), point + weight * points[at]
      transmittance *= 1 - alpha
    np.testing.assert_allclose(rendering.rgb[ray], 2 * rgb - 1, atol=1e-5)
    np.testing.assert_allclose(rendering.semantic_mask[ray], mask, atol=1e-5)
    np.testing.assert_allclose(rendering.depth[ray], depth, atol=1e-5)
    np.testing.assert_allclose(rendering.surface_point[ray], point, atol=1e-5)
    np.testing.assert_allclose(rendering.last_weight[ray], weight, atol=1e-5)


@pytest.mark.parametrize('num_chunks', [2, 4, 64])
def test_chunks_equal_the_whole(num_chunks):
  """Protects pictures and gradients from the way rays are cut: chunking saves memory and changes nothing else."""
  rays, distances = make_view()
  target = jnp.asarray(np.random.default_rng(2).standard_normal((2, IMAGE_SIZE**2, 3)))

  def loss(axes, beta, distances, chunks):
    blob = make_blob().replace(axes=axes, density_beta=beta)
    rendering = volume_rendering.render_in_chunks(blob, rays, distances, num_chunks=chunks)
    return jnp.sum(rendering.rgb * target) + jnp.sum(rendering.depth * rendering.semantic_mask[..., 1]), rendering

  step = jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True), static_argnums=3)
  arguments = make_blob().axes, make_blob().density_beta, distances
  whole, cut = step(*arguments, 1), step(*arguments, num_chunks)
  for (path, expected), actual in zip(jax.tree_util.tree_flatten_with_path(whole)[0], jax.tree.leaves(cut)):
    tiny.assert_close(actual, expected, rtol=1e-5, what=jax.tree_util.keystr(path))


def test_uneven_chunks_are_refused():
  """Protects against a shape error deep inside: the count, the rule and the remedy in one line."""
  with pytest.raises(ValueError, match='64 rays do not divide into 5 chunks; use a divisor of 64'):
    volume_rendering.render_in_chunks(make_blob(), *make_view(), num_chunks=5)


def test_chunks_fit_their_budget():
  """Protects memory: the smallest divisor of the rays whose chunk fits, one ray at a time if none does."""
  budget = 2**20  # on CPU
  assert volume_rendering.choose_num_chunks(64, budget // 64) == 1
  assert volume_rendering.choose_num_chunks(64, budget // 63) == 2
  assert volume_rendering.choose_num_chunks(64, budget // 8) == 8
  assert volume_rendering.choose_num_chunks(9, budget // 4) == 3
  assert volume_rendering.choose_num_chunks(64, budget * 2) == 64
