"""Transforms move image and mask together, change nothing at strength 0, let gradients through, and grow with overfitting."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tiny

from cnerf_jax.training import augmentation
from cnerf_jax.training import train_step

SIZE = 16


def portraits(batch=8, channels=5, seed=0):
  draw = np.random.default_rng(seed)
  return (jnp.asarray(draw.uniform(-1, 1, (batch, SIZE, SIZE, 3)), jnp.float32),
          jnp.asarray(draw.uniform(0, 1, (batch, SIZE, SIZE, channels)), jnp.float32))


def identity(batch):
  return augmentation.draw(jax.random.key(0), batch, jnp.float32(0), SIZE)


def affine(matrix, batch=8):
  return identity(batch).replace(to_source=jnp.broadcast_to(jnp.asarray(matrix, jnp.float32), (batch, 2, 3)))


def test_strength_zero_is_no_change_to_the_last_bit():
  """Protects the start of every run, when nothing has adapted yet."""
  image, mask = portraits()
  changed = augmentation.apply(identity(8), image, mask)
  np.testing.assert_array_equal(changed[0], image)
  np.testing.assert_array_equal(changed[1], mask)
  view = jnp.ones((8, 2))
  np.testing.assert_array_equal(augmentation.apply_viewpoint(identity(8), view), view)


@pytest.mark.parametrize('matrix, expected', [
    ([[1, 0, 0], [0, -1, 0]], lambda x: x[:, :, ::-1]), ([[-1, 0, 0], [0, 1, 0]], lambda x: x[:, ::-1]),
    ([[0, 1, 0], [1, 0, 0]], lambda x: x.transpose(0, 2, 1, 3)),
    ([[1, 0, 3], [0, 1, 0]], lambda x: np.concatenate([x[:, 3:], x[:, :-4:-1]], 1)),
    ([[1, 0, 0], [0, 1, -2]], lambda x: np.concatenate([x[:, :, 1::-1], x[:, :, :-2]], 2))],
    ids=['mirror', 'upside down', 'transposed', 'up', 'right'])
def test_warp_moves_pixels(matrix, expected):
  """Oracle: mirrors, turns and shifts by whole pixels are rearrangements, reflected beyond the border."""
  image, _ = portraits()
  np.testing.assert_allclose(augmentation.warp(image, affine(matrix).to_source), expected(np.asarray(image)), atol=1e-6)


def test_warp_is_bilinear_between_pixels():
  """Oracle: half a pixel is the mean of two; a ramp zoomed is a flatter ramp."""
  image, _ = portraits()
  half = augmentation.warp(image, affine([[1, 0, 0.5], [0, 1, 0]]).to_source)
  np.testing.assert_allclose(half[:, :-1], (image[:, :-1] + image[:, 1:]) / 2, atol=1e-6)
  ramp = jnp.broadcast_to(jnp.arange(SIZE, dtype=jnp.float32)[:, None, None], (8, SIZE, SIZE, 1))
  zoomed = augmentation.warp(ramp, affine([[0.5, 0, 0], [0, 0.5, 0]]).to_source)
  np.testing.assert_allclose(jnp.diff(zoomed, axis=1), 0.5, atol=1e-5)


def test_image_and_mask_move_together():
  """Protects the pairs: a mask painted into the image stays on it under every draw, and sums of masks stay one."""
  _, mask = portraits(64, channels=4, seed=1)
  mask = mask / mask.sum(-1, keepdims=True)
  transforms = augmentation.draw(jax.random.key(1), 64, jnp.float32(1), SIZE)
  plain = transforms.replace(color=identity(64).color)
  image, moved = augmentation.apply(plain, mask[..., :3], mask)
  np.testing.assert_allclose(image, moved[..., :3], atol=1e-6)
  np.testing.assert_allclose(moved.sum(-1), 1, atol=1e-5)
  assert float(jnp.abs(moved - mask).max()) > 0.1
  colored, same = augmentation.apply(transforms, mask[..., :3], mask)
  np.testing.assert_array_equal(same, moved)
  assert float(jnp.abs(colored - image).mean()) > 0.05


def test_transforms_happen_as_often_as_the_strength_says():
  """Protects the strength's meaning: at 0.4, mirrors in a fifth (half of them mirror nothing), other moves in their shares."""
  transforms = augmentation.draw(jax.random.key(2), 4000, jnp.float32(0.4), 64)
  assert abs(float(transforms.mirrored.mean()) - 0.2) < 0.03
  turned = jnp.abs(transforms.to_source[:, 0, 1]) > 0
  assert abs(float(turned.mean()) - 0.4) < 0.03
  upright = ~turned & (jnp.abs(jnp.abs(transforms.to_source[:, 0, 0]) - 1) < 1e-6)
  shift = np.asarray(transforms.to_source[:, :, 2])[np.asarray(upright)]
  np.testing.assert_array_equal(shift, np.round(shift))
  assert np.abs(shift).max() <= 8


def test_mirrored_portraits_look_the_other_way():
  """Protects the viewpoint loss: azimuth changes its sign with the mirror, elevation never, turns change neither."""
  transforms = augmentation.draw(jax.random.key(3), 64, jnp.float32(0.8), SIZE)
  view = augmentation.apply_viewpoint(transforms, jnp.broadcast_to(jnp.array([0.3, 0.1]), (64, 2)))
  np.testing.assert_allclose(view[:, 0], jnp.where(transforms.mirrored > 0, -0.3, 0.3))
  np.testing.assert_allclose(view[:, 1], 0.1)
  determinant = jnp.linalg.det(transforms.to_source[:, :, :2])
  np.testing.assert_array_equal(determinant < 0, transforms.mirrored > 0)


def test_gradients_pass_through():
  """Protects the generator's learning: the gradient by image and mask is the finite difference's."""
  image, mask = portraits(2, seed=4)
  transforms = augmentation.draw(jax.random.key(4), 2, jnp.float32(1), SIZE)
  weight = portraits(2, seed=5)

  def loss(image, mask):
    changed = augmentation.apply(transforms, image, mask)
    return sum(jnp.vdot(w, jnp.sin(x)) for w, x in zip(weight, changed))

  gradients = jax.grad(loss, argnums=(0, 1))(image, mask)
  direction = portraits(2, seed=6)
  step = 1e-2
  moved = lambda sign: loss(image + sign * step * direction[0], mask + sign * step * direction[1])
  slope = sum(jnp.vdot(g, d) for g, d in zip(gradients, direction))
  np.testing.assert_allclose((moved(1) - moved(-1)) / (2 * step), slope, rtol=2e-2)


def test_strength_rises_when_the_discriminator_overfits():
  """Protects small sets: above the target every few steps up, below it down, between 0 and the largest."""
  config = tiny.make_config(augmentation__target=0.6, augmentation__adjust_every=2, augmentation__images_to_full=80)
  state = augmentation.initial_state()
  strengths = []
  for step, sign in enumerate([1, 1] * 10 + [0.5, 0.5] * 3):
    state = augmentation.adapt(state, jnp.float32(sign), jnp.int32(step), config)
    strengths.append(float(state.strength))
  np.testing.assert_allclose(strengths[:4], [0, 0.1, 0.1, 0.2], atol=1e-6)
  assert max(strengths) == pytest.approx(augmentation.LARGEST_STRENGTH)
  np.testing.assert_allclose(strengths[-5::2], [0.7, 0.6, 0.5], atol=1e-6)
  assert float(augmentation.adapt(augmentation.initial_state(), jnp.float32(-1), jnp.int32(1), config).strength) == 0


def test_step_with_augmentation_adapts_and_starts_as_one_without(quick_compilation):
  """Protects both: off there is no field for it; on, the first step (strength 0) moves every player as without, and the strength adapts."""
  results = {}
  for target in (0.0, 0.6):
    config = tiny.make_config(augmentation__target=target, augmentation__adjust_every=1, augmentation__images_to_full=40)
    players, optimizers, state = tiny.make_run(config)
    results[target] = jax.jit(train_step.make_train_step(config, players, optimizers))(state, tiny.make_batch(config))
  (off, off_metrics), (on, on_metrics) = results[0.0], results[0.6]
  assert not hasattr(off, 'augmentation') and not any('augmentation' in name or 'real_sign' in name for name in off_metrics)
  expected = 0.1 if float(on_metrics['global_discriminator/real_sign']) > 0.6 else 0.0
  np.testing.assert_allclose(on.augmentation.strength, expected, atol=1e-6)
  assert float(on_metrics['augmentation/strength']) == float(on.augmentation.strength)
  for name in ('generator_params', 'global_discriminator_params', 'semantic_discriminator_params'):
    before, after = tiny.flat(getattr(off, name)), tiny.flat(getattr(on, name))
    for path, value in before.items():
      tiny.assert_close(after[path], value, rtol=1e-4, what=f'{name}/{path}')


def test_step_in_micro_batches_is_finite_at_full_strength(quick_compilation):
  """Protects accumulation and fresh fakes under augmentation: each micro-batch has its own transforms."""
  config = tiny.make_config(augmentation__target=0.6, reuse_fakes=False, num_micro_batches=2, batch_size=8)
  players, optimizers, state = tiny.make_run(config)
  state = state.replace(augmentation=state.augmentation.replace(strength=jnp.float32(0.8)))
  state, metrics = jax.jit(train_step.make_train_step(config, players, optimizers))(state, tiny.make_batch(config))
  chex.assert_tree_all_finite((tiny.flat(state), metrics))
