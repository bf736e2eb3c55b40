import contextlib
import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tiny

from cnerf_jax import camera
from cnerf_jax import rays as rays_lib
from cnerf_jax import sampler
from cnerf_jax.persistence import checkpoints
from cnerf_jax.training import pixels as pixels_lib
from cnerf_jax.training import sharding
from cnerf_jax.training import vae_pretraining

pytestmark = pytest.mark.usefixtures('quick_compilation')


def _config(**changes):
  settings = dict(vae_pretraining__batches_per_step=1, vae_pretraining__rays_per_portrait=8, vae_pretraining__num_encoded=16) | changes
  return tiny.make_config(**settings)


@pytest.mark.parametrize('batches_per_step', [1, 2])
def test_generator_learns_to_redraw_portraits(batches_per_step):
  """Protects VAE pretraining: reconstructed portraits come to look like the reals, by the generator's parameters, one batch a step or two."""
  config = _config(vae_pretraining__num_steps=30, vae_pretraining__learning_rate=3e-3, vae_pretraining__batches_per_step=batches_per_step)
  players, _, state = tiny.make_run(config)
  params = jax.device_get(state.generator_params)
  losses = []
  batches = itertools.repeat(jax.device_get(tiny.make_batch(config)))
  fitted = vae_pretraining.initialise(
      jax.random.key(0), players, params, config, batches, sharding.make_mesh(jax.devices()[:1]),
      on_step=lambda step, loss: losses.append((step, loss))).generator_params
  assert [step for step, _ in losses] == [10, 20, 30]
  assert losses[-1][1] < losses[0][1]
  chex.assert_trees_all_equal_structs(fitted, params)
  chex.assert_tree_all_finite(fitted)


class CountedBatches:
  """Endless batches, each of its own reals, whose position can be saved."""

  def __init__(self, config):
    self._config, self._position = config, 0

  def __next__(self):
    self._position += 1
    return jax.device_get(tiny.make_batch(self._config, seed=self._position))

  def get_state(self):
    return {'position': self._position}

  def set_state(self, state):
    self._position = state['position']


@pytest.mark.parametrize('viewpoints', ['known', 'refined', 'guessed'])
def test_stopped_pretraining_goes_on_where_it_was(tmp_path, viewpoints):
  """Protects up to an hour of pretraining from a kill: stopped after 20 steps and run again, it ends bitwise as if never stopped."""
  config = _config(vae_pretraining__num_steps=30, checkpoint_every=15, vae_pretraining__batches_per_step=2,
                   vae_pretraining__viewpoints=viewpoints)
  players, _, state = tiny.make_run(config)
  params, mesh = jax.device_get(state.generator_params), sharding.make_mesh(jax.devices()[:1])
  run = lambda **options: vae_pretraining.initialise(
      jax.random.key(0), players, params, config, CountedBatches(config), mesh, **options)
  whole = run()

  def stop(step, loss):
    if step == 20:
      raise KeyboardInterrupt

  steps = []
  for on_step in (stop, lambda step, loss: steps.append(step)):
    with checkpoints.Checkpoints(tmp_path, max_to_keep=1) as saved, contextlib.suppress(KeyboardInterrupt):
      resumed = run(on_step=on_step, saved=saved)
  assert steps == [20, 30]
  chex.assert_trees_all_equal(resumed, whole)


def test_pretrained_generator_draws_encoded_people(monkeypatch):
  """Protects the diversity of drawn people (trap: the encoder's Gaussian forgotten): from z ~ N(0, I) the pretrained generator makes the
  styles that the fitted one makes of latents spread as those of encoded reals, and nothing else of it has changed."""
  config = _config(vae_pretraining__num_steps=1, vae_pretraining__batches_per_step=2)
  players, _, state = tiny.make_run(config)
  params = jax.device_get(state.generator_params)
  encoder = vae_pretraining.make_encoder(players, config)
  batch = tiny.make_batch(config)
  encoder_params = tiny.fill(jax.eval_shape(encoder.init, jax.random.key(0), batch['image'], batch['semantic_mask']))
  monkeypatch.setattr(vae_pretraining, 'fit', lambda *arguments: (params, encoder_params))
  batches = CountedBatches(config)
  result = vae_pretraining.initialise(jax.random.key(0), players, params, config, batches, sharding.make_mesh(jax.devices()[:1]))
  pretrained = result.generator_params
  assert batches.get_state() == {'position': 4}  # sixteen portraits in batches of four

  reals = [tiny.make_batch(config, seed) for seed in range(1, 5)]
  guesses = [jax.device_get(encoder.apply(encoder_params, real['image'], real['semantic_mask'])).z for real in reals]
  means = np.concatenate([guess.mean for guess in guesses]).astype(np.float64)
  variances = np.exp(np.concatenate([guess.log_variance for guess in guesses]))
  covariance = np.cov(means, rowvar=False) + np.diag(variances.mean(axis=0))
  z = np.random.default_rng(0).standard_normal((5, config.generator.style_dim))
  spread = means.mean(axis=0) + z @ np.linalg.cholesky(covariance).T
  map_latents = lambda params, z: sampler.map_latents(players.generator, params, jnp.asarray(z, jnp.float32))
  chex.assert_trees_all_close(map_latents(pretrained, z), map_latents(params, spread), rtol=1e-3, atol=1e-4)
  chex.assert_trees_all_equal(pretrained['params']['field'], params['params']['field'])


def test_portraits_without_a_camera_do_not_count():
  """Protects shapes from cameras that nobody knows: at confidence 0 a portrait's pixels change nothing in what known viewpoints cost."""
  config = _config(vae_pretraining__num_steps=1)
  players, _, state = tiny.make_run(config)
  batch = tiny.make_batch(config)
  encoder_params = tiny.fill(jax.eval_shape(
      vae_pretraining.make_encoder(players, config).init, jax.random.key(0), batch['image'], batch['semantic_mask']))
  params, still = (state.generator_params, encoder_params), optax.set_to_zero()
  step = jax.jit(vae_pretraining.make_step(players, (still, still), config))
  carry = params, (still.init(params[0]), still.init(params[1])), jax.random.key(0), jnp.int32(0)
  loss = lambda batch: float(step(carry, batch)[1])
  other = batch | {'image': np.concatenate([batch['image'][:3], -batch['image'][3:]])}
  assert loss(batch) != loss(other)
  unknown = {'viewpoint_confidence': np.float32([1, 0.3, 1, 0])}
  np.testing.assert_allclose(loss(batch | unknown), loss(other | unknown), rtol=1e-6)
  sure = {'viewpoint_confidence': np.ones(4, np.float32)}
  np.testing.assert_allclose(loss(batch | sure), loss(batch), rtol=1e-6)


def test_encoder_learns_the_viewpoints_that_are_known():
  """Protects the reading of new photographs: refining, the encoder comes to read the records' viewpoints, of those that are sure."""
  config = _config(vae_pretraining__num_steps=40, vae_pretraining__viewpoints='refined', vae_pretraining__encoder_learning_rate=1e-2)
  players, _, state = tiny.make_run(config)
  batch = jax.device_get(tiny.make_batch(config)) | {'viewpoint_confidence': np.float32([1, 1, 1, 0])}
  batch['viewpoint'] = np.float32([[0.3, 0.1], [-0.3, 0.1], [0.2, -0.1], [0, 0]])
  _, encoder_params = vae_pretraining.fit(
      jax.random.key(0), players, jax.device_get(state.generator_params), config, itertools.repeat(batch),
      sharding.make_mesh(jax.devices()[:1]))
  read = vae_pretraining.make_encoder(players, config).apply(encoder_params, batch['image'], batch['semantic_mask']).viewpoint
  np.testing.assert_allclose(read[:3], batch['viewpoint'][:3], atol=0.06)


def test_latents_are_mirrored_where_viewpoints_are_guessed():
  """Protects the choice of a config: what reads viewpoints, in which unit, and whose latents are those of the mirror image too."""
  def encoder(viewpoints, mirror_latents='guessed'):
    config = _config(
        vae_pretraining__viewpoints=viewpoints, vae_pretraining__mirror_latents=mirror_latents, camera__azimuth_std=0.2,
        camera__elevation_mean=0.1)
    return vae_pretraining.make_encoder(tiny.make_players(config), config)

  assert [encoder(kind).mirror_latents for kind in ('known', 'refined', 'guessed')] == [False, False, True]
  assert encoder('known', 'always').mirror_latents and not encoder('guessed', 'never').mirror_latents
  assert encoder('known').viewpoint_std is None
  for kind in ('refined', 'guessed'):
    assert (encoder(kind).viewpoint_std, encoder(kind).elevation_mean) == ((0.2, 0.15), 0.1)


def test_reconstructed_pixels_are_held_against_the_same_real_pixels(monkeypatch):
  """Protects what pretraining learns (trap: pixels drawn by two keys): a generator that reconstructs the reals perfectly costs nothing."""
  config = _config(vae_pretraining__num_steps=1)
  players, _, state = tiny.make_run(config)
  batch = tiny.make_batch(config)
  classes = np.argmax(batch['semantic_mask'], axis=-1)
  batch = batch | {'semantic_mask': np.eye(tiny.NUM_CLASSES, dtype=np.float32)[classes]}  # a hard mask reconstructed costs exactly nothing
  seen = []

  def render_perfectly(generator, params, styles, viewpoint, jitter, eikonal_indices, *, pixels, **settings):
    seen.append(pixels)
    flat = lambda x: x.reshape(x.shape[0], -1, x.shape[-1])
    image, mask = rays_lib.take_pixels((flat(batch['image']), flat(batch['semantic_mask'])), pixels)
    chex.assert_trees_all_equal(viewpoint, batch['viewpoint'])
    return pixels_lib.Pixels(image, mask, jnp.float32(0), jnp.float32(0), jnp.float32(0))

  monkeypatch.setattr(pixels_lib, 'render_pixels', render_perfectly)
  encoder_params = tiny.fill(jax.eval_shape(
      vae_pretraining.make_encoder(players, config).init, jax.random.key(0), batch['image'], batch['semantic_mask']))
  params = state.generator_params, encoder_params
  still = optax.set_to_zero()
  step = vae_pretraining.make_step(players, (still, still), config)
  carry = params, (still.init(params[0]), still.init(params[1])), jax.random.key(0), jnp.int32(0)
  _, likeness = step(carry, batch)
  assert likeness == 0
  chex.assert_shape(seen, (config.batch_size, config.vae_pretraining.rays_per_portrait))


@pytest.mark.parametrize('term', ['eikonal', 'minimal_surface', 'backdrop'])
def test_geometry_losses_count_with_their_weights(monkeypatch, term):
  """Protects the surface from the first step on: what the rendering says of it is in the loss, times the weight of the config."""
  losses = {}
  for weight in (0.0, 0.5):
    config = _config(vae_pretraining__num_steps=1, **{f'loss_weights__generator__{term}': weight})
    players, _, state = tiny.make_run(config)
    batch = tiny.make_batch(config)

    def render(generator, params, styles, viewpoint, jitter, eikonal_indices, *, pixels, **settings):
      found = dict.fromkeys(('eikonal_loss', 'minimal_surface_loss', 'backdrop_loss'), jnp.float32(0)) | {f'{term}_loss': jnp.float32(3)}
      return pixels_lib.Pixels(jnp.zeros((*pixels.shape, 3)), jnp.full((*pixels.shape, tiny.NUM_CLASSES), 1 / tiny.NUM_CLASSES), **found)

    monkeypatch.setattr(pixels_lib, 'render_pixels', render)
    encoder_params = tiny.fill(jax.eval_shape(
        vae_pretraining.make_encoder(players, config).init, jax.random.key(0), batch['image'], batch['semantic_mask']))
    loss = vae_pretraining.make_loss(players, config)(batch, jax.random.key(0), jnp.int32(0))
    losses[weight], _ = loss((state.generator_params, encoder_params))
  np.testing.assert_allclose(losses[0.5] - losses[0.0], 0.5 * 3, rtol=1e-4)


def test_reconstructed_pixels_are_those_of_the_image(monkeypatch):
  """Protects the pairing of rays and real pixels: pixel i of a reconstructed portrait is pixel i of the rendered image."""
  config = _config()
  players, _, state = tiny.make_run(config)
  params = jax.device_get(state.generator_params)
  z = jax.random.normal(jax.random.key(1), (2, config.generator.style_dim))
  viewpoint = jnp.array([[0.3, -0.1], [-0.2, 0.1]])
  pixels = jnp.array([[0, 5, 15, 5], [7, 1, 2, 12]])
  jittered = rays_lib.offset_distances
  monkeypatch.setattr(rays_lib, 'offset_distances', lambda near, far, jitter, **k: jittered(near, far, 0 * jitter, **k))
  styles = sampler.map_latents(players.generator, params, z)
  some = vae_pretraining.reconstruct(players, params, jax.random.key(0), styles, viewpoint, pixels, config)
  whole = sampler.render(
      players.generator, params, styles,
      camera.orbit(viewpoint[:, 0], viewpoint[:, 1]), image_size=config.image_size,
      num_samples=config.num_samples)
  for name, image in dict(image=whole.rgb, semantic_mask=whole.semantic_mask).items():
    expected = np.take_along_axis(np.asarray(image).reshape(2, 16, -1), np.asarray(pixels)[..., None], axis=1)
    np.testing.assert_allclose(getattr(some, name), expected, rtol=1e-5, atol=1e-6)


def test_rare_classes_count_more(monkeypatch):
  """Protects what few people wear: a portrait's error counts by the rarest class that it shows, and with power 0 as all others' does."""
  losses = {}
  for power in (0.0, 1.0):
    config = _config(vae_pretraining__num_steps=1, vae_pretraining__rare_weight_power=power)
    players, _, state = tiny.make_run(config)
    classes = np.zeros((4, 4, 4), int)
    classes[3, :2] = 1  # one portrait of four shows class 1
    batch = tiny.make_batch(config) | {'semantic_mask': np.eye(tiny.NUM_CLASSES, dtype=np.float32)[classes]}
    batch['image'] = np.zeros_like(batch['image'])

    def render(generator, params, styles, viewpoint, jitter, eikonal_indices, *, pixels, **settings):
      image = jnp.zeros((*pixels.shape, 3)).at[3].set(1.0)  # only the last portrait is wrong, by 1 in each colour
      mask = rays_lib.take_pixels((jnp.asarray(batch['semantic_mask']).reshape(4, 16, -1),), pixels)[0]
      return pixels_lib.Pixels(image, mask, jnp.float32(0), jnp.float32(0), jnp.float32(0))

    monkeypatch.setattr(pixels_lib, 'render_pixels', render)
    encoder_params = tiny.fill(jax.eval_shape(
        vae_pretraining.make_encoder(players, config).init, jax.random.key(0), batch['image'], batch['semantic_mask']))
    still = optax.set_to_zero()
    params = state.generator_params, encoder_params
    carry = params, (still.init(params[0]), still.init(params[1])), jax.random.key(0), jnp.int32(0)
    _, losses[power] = vae_pretraining.make_step(players, (still, still), config)(carry, batch)
  error = config.vae_pretraining.image_weight * 3
  np.testing.assert_allclose(losses[0.0], error / 4, rtol=1e-5)
  np.testing.assert_allclose(losses[1.0], error * 4 / 7, rtol=1e-5)  # weights 1, 1, 1 and 4


class Saved:
  """Checkpoints that are noted."""

  def __init__(self):
    self.steps = []

  def list_steps(self):
    return []

  def save(self, step, carry, iterator):
    self.steps.append(step)


def test_pretraining_that_learns_nothing_any_more_ends(monkeypatch):
  """Protects hours of pretraining, and its last sound checkpoint: a loss that stays NaN ends it, unsaved; one NaN does not."""
  config = _config(vae_pretraining__num_steps=80, checkpoint_every=10)
  players, _, state = tiny.make_run(config)
  bad = []

  def make_step(players, optimizers, config, hollow_encoder_params=None):
    def step(carry, batch):
      del batch
      params, optimizer_states, key, i = carry
      return (params, optimizer_states, key, i + 1), jnp.where(jnp.isin(i + 1, jnp.array(bad)), jnp.nan, 0.5)
    return step

  monkeypatch.setattr(vae_pretraining, 'make_step', make_step)

  def run():
    saved = Saved()
    vae_pretraining.fit(
        jax.random.key(0), players, jax.device_get(state.generator_params), config, CountedBatches(config),
        sharding.make_mesh(jax.devices()[:1]), saved=saved)
    return saved.steps

  bad[:] = [20, 30, 50]
  assert run() == [10, 40, 60, 70, 80]
  bad[:] = [40, 50, 60]
  with pytest.raises(ValueError, match='pretraining, step 60: the reconstruction loss is nan; what was saved before that is still there'):
    run()
  bad[:] = [80]
  with pytest.raises(ValueError, match='step 80'):
    run()
