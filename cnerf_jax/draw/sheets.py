"""The still pictures: each verb lists its views (`shots`), and puts them on a sheet (`compose`) once they are drawn.

Axes: P people, styles are [P, classes, 2, style_dim]. The look is that of the sheets of a run (`cnerf_jax.reporting.sheets`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
import hashlib
import io

import numpy as np
from PIL import Image

from cnerf_jax import camera as camera_lib
from cnerf_jax import latents
from cnerf_jax import semantics
from cnerf_jax.draw import renderer as renderer_lib
from cnerf_jax.reporting import sheets

View, Shot = renderer_lib.View, renderer_lib.Shot
_KINDS = {'both': [latents.SHAPE, latents.TEXTURE], 'shape': [latents.SHAPE], 'texture': [latents.TEXTURE]}


class Sheet:
  """A still picture in the making; subclasses are the verbs."""

  quantities: Sequence[str] = ('rgb', 'semantic_mask')

  def __init__(self, settings: Mapping[str, object], class_set: semantics.ClassSet, people: np.ndarray):
    """ValueError if the model has not what is asked for.

    Args:
      settings: of the verb, complete.
      class_set: of the model.
      people: styles of the seeds.
    """
    self.settings, self.class_set, self.people = settings, class_set, people
    self.names = [str(seed) for seed in settings['seeds']]
    self.classes = [class_set.index(name) for name in settings.get('classes') or class_set.classes]

  def shots(self) -> list[Shot]:
    """The views that `compose` needs, in order."""
    raise NotImplementedError

  def sheet(self, views: Sequence[View]) -> Image.Image:
    """The views on paper."""
    raise NotImplementedError

  def compose(self, views: Iterable[View]) -> tuple[bytes, str]:
    """(PNG file, SHA-256 of its pixels)."""
    image = self.sheet(list(views))
    buffer = io.BytesIO()
    image.save(buffer, format='PNG')
    return buffer.getvalue(), hashlib.sha256(f'{image.size}'.encode() + image.tobytes()).hexdigest()

  def beside(self) -> dict[str, bytes]:
    """Further files, by ending."""
    return {}

  def shot(self, styles: np.ndarray) -> Shot:
    """From where `--azimuth` and `--elevation` say."""
    return Shot(styles, self.settings['azimuth'], self.settings['elevation'])

  def replaced(self, receiver: np.ndarray, styles: np.ndarray, classes: Sequence[int]) -> np.ndarray:
    """The receiver's styles with those of some classes, of the kind asked for, taken from `styles`."""
    result = receiver.copy()
    for kind in _KINDS[self.settings['kind']]:
      result[list(classes), kind] = styles[list(classes), kind]
    return result

  def mask(self, view: View) -> np.ndarray:
    return sheets.coloured_mask(view.semantic_mask, self.class_set)


def _stacked(views: Sequence[View], name: str, rows: int) -> np.ndarray:
  """One quantity of views in rows: [rows, columns, height, width, ...]."""
  array = np.stack([getattr(view, name) for view in views])
  return array.reshape((rows, -1) + array.shape[1:])


def shaded_normals(view: View) -> np.ndarray:
  """Normals as colours, as opaque as the surface is."""
  return sheets.coloured_normals(view.normal * view.opacity[..., None])


class People(Sheet):
  """Rows are people, columns are views; image | mask | normals."""

  quantities = ('rgb', 'semantic_mask', 'normal', 'opacity')

  def _azimuths(self) -> np.ndarray:
    ten, count = np.asarray(camera_lib.multi_view_azimuths()), self.settings['views']
    return np.linspace(ten[0], ten[-1], count) if count > 1 else np.zeros(1)

  def shots(self) -> list[Shot]:
    return [Shot(styles, float(azimuth)) for styles in self.people for azimuth in self._azimuths()]

  def sheet(self, views):
    normals = _stacked(views, 'normal', len(self.people)) * _stacked(views, 'opacity', len(self.people))[..., None]
    return sheets.sample_sheet(
        _stacked(views, 'rgb', len(self.people)), _stacked(views, 'semantic_mask', len(self.people)), normals, self.class_set,
        azimuths=self._azimuths(), rows=self.names)


class Views(Sheet):
  """Columns are the ten azimuths of the paper; rows are image, mask, depth and normals of each person."""

  quantities = ('rgb', 'semantic_mask', 'depth', 'normal', 'opacity')

  def _azimuths(self) -> np.ndarray:
    return np.asarray(camera_lib.multi_view_azimuths())

  def shots(self) -> list[Shot]:
    return [Shot(styles, float(azimuth)) for styles in self.people for azimuth in self._azimuths()]

  def sheet(self, views):
    columns = len(self._azimuths())
    rows, names = [], []
    for person, name in enumerate(self.names):
      own = views[person * columns:(person + 1) * columns]
      near, far = np.percentile([view.depth for view in own], (1, 99))
      rows += [
          [sheets.pixels(view.rgb) for view in own], [self.mask(view) for view in own],
          [sheets.coloured_depth(view.depth, near=near, far=far) for view in own], [shaded_normals(view) for view in own]]
      names += [f'{name} {row}'.strip() if len(self.names) > 1 else row for row in ('image', 'mask', 'depth', 'normals')]
    return sheets.grid(np.array(rows), names, sheets.headings(self._azimuths(), columns), legend=self.class_set)


class Parts(Sheet):
  """Rows are classes, columns are people: the picture of the class alone | its mask."""

  def shots(self) -> list[Shot]:
    whole = [self.shot(styles) for styles in self.people]
    parts = [Shot(shot.styles, shot.azimuth, shot.elevation, semantic_class=k) for k in range(self.class_set.num_classes) for shot in whole]
    return whole + parts

  def sheet(self, views):
    count = len(self.people)
    masks = np.stack([view.semantic_mask for view in views[:count]])
    return sheets.class_sheet(
        _stacked(views[count:], 'rgb', self.class_set.num_classes), masks, self.class_set, columns=[f'seed {name}' for name in self.names])


class Swap(Sheet):
  """For each donor the receiver, the donor, and the receiver with each class of the donor; masks; differences."""

  def shots(self) -> list[Shot]:
    receiver, *donors = self.people
    return [
        self.shot(styles) for donor in donors
        for styles in [receiver, donor] + [self.replaced(receiver, donor, [k]) for k in self.classes]]

  def sheet(self, views):
    columns = 2 + len(self.classes)
    rows, names = [], []
    for index, donor in enumerate(self.names[1:]):
      own = views[index * columns:(index + 1) * columns]
      changes = [sheets.coloured_difference(view.rgb, own[0].rgb) for view in own]
      changes[1] = np.full_like(changes[1], 255)  # the donor is another person altogether
      rows += [[sheets.pixels(view.rgb) for view in own], [self.mask(view) for view in own], changes]
      names += [f'{self.names[0]} with {donor}', 'mask', 'change']
    headings = ['receiver', 'donor'] + [self.class_set.classes[k] for k in self.classes]
    return sheets.grid(np.array(rows), names, headings, legend=self.class_set)


class Interpolate(Sheet):
  """For each person and the next the way between them in even steps; masks; differences from the first."""

  def shots(self) -> list[Shot]:
    shots = []
    for first, second in zip(self.people, self.people[1:]):
      for fraction in np.linspace(0, 1, self.settings['steps'], dtype=np.float32):
        shots.append(self.shot(self.replaced(first, (1 - fraction) * first + fraction * second, self.classes)))
    return shots

  def sheet(self, views):
    columns = self.settings['steps']
    rows, names = [], []
    for index, (first, second) in enumerate(zip(self.names, self.names[1:])):
      own = views[index * columns:(index + 1) * columns]
      rows += [
          [sheets.pixels(view.rgb) for view in own], [self.mask(view) for view in own],
          [sheets.coloured_difference(view.rgb, own[0].rgb) for view in own]]
      names += [f'{first} to {second}', 'mask', 'change']
    headings = [f'{fraction:.2f}' for fraction in np.linspace(0, 1, columns)]
    return sheets.grid(np.array(rows), names, headings, legend=self.class_set)
