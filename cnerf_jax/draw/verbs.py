"""A verb's picture from its settings: load the model, list the views, draw them one by one, put them together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
import dataclasses
import functools

import jax
import numpy as np

from cnerf_jax import pretrained
from cnerf_jax import semantics
from cnerf_jax.draw import checks
from cnerf_jax.draw import edit_sheet
from cnerf_jax.draw import exporting
from cnerf_jax.draw import film
from cnerf_jax.draw import mesh_verb
from cnerf_jax.draw import models
from cnerf_jax.draw import renderer as renderer_lib
from cnerf_jax.draw import sheets
from cnerf_jax.reporting import progress as progress_lib

_MOST_DEFAULT_SAMPLES = 8
_VIEWS_OF_INVERSION = 4
_COMPOSERS = {
    'people': sheets.People, 'views': sheets.Views, 'parts': sheets.Parts, 'swap': sheets.Swap, 'interpolate': sheets.Interpolate,
    'video': film.Film}
_EDITORS = {'edit': edit_sheet.Edit, 'directions': edit_sheet.Directions}


@dataclasses.dataclass(frozen=True)
class Drawing:
  """A picture or film that was drawn.

  Attributes:
    verb: what was asked for.
    settings: all of it, nothing left to defaults.
    model: that drew it.
    parameters_sha256: of its parameters.
    data: the file's bytes.
    pixels_sha256: of what is in it, whatever encoded it.
    beside: further files, by name or by ending.
  """

  verb: str
  settings: Mapping[str, object]
  model: pretrained.Model
  parameters_sha256: str
  data: bytes
  pixels_sha256: str
  beside: Mapping[str, bytes] = dataclasses.field(default_factory=dict)


def draw(verb: str, settings: Mapping[str, object], *, model_path: str | None = None, expected_parameters: str | None = None) -> Drawing:
  """Draws what `checks.check_settings` has passed.

  Args:
    verb: one of `checks.SETTINGS`.
    settings: of the verb; None where the model decides.
    model_path: where the model is, if not where the settings say.
    expected_parameters: SHA-256 that its parameters must have.

  Raises:
    ValueError: for what only the model can tell: a class that it has not, sizes that it does not know, other parameters.
    OSError: if there is no model.
  """
  if verb == 'mesh':
    return Drawing(verb, settings, *mesh_verb.draw(settings, model_path=model_path, expected_parameters=expected_parameters))
  where = model_path or settings['model']
  model = models.load(where)
  parameters = models.digest(model)
  if expected_parameters not in (None, parameters):
    raise ValueError(f'{where} has other parameters than the model that drew this; give that model by --model')
  settings = _resolve(verb, settings, model)
  if verb == 'export':
    card, digest, files = exporting.contents(model, settings, models.find(where))
    return Drawing(verb, settings, model, parameters, card, digest, files)
  composer = _composer(verb, settings, model)
  renderer = renderer_lib.Renderer(
      model, image_size=settings['size'], num_samples=settings['samples'], num_importance=settings['importance'],
      quantities=composer.quantities)
  shots = composer.shots()
  checks.check_memory(verb, settings, len(shots))
  data, pixels = composer.compose(_views(renderer, shots, verb))
  return Drawing(verb, settings, model, parameters, data, pixels, composer.beside())


def _composer(verb: str, settings: Mapping[str, object], model: pretrained.Model):
  """What lists the views of a verb and puts them together."""
  class_set = semantics.class_set(model.class_set)
  if verb == 'invert':
    checks.check_memory(verb, settings, _VIEWS_OF_INVERSION)  # before the minutes that it takes
    from cnerf_jax.draw import inversion_sheet  # needs optax, which checks has looked for
    return inversion_sheet.Inversion(settings, class_set, model)
  people = edit_sheet.read_person(settings['person'], model) if settings.get('person') else _people(model, settings)
  if verb in _EDITORS:
    return _EDITORS[verb](settings, class_set, people, model)
  return _COMPOSERS[verb](settings, class_set, people)


def _resolve(verb: str, settings: Mapping[str, object], model: pretrained.Model) -> dict[str, object]:
  """Settings with the model's sizes where none were asked for."""
  settings = dict(settings)
  for name, known in (('size', model.image_size), ('samples', model.num_samples)):
    if settings[name] is None and known is None:
      raise ValueError(f'this model does not say its {name}; give --{name}')
  if verb == 'export':  # what is exported is what was trained
    return settings | dict(size=settings['size'] or model.image_size, samples=settings['samples'] or model.num_samples)
  if verb == 'invert' and settings['labels'] and not settings['encoder']:
    own = models.find(settings['model'])
    settings['encoder'] = str(own) if pretrained.has_encoder(own) else None
  if settings['size'] is None:
    settings['size'] = max(model.image_size, checks.LEAST_DEFAULT_SIZE_OF_INVERSION if verb == 'invert' else checks.LEAST_DEFAULT_SIZE)
  if settings['samples'] is None:
    settings['samples'] = min(model.num_samples, _MOST_DEFAULT_SAMPLES)
  if settings['importance'] is None:
    settings['importance'] = settings['samples']
  return settings


def _people(model: pretrained.Model, settings: Mapping[str, object]) -> np.ndarray:
  """Styles [people, classes, 2, style_dim]: each person is that of its seed, whoever else is drawn."""
  one = functools.partial(model.draw_styles, count=1, truncation=settings['truncation'])
  return np.concatenate([np.asarray(one(jax.random.key(seed))) for seed in settings['seeds']])


def _views(renderer: renderer_lib.Renderer, shots: Iterable[renderer_lib.Shot], verb: str) -> Iterator[renderer_lib.View]:
  """Draws the shots in order, and says how far it is."""
  shots = list(shots)
  done = 0
  with progress_lib.Progress(len(shots) * renderer.strips_per_view, description=verb) as progress:
    def advance():
      nonlocal done
      done += 1
      progress.update(done)

    for shot in shots:
      yield renderer.draw(shot, advance)
