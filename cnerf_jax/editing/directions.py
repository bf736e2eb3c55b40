"""Named directions: unit vectors of one class's shape or texture style, what a step along them moves, and their file.

  named = directions.find(model, jax.random.key(0)); directions.save('people_directions.npz', named)
  nose = named.of(SemanticClass.NOSE, latents.SHAPE, 'local')
  styles = edits.move(styles, nose.step(0), 1.5, SemanticClass.NOSE, kind=latents.SHAPE)

Methods: 'norm' (w / |w|, the baseline), 'principal' (components of the class's styles), 'film' (what turns the class's sine layers most,
closed form), 'local' (most change inside of the class's mask for the change outside). A step is one standard deviation of people's styles.
"""

from __future__ import annotations

import dataclasses
import io
import os

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
import numpy as np

from cnerf_jax import pretrained
from cnerf_jax.editing import direction_methods
from cnerf_jax.editing import image_changes
from cnerf_jax.editing import regions
from cnerf_jax.editing import style_statistics
from cnerf_jax.persistence import atomic_files

METHODS = ('norm', 'principal', 'film', 'local')


@dataclasses.dataclass(frozen=True, eq=False)
class Directions:
  """Directions, sorted by class, kind, and how much of its own class each moves, most first.

  Attributes:
    vector: unit length.
    semantic_class: whose style each moves.
    kind: latents.SHAPE or latents.TEXTURE.
    method: one of METHODS.
    deviation: standard deviation of people's styles along it: the length of a step.
    inside: root mean squared change of colour of the class's own pixels, for a step; colours are in [-1, 1].
    outside: likewise of all other pixels.
    color: change of the class's mean colour (length of it), for a step.
    area: relative change of the class's area; negative shrinks it. A vector is turned so that it grows.
    right: how far the class's centre moves to the right, in sides of the image.
    up: likewise upwards.
  """

  vector: Float[np.ndarray, 'directions style_dim']
  semantic_class: np.ndarray
  kind: np.ndarray
  method: np.ndarray
  deviation: Float[np.ndarray, 'directions']
  inside: Float[np.ndarray, 'directions']
  outside: Float[np.ndarray, 'directions']
  color: Float[np.ndarray, 'directions']
  area: Float[np.ndarray, 'directions']
  right: Float[np.ndarray, 'directions']
  up: Float[np.ndarray, 'directions']

  def __len__(self) -> int:
    return len(self.vector)

  def of(self, semantic_class: int, kind: int, method: str | None = None) -> Directions:
    """Those of one class and kind, of one method or of all; ValueError if there are none."""
    if method is not None and method not in METHODS:
      raise ValueError(f'method {method!r} is not known; use one of {", ".join(METHODS)}')
    chosen = (self.semantic_class == semantic_class) & (self.kind == kind)
    if method is not None:
      chosen &= self.method == method
    if not chosen.any():
      known = ', '.join(f'{name} {np.unique(getattr(self, name)).tolist()}' for name in ('semantic_class', 'kind', 'method'))
      raise ValueError(f'no directions of class {int(semantic_class)}, kind {kind} and method {method}; these have {known}')
    return self._take(np.flatnonzero(chosen))

  def step(self, index: int) -> Float[np.ndarray, 'style_dim']:
    """One standard deviation along one of them, for `edits.move`."""
    return self.deviation[index] * self.vector[index]

  def sorted(self) -> Directions:
    """By class, kind, and descending change inside."""
    return self._take(np.lexsort((-self.inside, self.kind, self.semantic_class)))

  def _take(self, indices) -> Directions:
    return Directions(**{field.name: getattr(self, field.name)[indices] for field in dataclasses.fields(self)})


def find(
    model: pretrained.Model, key: Array, *, statistics: style_statistics.StyleStatistics | None = None,
    classes: regions.Classes | None = None, count: int = 3, num_people: int = 2, image_size: int = 16, subspace: int = 12,
) -> Directions:
  """Directions of all methods.

  Cost: (subspace + 3 count + 1) forward derivatives of a rendering for every class, kind and person; docs/editing.md has minutes.

  Args:
    model: whose.
    key: random key of the people on whom changes are measured.
    statistics: of their styles; estimated if None.
    classes: of which classes; all if None.
    count: directions of each method but 'norm', which has one.
    num_people: on how many people changes are measured, seen from the front.
    image_size: side of their images, pixels.
    subspace: 'local' searches among so many principal components, at most style_dim of them.

  Raises:
    ValueError: if a class is wrong or a number is out of range.
  """
  generator = model.generator
  indices = range(generator.num_classes) if classes is None else sorted(set(regions.class_indices(classes, generator.num_classes)))
  subspace = min(subspace, generator.style_dim)
  if not 1 <= count <= subspace:
    raise ValueError(f'count {count} must be in 1..{subspace}, the components that are searched; raise subspace, or ask for fewer')
  if num_people < 1:
    raise ValueError(f'num_people {num_people} must be at least 1')
  if statistics is None:
    statistics = style_statistics.of_model(model, jax.random.key(0))
  people = model.draw_styles(key, num_people)
  changes = image_changes.ImageChanges(model, people, image_size=image_size)
  found = [
      _measured(changes, statistics, vectors, semantic_class, kind, method)
      for semantic_class in indices for kind in regions.KINDS.values()
      for method, vectors in _vectors(model, statistics, changes, semantic_class, kind, count, subspace)]
  return Directions(**{
      field.name: np.concatenate([one[field.name] for one in found]) for field in dataclasses.fields(Directions)}).sorted()


def _vectors(model, statistics, changes, semantic_class, kind, count, subspace):
  """(method, unit vectors) of one class and kind."""
  components = direction_methods.principal_components(statistics, semantic_class, kind, count=subspace)
  yield 'norm', direction_methods.norm_direction(statistics.mean[semantic_class, kind])[None]
  yield 'principal', direction_methods.unit(components[:count])
  yield 'film', direction_methods.film_directions(model.params, semantic_class, kind, count=count)
  yield 'local', direction_methods.local_directions(*changes.energies(components, semantic_class, kind), components, count=count)


def _measured(changes, statistics, vectors, semantic_class, kind, method):
  covariance = direction_methods.row_covariance(statistics, semantic_class, kind)
  deviation = jnp.sqrt(jnp.einsum('ns,st,nt->n', vectors, covariance, vectors))
  moved = changes.measure(deviation[:, None] * vectors, semantic_class, kind)
  sign = np.where(moved['area'] < 0, -1.0, 1.0)
  signed = {name: sign * moved[name] for name in ('area', 'right', 'up')}
  count = len(vectors)
  return moved | signed | {
      'vector': np.asarray(vectors) * sign[:, None], 'deviation': np.asarray(deviation), 'semantic_class': np.full(count, int(semantic_class)),
      'kind': np.full(count, kind), 'method': np.full(count, method)}


def save(path: str | os.PathLike, directions: Directions) -> None:
  """Writes directions to one `.npz` file, for `load`; OSError in one line if it can't be written."""
  atomic_files.write_bytes(path, to_bytes(directions))


def to_bytes(directions: Directions) -> bytes:
  """What `save` writes."""
  buffer = io.BytesIO()
  np.savez_compressed(buffer, **{field.name: getattr(directions, field.name) for field in dataclasses.fields(directions)})
  return buffer.getvalue()


def load(path: str | os.PathLike) -> Directions:
  """Directions that `save` wrote.

  Raises:
    FileNotFoundError: if there is no such file; ValueError: if it holds no directions.
  """
  try:
    with np.load(path, allow_pickle=False) as file:
      return Directions(**dict(file))
  except FileNotFoundError:
    raise FileNotFoundError(f'no file {path}; give one that cnerf_jax.editing.directions.save wrote') from None
  except Exception as error:  # zip, NumPy and dataclass each have their own
    raise ValueError(
        f'{path} holds no directions ({atomic_files.one_line(error)}); give a file that cnerf_jax.editing.directions.save wrote') from error
