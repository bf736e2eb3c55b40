"""An oracle that reads what a picture shows: a label per pixel and the viewpoint it was taken from.

Trained once on real examples with known masks and viewpoints, kept in a folder, and then asked about fakes: do they
show the mask that was rendered with them, and do they turn as the camera does? It sees the masks as the
discriminators do, dilated, through `label_map`. Its own accuracy on held-out real examples says how far its word
goes. No example is mirrored in training: an oracle that cannot tell left from right would call a head that turns the
wrong way right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import functools
import hashlib
import io
import json
import os
import pathlib
from typing import Any

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import logging
from jaxtyping import Float, Int

from cnerf_jax import camera
from cnerf_jax import semantics
from cnerf_jax.evaluation import agreement
from cnerf_jax.evaluation import class_areas
from cnerf_jax.evaluation import class_table
from cnerf_jax.evaluation import label_map
from cnerf_jax.evaluation import oracle_network
from cnerf_jax.persistence import atomic_files

# part of the cache's fingerprint: raise it when the network, its training, the label map or what is measured of its accuracy changes
VERSION = 2
VIEWPOINT_SCALE = np.array([camera.AZIMUTH_STD_RADIANS, camera.ELEVATION_STD_RADIANS], np.float32)
_READ_BATCH = 64


@dataclasses.dataclass(frozen=True)
class OracleSettings:
  """How the oracle is trained. The defaults take about a minute on 2 idle CPU cores at 32x32 (106 CPU seconds)."""

  channels: tuple[int, int, int] = (32, 64, 128)
  steps: int = 600
  batch_size: int = 32
  learning_rate: float = 3e-3  # peak of a linear rise over a tenth of the steps and a cosine fall to 0
  viewpoint_weight: float = 0.3  # of the squared error in standard deviations, against the cross-entropy per pixel
  tint: float = 0.1  # standard deviation of a random gain and offset per image and channel: fakes' colours are off
  noise: float = 0.03  # standard deviation of pixel noise
  seed: int = 0


@dataclasses.dataclass(frozen=True)
class Reading:
  """What the oracle reads: labels [examples, height, width] and viewpoint [examples, 2] in radians."""

  labels: Int[np.ndarray, 'examples height width']
  viewpoint: Float[np.ndarray, 'examples 2']


@dataclasses.dataclass(frozen=True)
class Oracle:
  """A trained oracle. `accuracy` is its own on held-out real examples: `measure_accuracy` by split."""

  network: oracle_network.OracleNetwork
  params: Any
  accuracy: Mapping[str, Any]

  def read(self, image: Float[np.ndarray, 'examples height width 3']) -> Reading:
    """Reads labels and viewpoints from images in [-1, 1], in batches of one size so that it compiles once."""
    image = np.asarray(image, np.float32)
    labels, viewpoints = [], []
    for start in range(0, len(image), _READ_BATCH):
      chunk = image[start:start + _READ_BATCH]
      missing = _READ_BATCH - len(chunk)
      padded = np.concatenate([chunk, np.zeros((missing, *chunk.shape[1:]), np.float32)]) if missing else chunk
      label, viewpoint = _read(self.network, self.params, padded)
      labels.append(np.asarray(label)[:len(chunk)])
      viewpoints.append(np.asarray(viewpoint)[:len(chunk)])
    return Reading(np.concatenate(labels), np.concatenate(viewpoints) * VIEWPOINT_SCALE)


@functools.partial(jax.jit, static_argnums=0)
def _read(network, params, image):
  logits, viewpoint = network.apply({'params': params}, image)
  return logits.argmax(axis=-1), viewpoint


def train(
    examples: Mapping[str, np.ndarray],
    class_set: semantics.ClassSet,
    settings: OracleSettings = OracleSettings(),
    *,
    on_step: Callable[[int, int], None] | None = None,
) -> Oracle:
  """Trains an oracle on real examples.

  Args:
    examples: `image` in [-1, 1], `semantic_mask`, `viewpoint` in radians; a few thousand of them.
    class_set: of the masks.
    settings: of the network and its training; deterministic in `settings.seed`.
    on_step: called with (steps done, steps) after every step, for a progress bar.

  Returns:
    The oracle, its accuracy still empty.
  """
  network = oracle_network.OracleNetwork(class_set.num_classes, tuple(settings.channels))
  image = np.asarray(examples['image'], np.float32)
  labels = np.concatenate([  # in parts: the masks of thousands of examples are large
      label_map.label_map(examples['semantic_mask'][start:start + 256], class_set)
      for start in range(0, len(image), 256)])
  viewpoint = np.asarray(examples['viewpoint'], np.float32) / VIEWPOINT_SCALE
  # Threefry, unrolled for the init of every layer, would compile for 14 s; rbg takes 3.
  init_key, key = jax.random.split(jax.random.key(settings.seed, impl='rbg'))
  params = _init(network, init_key, image[:1])
  recipe = dataclasses.replace(settings, seed=0)  # compiled once for all seeds
  opt_state = _optimizer(recipe).init(params)
  batches = _batches(len(image), min(settings.batch_size, len(image)), settings.seed)
  for done in range(settings.steps):
    chosen = next(batches)
    batch = image[chosen], labels[chosen], viewpoint[chosen]
    params, opt_state, key = _step(network, recipe, params, opt_state, key, *batch)
    if on_step is not None:
      on_step(done + 1, settings.steps)
  return Oracle(network, jax.tree.map(np.asarray, params), {})


@functools.partial(jax.jit, static_argnums=0)
def _init(network, key, image):
  return network.init(key, image)['params']


def _optimizer(settings):
  warmup = max(1, settings.steps // 10)
  schedule = optax.warmup_cosine_decay_schedule(0.0, settings.learning_rate, warmup, max(settings.steps, warmup + 1))
  return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule, b2=0.99))


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=(2, 3))
def _step(network, settings, params, opt_state, key, *batch):
  key, loss_key = jax.random.split(key)
  gradients = jax.grad(_loss)(params, network, settings, loss_key, *batch)
  updates, opt_state = _optimizer(settings).update(gradients, opt_state, params)
  return optax.apply_updates(params, updates), opt_state, key


def _loss(params, network, settings, key, image, labels, viewpoint):
  gain_key, offset_key, noise_key = jax.random.split(key, 3)
  per_channel = (len(image), 1, 1, 3)
  image = image * (1 + settings.tint * jax.random.normal(gain_key, per_channel))
  image += settings.tint * jax.random.normal(offset_key, per_channel)
  image += settings.noise * jax.random.normal(noise_key, image.shape)
  logits, read = network.apply({'params': params}, image)
  cross_entropy = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
  return cross_entropy + settings.viewpoint_weight * jnp.mean((read - viewpoint) ** 2)


def _batches(count, batch_size, seed):
  """Endless batches of indices: every epoch a new permutation, its incomplete last batch dropped."""
  generator = np.random.default_rng(seed)
  while True:
    order = generator.permutation(count)
    for start in range(0, count - batch_size + 1, batch_size):
      yield order[start:start + batch_size]


def measure_accuracy(
    oracle: Oracle, held_out: Mapping[str, np.ndarray], class_set: semantics.ClassSet,
) -> dict[str, Any]:
  """The oracle's own accuracy on real examples it was not trained on.

  Returns:
    A dict of `pixel_accuracy`, `class_iou` by name (None for a class that neither the examples nor the oracle show),
    `class_iou_where_present`, the same over those alone who wear the class, `mean_iou` over the classes that have one,
    `mask_agreement` over the classes of at least 3% area, the correlations `azimuth` and
    `elevation` of the viewpoint read with the true one (None for an angle that does not vary), their root mean square
    errors in radians, and the number of `examples`.
  """
  reading = oracle.read(held_out['image'])
  labels = label_map.label_map(held_out['semantic_mask'], class_set)
  iou = agreement.class_iou(reading.labels, labels, class_set.num_classes)
  large = class_areas.large_classes(class_areas.class_areas(held_out['semantic_mask']))
  viewpoint = np.asarray(held_out['viewpoint'])
  error = np.sqrt(np.mean((reading.viewpoint - viewpoint) ** 2, axis=0))
  azimuth, elevation = (
      agreement.signed_correlation(read, true) if np.ptp(true) else None
      for read, true in zip(reading.viewpoint.T, viewpoint.T))
  return {
      'pixel_accuracy': float(np.mean(reading.labels == labels)),
      'class_iou': _by_name(iou, class_set),
      'class_iou_where_present': _by_name(class_table.iou_where_present(reading.labels, held_out['semantic_mask'], class_set), class_set),
      'mean_iou': agreement.mean_iou(iou),
      'mask_agreement': agreement.mean_iou(iou, large),
      'azimuth': azimuth,
      'elevation': elevation,
      'azimuth_error_radians': float(error[0]),
      'elevation_error_radians': float(error[1]),
      'examples': len(viewpoint),
  }


def _by_name(values, class_set):
  return {name: float(value) if np.isfinite(value) else None for name, value in zip(class_set.classes, values)}


def fingerprint(
    data_config: Mapping[str, Any], image_size: int, class_set: semantics.ClassSet, settings: OracleSettings,
) -> str:
  """Hash of all that a trained oracle depends on; `dir`, where the data lies, is not among it."""
  depends_on = {
      'version': VERSION,
      'data': {name: value for name, value in dict(data_config).items() if name != 'dir'},
      'image_size': image_size,
      'classes': class_set.classes,
      'settings': dataclasses.asdict(settings),
  }
  return hashlib.sha256(json.dumps(depends_on, sort_keys=True, default=str).encode()).hexdigest()[:16]


def load_or_train(
    folder: str | os.PathLike,
    data_config: Mapping[str, Any],
    load_split: Callable[[str], Mapping[str, np.ndarray]],
    class_set: semantics.ClassSet,
    *,
    image_size: int,
    settings: OracleSettings = OracleSettings(),
    train_split: str = 'train',
    held_out_splits: Sequence[str] = ('validation', 'test'),
    on_step: Callable[[int, int], None] | None = None,
) -> Oracle:
  """The oracle of these data from the cache in `folder`, or a new one, trained, measured and put there.

  Args:
    folder: made if it is missing; holds one `oracle_HASH.npz` for each combination of data, size and settings.
    data_config: of the data; part of the hash, its `dir` left out.
    load_split: gives a split's stacked arrays by its name; called only if there is something to train.
    class_set: of the masks.
    image_size: side of the images in pixels.
    settings: of the oracle.
    train_split: name of the split it is trained on.
    held_out_splits: names of the splits its accuracy is measured on; scores are printed next to the first.
    on_step: as in `train`.
  """
  path = pathlib.Path(folder) / f'oracle_{fingerprint(data_config, image_size, class_set, settings)}.npz'
  network = oracle_network.OracleNetwork(class_set.num_classes, tuple(settings.channels))
  if path.exists():
    try:
      return _load(path, network, image_size)
    except Exception as error:  # whatever is wrong with a cache, it can be made again
      logging.warning('%s is not a readable oracle (%s); training a new one', path, error)
  oracle = train(load_split(train_split), class_set, settings, on_step=on_step)
  oracle = dataclasses.replace(oracle, accuracy={
      split: measure_accuracy(oracle, load_split(split), class_set) for split in held_out_splits})
  _save(path, oracle)
  return oracle


def _save(path, oracle):
  arrays = flax.traverse_util.flatten_dict(oracle.params, sep='/')
  stored = io.BytesIO()
  np.savez(stored, accuracy_json=np.array(json.dumps(oracle.accuracy)), **arrays)
  atomic_files.write_bytes(path, stored.getvalue())


def _load(path, network, image_size):
  with np.load(path, allow_pickle=False) as stored:
    arrays = {name: stored[name] for name in stored.files}
  accuracy = json.loads(str(arrays.pop('accuracy_json')))
  params = flax.traverse_util.unflatten_dict(arrays, sep='/')
  image = jax.ShapeDtypeStruct((1, image_size, image_size, 3), np.float32)
  expected = jax.eval_shape(network.init, jax.random.key(0), image)['params']
  same = jax.tree.map(lambda want, have: want.shape == have.shape, expected, params)
  if not all(jax.tree.leaves(same)):
    raise ValueError('parameters of other shapes')
  return Oracle(network, params, accuracy)
