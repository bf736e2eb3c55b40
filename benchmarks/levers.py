"""What each lever of speed gives alone: python -m benchmarks.levers --config=configs/ffhq12.py --batch=1 --devices=2

Draws portraits, and takes the gradient of what was drawn, as the code is and with one lever undone at a time, all in turn. Prints the
median seconds of each, their ratio to the code as it is, the temporary memory and the largest difference of the pictures, and appends
the rows to --output as JSON. `undone` is the list; a test holds that each computes the same function.
"""

from collections.abc import Callable
import contextlib
import json
import os
import pathlib
from unittest import mock

from absl import app
from absl import flags
import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from ml_collections import config_flags
import numpy as np

from benchmarks import drawing
from benchmarks import machine
from cnerf_jax.models import compositional_field
from cnerf_jax.models import film_siren
from cnerf_jax.models import local_generator
from cnerf_jax.models import players as players_lib
from cnerf_jax.models import sine
from cnerf_jax.rendering import volume_rendering
from cnerf_jax.training import sharding


@flax.struct.dataclass
class UnfoldedSineLayer:
  """sin(gamma (x W + b) + beta), frequency and phase applied to every point."""

  kernel: Float[Array, 'inputs outputs']
  bias: Float[Array, 'outputs']
  gamma: Float[Array, 'outputs']
  beta: Float[Array, 'outputs']

  def __call__(self, x):
    return sine.sine(self.gamma * (x @ self.kernel + self.bias) + self.beta)


class UnfoldedFilmSiren(film_siren.FilmSiren):
  """`FilmSiren` that leaves frequency and phase to the layer."""

  @nn.compact
  def __call__(self, style):
    kernel = self.param('kernel', nn.initializers.zeros, (self.inputs, self.outputs))
    bias = self.param('bias', nn.initializers.zeros, (self.outputs,))
    film = lambda name: nn.Dense(self.outputs, name=name)(style)
    batch = style.shape[:1]
    return UnfoldedSineLayer(
        kernel=jnp.broadcast_to(kernel, batch + kernel.shape), bias=jnp.broadcast_to(bias, batch + bias.shape),
        gamma=self.gamma_offset + self.gamma_scale * film('gamma'), beta=self.beta_scale * film('beta'))


def _query_through_features(field, points, viewdirs):
  shape_features = field._shape_features(points)
  texture_features = field._texture_features(shape_features)
  return local_generator.LocalQuery(
      mask_score=field.mask_head(shape_features, viewdirs)[..., 0],
      color_logit=field.color_head(field.feature_head(texture_features, viewdirs)),
      residual_sdf=field.sdf_head(texture_features)[..., 0])


def _view_head_per_sample(head, features, viewdirs):
  seen = jnp.broadcast_to(viewdirs[:, None, :], features.shape[:-1] + viewdirs.shape[-1:])
  return jnp.concatenate([features, seen], axis=-1) @ head.kernel + head.bias


def _query_class_by_class(portrait, points, viewdirs):
  per_portrait = jax.vmap(local_generator.LocalField.query, in_axes=(local_generator.BATCH_AXES, 0, 0))
  answers = [
      per_portrait(jax.tree.map(lambda leaf: leaf[k], portrait.bank), points * compositional_field.POINT_SCALE, viewdirs)
      for k in range(portrait.class_weights.shape[0])]
  answers = jax.tree.map(lambda *rows: jnp.stack(rows), *answers)
  masks = portrait._drawn(portrait.fuse_masks(answers.mask_score))
  residual_sdf = jnp.sum(answers.residual_sdf, axis=0)
  return compositional_field.FieldSample(
      sdf=portrait.base_sdf(points) + residual_sdf,
      residual_sdf=residual_sdf,
      color=jax.nn.sigmoid(portrait.color_gain * jnp.sum(masks[..., None] * answers.color_logit, axis=0)),
      mask_scores=jnp.moveaxis(masks, 0, -1))


def undone() -> dict[str, Callable]:
  """Name of a lever → a context in which what is traced does without it."""
  patch = mock.patch.object
  return {
      'as it is': contextlib.nullcontext,
      'sine of XLA, not our polynomial': lambda: patch(sine, 'sine', jnp.sin),
      'frequency and phase not folded into the layer': lambda: patch(film_siren, 'FilmSiren', UnfoldedFilmSiren),
      'colour through the feature, heads not folded': lambda: patch(local_generator.LocalField, 'query', _query_through_features),
      'view direction at every sample, not every ray': lambda: patch(local_generator.ViewHead, '__call__', _view_head_per_sample),
      'classes one by one, not batched': lambda: patch(compositional_field.RadianceField, 'query', _query_class_by_class),
      'all rays at once, not in chunks': lambda: patch(volume_rendering, 'choose_num_chunks', lambda *_: 1),
  }


def make_params(config, seed: int = 0):
  """The generator of a config, and random parameters whose residual signed distances are not zero."""
  generator = players_lib.make_players(config).generator.clone(residual_from_zero=False)
  z = jnp.zeros((1, generator.latent_dim))
  return generator, jax.jit(generator.init)(jax.random.key(seed), z)


def compile_variants(config, batch: int, mesh=None):
  """Name of a lever → (drawing, gradient) without it, both compiled; and the parameters to call them with."""
  generator, params = make_params(config)
  if mesh is not None:
    params = jax.device_put(params, sharding.replicated(mesh))
  variants = {}
  for name, without in undone().items():
    draw = drawing.make_draw(config, generator, batch, mesh=mesh)
    loss = lambda params, draw=draw: sum(jnp.mean(x**2) for x in draw(params))
    with without():
      variants[name] = [jax.jit(function).lower(params).compile() for function in (draw, jax.grad(loss))]
    print(f'compiled: {name}')
  return variants, params


def measure(config, batch: int, num_devices: int, repeats: int) -> list[dict]:
  """A row of metrics for every lever."""
  mesh = sharding.make_mesh(jax.devices()[:num_devices]) if num_devices > 1 else None
  variants, params = compile_variants(config, batch, mesh)
  calls = [lambda f=f: f(params) for pair in variants.values() for f in pair]
  seconds = machine.interleaved(calls, repeats)
  medians = np.median(np.array(seconds), axis=1).reshape(-1, 2)
  pictures = [draw(params) for draw, _ in variants.values()]
  rows = []
  for i, (name, (draw, gradient)) in enumerate(variants.items()):
    difference = max(float(jnp.max(jnp.abs(a - b))) for a, b in zip(pictures[i], pictures[0]))
    rows.append(dict(
        without=name, render_seconds=float(medians[i, 0]), gradient_seconds=float(medians[i, 1]),
        render_ratio=float(medians[i, 0] / medians[0, 0]), gradient_ratio=float(medians[i, 1] / medians[0, 1]),
        render_gib=draw.memory_analysis().temp_size_in_bytes / 2**30,
        gradient_gib=gradient.memory_analysis().temp_size_in_bytes / 2**30, largest_difference=difference))
  return rows


def main(argv):
  del argv
  rows = measure(_CONFIG.value, _BATCH.value, _DEVICES.value, _REPEATS.value)
  setting = dict(
      device=jax.devices()[0].device_kind, devices=_DEVICES.value, batch=_BATCH.value, image_size=_CONFIG.value.image_size,
      width=_CONFIG.value.generator.width, num_samples=_CONFIG.value.num_samples, load=os.getloadavg()[0])
  print(setting)
  print(f'{"without":50s} render s ratio  GiB | gradient s ratio  GiB | difference')
  for row in rows:
    print(f'{row["without"]:50s} {row["render_seconds"]:8.3f} {row["render_ratio"]:5.2f} {row["render_gib"]:5.2f}'
          f' | {row["gradient_seconds"]:9.3f} {row["gradient_ratio"]:5.2f} {row["gradient_gib"]:5.2f} | {row["largest_difference"]:.1e}')
  if _OUTPUT.value:
    with pathlib.Path(_OUTPUT.value).open('a') as file:
      file.writelines(json.dumps(setting | row) + '\n' for row in rows)


if __name__ == '__main__':
  _CONFIG = config_flags.DEFINE_config_file('config', 'configs/ffhq12.py', 'What to draw with.', lock_config=True)
  _BATCH = flags.DEFINE_integer('batch', 1, 'Portraits drawn at once.', lower_bound=1)
  _DEVICES = flags.DEFINE_integer('devices', 1, 'Devices over which the rays are cut; on a CPU, ask for as many by XLA_FLAGS first.')
  _REPEATS = flags.DEFINE_integer('repeats', 5, 'Timed repetitions of each row.', lower_bound=1)
  _OUTPUT = flags.DEFINE_string('output', None, 'JSON lines are appended here.')
  app.run(main)
