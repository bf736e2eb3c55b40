"""Where did the camera stand? Told from label maps alone: python -m benchmarks.label_viewpoints --train=DIR [--real=LABELS --poses=FILE.json]

A small convolutional network (about 240,000 parameters) learns azimuth and elevation from an export of procedural people (their label maps
and truth.npz; the pictures are not looked at) and is asked about people of the export that it has not seen, and about label maps of
photographs, whose poses are only compared with: {name: [azimuth, elevation, ...]} in radians. It prints, for both angles, the correlation
with the truth, the median absolute error in degrees, the slope of what is read over the truth, and the mean difference in degrees.

Label maps of photographs differ from rendered ones in their crop, their borders and what people wear, so that the network sees every map
shifted, zoomed (each axis by itself), rolled, half of them mirrored (which turns the azimuth's sign), with frayed borders, and now and then
with a class painted over by a neighbour. Asked, it reads a map and its mirror image and takes the mean.
"""

from __future__ import annotations

from collections.abc import Mapping
import functools
import json
import os
import pathlib
import time
from typing import Any

from absl import app
from absl import flags
import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt8
import numpy as np
import optax

from benchmarks import exports
from benchmarks import machine
from cnerf_jax import semantics
from cnerf_jax.evaluation import oracle_network
from cnerf_jax.reporting import progress as progress_lib
from data_pipeline import class_merging

SIZE = 64  # side of what the network sees; label maps are kept at twice that, and averaged as they are sampled
STORED = 2 * SIZE
_CLASSES = semantics.FFHQ12
_SCALE = (0.3, 0.25)  # radians: of the network's two outputs
_READ_AT_ONCE = 64

# how each map is changed in training: uniform within +- the value
SHIFT, ZOOM, STRETCH, ROLL = 0.06, 0.08, 0.06, 0.1  # sides; logarithm; logarithm, of width over height; radians
WARP = 0.012  # standard deviation of a smooth displacement, sides
FRAY = 0.01  # of an independent displacement of each pixel, uniform within +- the value, sides

# (class, what it becomes, probability): things that a label map of a photograph may lack
_LOST = (
    ('glasses', 'skin', 0.4), ('hat', 'hair', 0.2), ('hat', 'background', 0.2), ('earrings', 'hair', 0.2), ('earrings', 'skin', 0.1),
    ('earrings', 'background', 0.2), ('ears', 'hair', 0.1), ('ears', 'skin', 0.1), ('brows', 'skin', 0.05), ('eyes', 'skin', 0.03),
    ('neck', 'background', 0.05), ('hair', 'background', 0.03), ('background', 'hair', 0.02))


class ViewpointNetwork(nn.Module):
  """Class fractions of each pixel to (azimuth, elevation) in units of `_SCALE`.

  Grids of 16, 8 and 4 cells, cut into patches where others would stride: gradients of strided convolutions are slow on a CPU.
  """

  channels: tuple[int, int, int] = (64, 96, 128)

  @nn.compact
  def __call__(self, x: Float[Array, 'batch size size classes']) -> Float[Array, 'batch 2']:
    fine, middle, coarse = self.channels
    x = nn.Dense(fine)(oracle_network.space_to_depth(x - 1 / x.shape[-1], 4))
    x = x + nn.Conv(fine, (3, 3))(nn.relu(nn.LayerNorm()(x)))
    x = nn.Dense(middle)(oracle_network.space_to_depth(nn.relu(x), 2))
    x = x + nn.Conv(middle, (3, 3))(nn.relu(nn.LayerNorm()(x)))
    x = nn.Dense(coarse)(oracle_network.space_to_depth(nn.relu(x), 2))
    x = nn.relu(nn.LayerNorm()(x)).reshape(len(x), -1)
    return nn.Dense(2)(nn.gelu(nn.LayerNorm()(nn.Dense(16)(x))))  # normalised: so few units would all die of a large step


def class_fractions(
    labels: Int[Array, 'batch stored stored'], x: Float[Array, 'batch stored stored'], y: Float[Array, 'batch stored stored'],
    relabel: Int[Array, 'batch classes'] | None = None,
) -> Float[Array, 'batch size size classes']:
  """Label maps sampled at (x, y), in sides from the upper left corner (clipped), as fractions of each class in blocks of 2 x 2."""
  batch, side, _ = labels.shape
  column, row = (jnp.clip(jnp.floor(place * side), 0, side - 1).astype(jnp.int32) for place in (x, y))
  sampled = jnp.take_along_axis(labels.reshape(batch, -1), (row * side + column).reshape(batch, -1), axis=1).astype(jnp.int32)
  if relabel is not None:
    sampled = jnp.take_along_axis(relabel, sampled, axis=1)
  sampled = sampled.reshape(batch, side // 2, 2, side // 2, 2).transpose(0, 1, 3, 2, 4).reshape(batch, side // 2, side // 2, 4)
  return jax.nn.one_hot(sampled, _CLASSES.num_classes).mean(axis=3)


def grid(side: int) -> tuple[Float[Array, 'side side'], Float[Array, 'side side']]:
  """(x, y) of the middles of pixels, in sides."""
  middle = (jnp.arange(side) + 0.5) / side
  return jnp.meshgrid(middle, middle, indexing='xy')


def augment(
    key: Array, labels: UInt8[Array, 'batch stored stored'], viewpoint: Float[Array, 'batch 2'],
) -> tuple[Float[Array, 'batch size size classes'], Float[Array, 'batch 2']]:
  """Changed label maps as class fractions, and their viewpoints."""
  batch, side, _ = labels.shape
  keys = jax.random.split(key, 8)
  uniform = lambda key, most, shape=(): jax.random.uniform(key, (batch, *shape), minval=-1.0, maxval=1.0)[..., None, None] * most
  x, y = (place[None] - 0.5 for place in grid(side))
  roll, zoom, stretch = uniform(keys[0], ROLL), uniform(keys[1], ZOOM), uniform(keys[2], STRETCH)
  wide, high = jnp.exp(zoom + stretch / 2), jnp.exp(zoom - stretch / 2)
  shift = uniform(keys[3], SHIFT, (2,))
  x, y = ((jnp.cos(roll) * x - jnp.sin(roll) * y) * wide + shift[:, 0], (jnp.sin(roll) * x + jnp.cos(roll) * y) * high + shift[:, 1])
  warp = jax.image.resize(WARP * jax.random.normal(keys[4], (batch, 8, 8, 2)), (batch, side, side, 2), 'linear')
  fray = jax.random.uniform(keys[5], (2, batch, side, side), minval=-FRAY, maxval=FRAY)
  x, y = x + warp[..., 0] + fray[0], y + warp[..., 1] + fray[1]
  side_sign = jnp.where(jax.random.bernoulli(keys[6], 0.5, (batch,)), -1.0, 1.0)
  fractions = class_fractions(labels, side_sign[:, None, None] * x + 0.5, y + 0.5, _lose(keys[7], batch))
  return fractions, viewpoint * jnp.stack([side_sign, jnp.ones(batch)], axis=-1)


def _lose(key: Array, batch: int) -> Int[Array, 'batch classes']:
  """For each map, what each class becomes."""
  becomes = jnp.tile(jnp.arange(_CLASSES.num_classes), (batch, 1))
  for (name, other, probability), lost in zip(_LOST, jax.random.uniform(key, (len(_LOST), batch))):
    k = _CLASSES.index(name)
    becomes = becomes.at[:, k].set(jnp.where(lost < probability, _CLASSES.index(other), becomes[:, k]))
  return becomes


def train(
    labels: UInt8[np.ndarray, 'maps stored stored'], viewpoint: Float[np.ndarray, 'maps 2'], *, steps: int, batch_size: int, seed: int,
    learning_rate: float = 1e-3, on_step=lambda step, loss: None,
) -> Any:
  """Parameters of a `ViewpointNetwork` that has seen `steps` batches of label maps of the twelve classes."""
  init_key, key = jax.random.split(jax.random.key(seed, impl='rbg'))
  params = jax.jit(ViewpointNetwork().init)(init_key, jnp.zeros((1, SIZE, SIZE, _CLASSES.num_classes)))
  schedule = optax.warmup_cosine_decay_schedule(0.0, learning_rate, max(1, steps // 10), max(2, steps))
  optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule, weight_decay=1e-2))

  def loss(params, key, labels, viewpoint):
    fractions, viewpoint = augment(key, labels, viewpoint)
    return optax.huber_loss(ViewpointNetwork().apply(params, fractions), viewpoint / jnp.array(_SCALE)).mean()

  @functools.partial(jax.jit, donate_argnums=(0, 1))
  def step(params, opt_state, key, labels, viewpoint):
    value, gradients = jax.value_and_grad(loss)(params, key, labels, viewpoint)
    updates, opt_state = optimizer.update(gradients, opt_state, params)
    return optax.apply_updates(params, updates), opt_state, value

  opt_state, rng = optimizer.init(params), np.random.default_rng(seed)
  for done in range(steps):
    chosen = rng.integers(len(labels), size=batch_size)
    params, opt_state, value = step(params, opt_state, jax.random.fold_in(key, done), labels[chosen], viewpoint[chosen])
    on_step(done + 1, value)
  return params


def read(params: Any, labels: UInt8[np.ndarray, 'maps stored stored']) -> Float[np.ndarray, 'maps 2']:
  """(azimuth, elevation) in radians, the mean of what is read from each map and its mirror image."""
  parts = [np.asarray(_read(params, labels[start:start + _READ_AT_ONCE])) for start in range(0, len(labels), _READ_AT_ONCE)]
  return np.concatenate(parts)


@jax.jit
def _read(params, labels):
  x, y = (jnp.broadcast_to(place, labels.shape) for place in grid(labels.shape[-1]))
  straight, mirrored = (ViewpointNetwork().apply(params, class_fractions(labels, place, y)) for place in (x, 1 - x))
  return (straight + mirrored * jnp.array([-1.0, 1.0])) / 2 * jnp.array(_SCALE)


def compare(found: Float[np.ndarray, 'maps 2'], truth: Float[np.ndarray, 'maps 2']) -> dict[str, dict[str, float]]:
  """For azimuth and elevation: correlation, median_degrees of the absolute error, slope over the truth, mean_difference_degrees."""
  rows = {}
  for k, name in enumerate(('azimuth', 'elevation')):
    difference = np.degrees(found[:, k] - truth[:, k])
    covariance = np.cov(found[:, k], truth[:, k])
    rows[name] = dict(
        correlation=float(np.corrcoef(found[:, k], truth[:, k])[0, 1]), median_degrees=float(np.median(np.abs(difference))),
        slope=float(covariance[0, 1] / covariance[1, 1]), mean_difference_degrees=float(difference.mean()))
  return rows


def read_poses(path: str | os.PathLike) -> Mapping[str, list[float]]:
  """{name without suffix: (azimuth, elevation, ...)}; app.UsageError in one line if there are none."""
  try:
    poses = json.loads(pathlib.Path(path).expanduser().read_text())
    return {pathlib.PurePath(name).stem: [float(angle) for angle in angles[:2]] for name, angles in poses.items()}
  except (OSError, ValueError, TypeError, AttributeError) as error:
    raise app.UsageError(f'{path} has no poses {{name: [azimuth, elevation]}} ({error})') from error


def measure(train_folder, real_folder=None, poses_file=None, *, limit: int, steps: int, batch_size: int, seed: int) -> dict[str, Any]:
  """Trains on nine tenths of an export; accuracy on the last tenth, and on photographs' label maps if there are any."""
  read_labels = lambda *args, **kwargs: exports.read_labels(*args, size=STORED, **kwargs)
  names, labels = read_labels(train_folder, limit=limit)
  truth = exports.read_truth(train_folder, ('azimuth', 'elevation'), count=len(names))
  viewpoint = np.stack([truth['azimuth'], truth['elevation']], axis=-1).astype(np.float32)
  labels = class_merging.merge_celebamask_hq(labels, _CLASSES)
  held_out = max(2, len(labels) // 10)
  started = time.perf_counter()
  with progress_lib.Progress(steps, description='label viewpoints') as progress:
    params = train(
        labels[:-held_out], viewpoint[:-held_out], steps=steps, batch_size=batch_size, seed=seed,
        on_step=lambda step, loss: progress.update(step, {'loss': loss}))
  seconds = time.perf_counter() - started
  accuracy = {'held out': compare(read(params, labels[-held_out:]), viewpoint[-held_out:])}
  if real_folder:
    poses = read_poses(poses_file)
    real_names, real = read_labels(real_folder, names=list(poses))
    found = read(params, class_merging.merge_celebamask_hq(real, _CLASSES))
    accuracy['real'] = compare(found, np.array([poses[name] for name in real_names]))
  return dict(
      benchmark='label_viewpoints', maps=len(labels) - held_out, steps=steps, batch_size=batch_size, seed=seed,
      parameters=sum(leaf.size for leaf in jax.tree.leaves(params)), seconds=seconds, load=os.getloadavg()[0],
      real_maps=len(real_names) if real_folder else 0, accuracy=accuracy)


def main(argv):
  del argv
  if bool(_REAL.value) != bool(_POSES.value):
    raise app.UsageError('--real and --poses go together: label maps of photographs, and the poses to compare with')
  row = measure(
      _TRAIN.value, _REAL.value, _POSES.value, limit=_LIMIT.value, steps=_STEPS.value, batch_size=_BATCH_SIZE.value, seed=_SEED.value)
  print(f'{row["parameters"]:,} parameters; {row["maps"]:,} maps, {row["steps"]:,} steps of {row["batch_size"]} in '
        f'{row["seconds"]:.0f} s (load {row["load"]:.1f}); {row["real_maps"]} maps of photographs')
  print(f'{"":22}{"correlation":>12}{"median, deg":>13}{"slope":>7}{"mean difference, deg":>22}')
  for kind, angles in row['accuracy'].items():
    for name, found in angles.items():
      print(f'{kind:<10}{name:<12}{found["correlation"]:>12.3f}{found["median_degrees"]:>13.2f}{found["slope"]:>7.2f}'
            f'{found["mean_difference_degrees"]:>22.2f}')
  machine.append(row, _OUTPUT.value)


if __name__ == '__main__':
  _TRAIN = flags.DEFINE_string('train', None, 'Folder of an export: labels/*.png and truth.npz.', required=True)
  _REAL = flags.DEFINE_string('real', None, 'Folder of label maps of photographs, to read.')
  _POSES = flags.DEFINE_string('poses', None, 'JSON file of their poses, to compare with.')
  _LIMIT = flags.DEFINE_integer('limit', 4_600, 'Only the first so many images of the export.', lower_bound=20)
  _STEPS = flags.DEFINE_integer('steps', 1_500, 'Of training.', lower_bound=1)
  _BATCH_SIZE = flags.DEFINE_integer('batch_size', 64, 'Label maps a step.', lower_bound=1)
  _SEED = flags.DEFINE_integer('seed', 0, 'Of parameters and draws.')
  _OUTPUT = flags.DEFINE_string('output', None, 'A line of JSON is appended here.')
  app.run(main)
