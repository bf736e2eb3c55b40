"""Scores of a run: EMA samples against real portraits it was not trained on, with floors, ceilings and what an oracle reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
import pathlib
from typing import Any, Protocol

import jax
import ml_collections
import numpy as np

from cnerf_jax import camera as camera_lib
from cnerf_jax import pretrained
from cnerf_jax import sampler
from cnerf_jax import semantics
from cnerf_jax.evaluation import locality
from cnerf_jax.evaluation import oracle as oracle_lib
from cnerf_jax.evaluation import real_sets
from cnerf_jax.evaluation import scores as scores_lib
from cnerf_jax.models import generator as generator_lib
from cnerf_jax.reporting import sheets
from cnerf_jax.run import nearest_portraits
from cnerf_jax.training import sharding

_EDITED = 1  # folded into the key of the scores, so that edited people are others than those scored


def make_sampler(generator: generator_lib.Generator, config: ml_collections.ConfigDict) -> Callable[..., dict]:
  """`sample(params, key, batch, viewpoint=None)`: unmixed portraits from random or given cameras, as NumPy arrays."""
  def look(params, styles, camera, rendering):
    del params, styles, camera
    return {'image': rendering.rgb, 'semantic_mask': rendering.semantic_mask}

  return _make_sampler(generator, config, look)


def make_depth_sampler(generator: generator_lib.Generator, config: ml_collections.ConfigDict) -> Callable[..., dict]:
  """As `make_sampler`, with `depth`, `surface_width` and `opacity` (see `sampler.Surface`) instead of the image: a program of its own, so
  that images stay the same to the bit."""
  def look(params, styles, camera, rendering):
    surface = sampler.surface(generator, params, styles, camera, rendering)
    return {'depth': rendering.depth, 'semantic_mask': rendering.semantic_mask, 'surface_width': surface.width, 'opacity': surface.opacity}

  return _make_sampler(generator, config, look)


def _make_sampler(generator, config, look):
  """Samples as `look(params, styles, camera, rendering)` sees them: a dict of arrays."""

  # this process's devices alone: only the first process evaluates
  mesh = sharding.make_mesh(jax.local_devices())

  def draw(params, z, viewpoint):
    styles = sampler.map_latents(generator, params, z)
    camera = camera_lib.orbit(viewpoint[:, 0], viewpoint[:, 1])
    rendering = sampler.render(
        generator, params, styles, camera, image_size=config.image_size, num_samples=config.num_samples)
    return look(params, styles, camera, rendering)

  draw = jax.jit(draw, in_shardings=(sharding.replicated(mesh), sharding.over_batch(mesh), sharding.over_batch(mesh)))
  draw_any = jax.jit(draw.__wrapped__)  # for batches that don't divide over the devices

  def sample(params, key, batch, viewpoint=None):
    latent_key, view_key = jax.random.split(key)
    if viewpoint is None:
      viewpoint = camera_lib.draw_viewpoints(
          view_key, batch, azimuth_std=config.camera.azimuth_std, elevation_std=config.camera.elevation_std,
          elevation_mean=config.camera.elevation_mean)
    z = jax.random.normal(latent_key, (batch, generator.latent_dim))
    drawn = (draw_any if batch % mesh.size else draw)(params, z, viewpoint)
    return {name: np.asarray(values) for name, values in drawn.items()} | {'viewpoint': np.asarray(viewpoint)}

  return sample


def make_style_sampler(generator: generator_lib.Generator, config: ml_collections.ConfigDict) -> Callable[..., dict]:
  """`draw(params, styles, viewpoint)`: portraits of given styles from given cameras, as NumPy arrays `image` and `semantic_mask`."""
  mesh = sharding.make_mesh(jax.local_devices())

  def draw(params, styles, viewpoint):
    rendering = sampler.render(
        generator, params, styles, camera_lib.orbit(viewpoint[:, 0], viewpoint[:, 1]), image_size=config.image_size,
        num_samples=config.num_samples)
    return {'image': rendering.rgb, 'semantic_mask': rendering.semantic_mask}

  over_devices = jax.jit(draw, in_shardings=(sharding.replicated(mesh), sharding.over_batch(mesh), sharding.over_batch(mesh)))
  any_batch = jax.jit(draw)  # for batches that don't divide over the devices
  return lambda params, styles, viewpoint: jax.device_get(
      (any_batch if len(styles) % mesh.size else over_devices)(params, styles, viewpoint))


def score_key(config: ml_collections.ConfigDict) -> jax.Array:
  """The key of a run's scores: the same people at every evaluation."""
  return jax.random.key(config.seed + 2)


def measure_geometry(generator: generator_lib.Generator, params, config: ml_collections.ConfigDict) -> dict[str, Any] | None:
  """`geometry` of the scores, and no more of them: see `geometry.measure`; None, without drawing any sample, for classes without a face."""
  sample = make_depth_sampler(generator, config)
  return scores_lib.measure_geometry(
      lambda key, batch, viewpoint: sample(params, key, batch, viewpoint), score_key(config), semantics.class_set(config.data.class_set))


class Data(Protocol):
  """What scores need of a data set; `data_pipeline.loader.DataSet` is one.

  Attributes:
    num_train: number of training examples.
    num_validation: number of validation examples; 0 without such a split.
    splits: their names.
    oracle_folder: where oracles are kept between runs.
  """

  num_train: int
  num_validation: int
  splits: tuple[str, ...]
  oracle_folder: pathlib.Path

  def load_split(self, split: str, *, image_size: int, max_examples: int | None = None) -> dict[str, np.ndarray]:
    """A split's examples as stacked arrays."""

  def image_parts(self, split: str, indices: Sequence[int], *, image_size: int) -> Iterator[np.ndarray]:
    """Images of a split by number, some at a time."""


def load_real(data: Data, config: ml_collections.ConfigDict) -> real_sets.RealSets:
  """The people that fakes are compared with: of the validation split if it is there and large enough, else of the train split."""
  split, num_samples = real_sets.choose_split(
      config.evaluation.num_images, num_train=data.num_train, num_validation=data.num_validation)
  load = lambda name, count: data.load_split(name, image_size=config.image_size, max_examples=count)
  others = load('train', num_samples) if split != 'train' else None
  return real_sets.real_sets(split, load(split, real_sets.num_to_read(num_samples)), num_samples, others)


def _with_cameras(examples: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Those examples whose camera is known; all where nobody says that some are not."""
  if 'viewpoint_confidence' not in examples:
    return examples
  known = examples['viewpoint_confidence'] > 0
  return {name: values[known] for name, values in examples.items()}


class Evaluator:
  """Scores parameters against real portraits; the untrained generator's scores and the oracle are made once."""

  def __init__(
      self, generator: generator_lib.Generator, untrained_params, config: ml_collections.ConfigDict,
      data: Data, note: Callable[[str], None] = print,
  ):
    """Loads real portraits and the oracle, or trains it.

    Args:
      generator: the module.
      untrained_params: the run's first parameters: the ceiling of every distance.
      config: of the run.
      data: the data set of the run.
      note: says what is going on.
    """
    self._config, self._generator = config, generator
    self._class_set = semantics.class_set(config.data.class_set)
    self._sample, self._sample_depth = make_sampler(generator, config), make_depth_sampler(generator, config)
    self._untrained = lambda key, batch, viewpoint=None: self._sample(untrained_params, key, batch, viewpoint)
    self._scores = None
    self._real = load_real(data, config)
    has_held_out = data.num_validation >= nearest_portraits.LEAST_HELD_OUT
    self._nearest = nearest_portraits.NearestPortraits(data, config, note) if has_held_out else None
    num_oracle = config.evaluation.num_oracle_images

    def load_for_oracle(split):
      note(f'oracle: reading {split}')
      return _with_cameras(data.load_split(split, image_size=config.image_size, max_examples=num_oracle))

    if 'viewpoint' not in self._real.examples:  # an oracle reads labels and viewpoints; without viewpoints to learn from there is none
      self.oracle = None
      return
    # it reads splits as they are: where they lie and whether training mirrors them is nothing to it
    data_config = {name: value for name, value in config.data.items() if name not in ('dir', 'flip')}
    self.oracle = oracle_lib.load_or_train(
        data.oracle_folder, data_config | {'num_oracle': num_oracle}, load_for_oracle, self._class_set,
        image_size=config.image_size, settings=oracle_lib.OracleSettings(**config.evaluation.oracle),
        held_out_splits=[split for split in ('validation', 'test') if split in data.splits])

  def evaluate(
      self, params, step: int, workdir: pathlib.Path, *, num_edited_people: int | None = None, find_nearest: bool | None = None,
  ) -> dict[str, Any]:
    """Scores, also written to `scores.json`.

    Args:
      params: of the generator.
      step: that they are of.
      workdir: where scores and pictures are written: of what edits change, of samples beside the training portraits nearest to them.
      num_edited_people: people whose classes are swapped, see `measure_locality`; None: those of the config at its last step, else none.
      find_nearest: whether samples are compared with training portraits, see `nearest_portraits`; None: at the config's last step. Without
        a validation split of some people they never are.
    """
    is_last = step == self._config.num_steps
    if num_edited_people is None:
      num_edited_people = self._config.evaluation.num_edited_people if is_last else 0
    find_nearest = self._nearest is not None and (is_last if find_nearest is None else find_nearest)
    scores = scores_lib.evaluate(
        lambda key, batch, viewpoint=None: self._sample(params, key, batch, viewpoint), self._real, self._untrained,
        self.oracle, self._class_set, key=score_key(self._config), earlier=self._scores,
        sample_depth=lambda key, batch, viewpoint: self._sample_depth(params, key, batch, viewpoint),
        edits=self.measure_locality(params, step, workdir, num_edited_people) if num_edited_people else None,
        compare=(lambda images: self._nearest.compare(images, step, workdir)) if find_nearest else None)
    self._scores = scores
    scores_lib.write(scores, workdir, step)
    return scores

  def measure_locality(self, params, step: int, workdir: pathlib.Path, num_people: int) -> dict[str, Any]:
    """What edits change, see `locality.measure`, and a picture of it, `sheets/locality_STEP.png`."""
    draw = make_style_sampler(self._generator, self._config)
    model = pretrained.Model(self._generator, params)
    styles = model.draw_styles(jax.random.fold_in(score_key(self._config), _EDITED), num_people)
    report, maps = locality.measure(
        lambda styles, viewpoint: draw(params, styles, viewpoint), np.asarray(styles), self._class_set, self._real.reference)
    title = f'step {step}: edits of {num_people} people'
    sheet = sheets.leak_sheet(maps.examples, maps.inside, maps.outside, self._class_set, kinds=tuple(locality.KINDS), title=title)
    sheets.save(sheet, pathlib.Path(workdir) / 'sheets' / f'locality_{step:07d}.png')
    return report
