"""The sheets of edits and of directions: what they need is more than styles, the model itself."""

from __future__ import annotations

from collections.abc import Mapping
import functools
import zipfile

import jax
import numpy as np

from cnerf_jax import latents
from cnerf_jax import pretrained
from cnerf_jax import semantics
from cnerf_jax.draw import edit_words
from cnerf_jax.draw import sheets as draw_sheets
from cnerf_jax.editing import conditional_edits
from cnerf_jax.editing import directions as directions_lib
from cnerf_jax.editing import edits
from cnerf_jax.editing import regions
from cnerf_jax.editing import style_statistics
from cnerf_jax.editing import tone
from cnerf_jax.export import model_card
from cnerf_jax.persistence import atomic_files
from cnerf_jax.reporting import progress as progress_lib
from cnerf_jax.reporting import sheets

_STEPS = (-1.0, -0.5, 0.0, 0.5, 1.0)  # columns of a sheet of directions, in parts of the reach


class Edit(draw_sheets.Sheet):
  """For each person: before, after each edit alone, after all of them; masks; what that changed."""

  def __init__(self, settings: Mapping[str, object], class_set: semantics.ClassSet, people: np.ndarray, model: pretrained.Model):
    """As `Sheet`; model: whose people these are."""
    super().__init__(settings, class_set, people)
    if settings['person']:
      self.names = ['portrait']
    self._edits = [edit_words.parse(words) for words in settings['edits']]
    editor = _Editor(model, class_set, settings)
    for edit in self._edits:
      editor.check(edit)
    self._after = list(self._edited(editor))

  def _edited(self, editor: _Editor):
    """Styles of each person: before, then after each edit alone, then after all."""
    for person in self.people:
      together = person
      yield person
      for edit in self._edits:
        yield editor.apply(person, edit)
        together = editor.apply(together, edit)
      if len(self._edits) > 1:
        yield together

  def shots(self):
    return [self.shot(styles) for styles in self._after]

  def sheet(self, views):
    headings = ['before'] + [f'{i} {"+".join(edit.classes)}' for i, edit in enumerate(self._edits, 1)]
    if len(self._edits) > 1:
      headings.append('all')
    else:
      headings[-1] = 'after'
    rows, names = [], []
    for index, name in enumerate(self.names):
      own = views[index * len(headings):(index + 1) * len(headings)]
      rows += [
          [sheets.pixels(view.rgb) for view in own], [self.mask(view) for view in own],
          [sheets.coloured_difference(view.rgb, own[0].rgb) for view in own]]
      names += [name, 'mask', 'change']
    title = '   '.join(f'{i} {edit.words}' for i, edit in enumerate(self._edits, 1)) if len(self._edits) > 1 else self._edits[0].words
    return sheets.grid(np.array(rows), names, headings, title=title, legend=self.class_set)


class _Editor:
  """Carries out edits in words; what costs time is made when the first edit needs it."""

  def __init__(self, model: pretrained.Model, class_set: semantics.ClassSet, settings: Mapping[str, object]):
    self._model, self._class_set, self._settings = model, class_set, settings
    self._found = {}

  def check(self, edit: edit_words.Edit) -> None:
    """ValueError in one line if the model can't be edited so."""
    for name in edit.classes:
      self._class_set.index(name)
    if edit.action == 'resample' and not self._model.generator.region_dim:
      raise ValueError(f'{edit.words!r}: all classes of a person of this model share one latent, so that the rest says all of a region; '
                       'resample in a model with regional latents, such as people64')

  def apply(self, styles: np.ndarray, edit: edit_words.Edit) -> np.ndarray:
    """Styles after an edit that was checked; ValueError in one line if a file of directions has not what it needs."""
    model = self._model
    classes = [self._class_set.index(name) for name in edit.classes]
    kind = regions.KINDS.get(edit.kind)
    if edit.action == 'swap':
      edited = edits.swap(styles, self._person(int(edit.value)), classes, kind=kind)
    elif edit.action == 'keep':
      edited = conditional_edits.swap_keeping(
          self._statistics, styles, self._person(int(edit.value)), classes, kind=kind, features=self._tone)
    elif edit.action == 'truncate':
      edited = edits.truncate(styles, model.w_mean, edit.value, classes, kind=kind)
    elif edit.action == 'resample':
      edited = conditional_edits.resample(jax.random.key(int(edit.value)), self._statistics, styles, classes, kind=kind)
    else:
      edited = styles
      for k in classes:
        edited = edits.move(edited, self._step(k, kind, edit), edit.value, k, kind=kind)
    return np.asarray(edited)

  def _person(self, seed: int) -> np.ndarray:
    return self._model.draw_styles(jax.random.key(seed), 1, truncation=self._settings['truncation'])[0]

  @functools.cached_property
  def _statistics(self) -> style_statistics.StyleStatistics:
    return style_statistics.of_model(self._model, jax.random.key(0))

  @functools.cached_property
  def _tone(self):
    names = self._class_set.classes
    return tone.skin_tone(self._model, semantic_class=names.index('skin' if 'skin' in names else 'face'))

  def _step(self, semantic_class: int, kind: int, edit: edit_words.Edit) -> np.ndarray:
    """One standard deviation along a direction."""
    if semantic_class not in self._found:
      self._found[semantic_class] = (
          directions_lib.load(self._settings['directions']) if self._settings['directions']
          else find_directions(self._model, semantic_class, self._statistics))
    method, number = edit.direction
    named = self._found[semantic_class].of(semantic_class, kind, method)
    if number > len(named) or named.vector.shape[-1] != self._model.generator.style_dim:
      raise ValueError(f'{edit.words!r}: {self._settings["directions"]} has {len(named)} such directions of {named.vector.shape[-1]} numbers, '
                       f'this model needs {self._model.generator.style_dim}; give a file of this model, or none')
    return named.step(number - 1)


def find_directions(
    model: pretrained.Model, semantic_class: int, statistics: style_statistics.StyleStatistics | None = None) -> directions_lib.Directions:
  """Directions of one class, the same ones in every command."""
  with progress_lib.Progress(1, description='directions') as progress:
    found = directions_lib.find(
        model, jax.random.key(0), statistics=statistics, classes=semantic_class,
        count=min(edit_words.NUM_DIRECTIONS, model.generator.style_dim))
    progress.update(1)
  return found


class Directions(draw_sheets.Sheet):
  """For each person a row for each direction of one class: the way along it, and what its ends differ by."""

  def __init__(self, settings: Mapping[str, object], class_set: semantics.ClassSet, people: np.ndarray, model: pretrained.Model):
    """As `Edit`."""
    super().__init__(settings, class_set, people)
    self._class = class_set.index(settings['region'])
    self._found = find_directions(model, self._class)
    kinds = [kind for name, kind in regions.KINDS.items() if settings['kind'] in ('both', name)]
    self._shown = [
        (kind, method, index, self._found.of(self._class, kind, method))
        for kind in kinds for method in settings['methods']
        for index in range(len(self._found.of(self._class, kind, method)))]

  def shots(self):
    return [
        self.shot(np.asarray(edits.move(person, named.step(index), step * self.settings['reach'], self._class, kind=kind)))
        for person in self.people for kind, _, index, named in self._shown for step in _STEPS]

  def sheet(self, views):
    columns = len(_STEPS)
    rows, names = [], []
    for number, view in enumerate(range(0, len(views), columns)):
      own = views[view:view + columns]
      person, shown = divmod(number, len(self._shown))
      kind, method, index, named = self._shown[shown]
      rows.append([sheets.pixels(one.rgb) for one in own] + [sheets.coloured_difference(own[0].rgb, own[-1].rgb)])
      of_person = f'{self.names[person]}: ' if len(self.people) > 1 else ''
      names.append(f'{of_person}{"texture" if kind == latents.TEXTURE else "shape"} {method}{index + 1}   in {named.inside[index]:.3f}, '
                   f'out {named.outside[index]:.3f}, area {named.area[index]:+.0%}')
    headings = [f'{step * self.settings["reach"]:+g}' if step else '0' for step in _STEPS] + ['change']
    title = f'{self.settings["region"]}: steps are standard deviations; in, out: change of colour inside and outside of its mask, for one step'
    return sheets.grid(np.array(rows), names, headings, title=title)

  def beside(self) -> dict[str, bytes]:
    """The directions, for `edit --directions` and `editing.directions.load`."""
    return {'.npz': directions_lib.to_bytes(self._found)}


def read_person(path: str, model: pretrained.Model) -> np.ndarray:
  """Styles [1, classes, 2, style_dim] of a file that `invert` wrote; ValueError in one line if it is not of this model."""
  try:
    with np.load(path, allow_pickle=False) as file:
      styles, digest = file['styles'], str(file['parameters_sha256'])
  except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
    raise ValueError(f'{path} holds no person ({atomic_files.one_line(error)}); give a .npz that invert wrote') from error
  if digest != model_card.parameters_sha256(model):
    raise ValueError(f'{path} is a person of other parameters than those of --model; give the model that it was inverted with')
  return styles[None]
