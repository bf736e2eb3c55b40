"""The card that goes with an exported model: what it draws, of what data, how well, under which licence, and what its files take and give.

`make` writes it down from the model and the files themselves; `check` says in one line what is wrong with one. It is plain JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
import hashlib
import re

from flax import traverse_util
import jax
import numpy as np

from cnerf_jax import camera as camera_lib
from cnerf_jax import pretrained
from cnerf_jax import semantics
from cnerf_jax import version
from cnerf_jax.models import generator as generator_lib

FORMAT = 1
NAME = 'model_card.json'
OURS = 'Apache-2.0'
# data sets that this repository draws itself; of any other only its owner knows the licence
DATA_SETS = {
    'portraits': 'procedural portraits, simple heads with exact masks and cameras, drawn by data_pipeline.portraits; nobody in them exists',
    'people': 'procedural people, photograph-like, with exact masks and cameras, drawn by data_pipeline.people; nobody in them exists'}
# what an array of any program is; shapes and types are in the card beside it
MEANINGS = {
    'params': 'the arrays of params.npz, by name',
    'seeds': 'one whole number for each person, the same person in every program of this package',
    'truncation': '1 draws people as trained, 0 the mean of all',
    'z': 'normal random numbers, mean 0, standard deviation 1',
    'styles': 'what draws a person: a row for each class and kind (0 shape, 1 texture); edit rows to edit regions',
    'viewpoint': 'azimuth and elevation of the camera, radians',
    'azimuth': 'turn of the camera around the head, radians; positive moves it to the right, towards world +x',
    'elevation': 'height of the camera, radians',
    'cam_to_world': 'columns: x, y, z axes of the camera (it looks along -z) and its centre',
    'focal': 'focal length in sides of the image',
    'near': 'first sampled distance, world units',
    'far': 'last sampled distance, world units',
    'rgb': 'colours in [-1, 1], top row first, channels last',
    'semantic_mask': 'what each class contributes to the pixel, in [0, 1], channels last, in the order of the classes',
    'depth': 'expected depth along the axis of the camera, world units',
    'opacity': 'in [0, 1], what was stopped before the last sample'}
_SECTIONS = {
    'format': int, 'what': str, 'made_by': dict, 'licence': dict, 'classes': dict, 'sizes': dict, 'cameras': dict, 'data': dict,
    'training': dict, 'scores': (dict, type(None)), 'parameters_sha256': str, 'programs': dict, 'files': dict}
_PARTS = {
    'made_by': ('package', 'version', 'jax'), 'licence': ('code', 'parameters'), 'classes': ('class_set', 'names', 'palette'),
    'sizes': ('image_size', 'num_samples', 'trained_image_size', 'trained_num_samples', 'latent_dim', 'style_dim', 'parameters'),
    'cameras': ('axes', 'azimuth_std', 'elevation_std', 'elevation_mean', 'half_field_of_view', 'near', 'far'),
    'data': ('name', 'what', 'licence'), 'training': ('generator', 'provenance', 'config')}


def make(
    model: pretrained.Model, files: Mapping[str, bytes], programs: Mapping[str, Mapping], *, image_size: int, num_samples: int,
    licence: str | None = None, scores: Mapping | None = None, config: Mapping | str | None = None,
) -> dict:
  """The card of files that a model was exported to.

  Args:
    model: that they are of.
    files: their contents, by name.
    programs: what they take and give, by the name of the file: {'inputs': {name: shape and dtype}, 'outputs': likewise, ...}.
    image_size: side of what they draw, pixels.
    num_samples: samples along a ray.
    licence: of the parameters; ours if None, which is right for models of our own data sets alone.
    scores: what was measured of these very parameters.
    config: of their training: all fields, or the name of a file of them.

  Raises:
    ValueError: if the licence is not known, or the class set.
  """
  provenance = dict(model.provenance or {})
  data = provenance.get('data')
  if licence is None and data not in DATA_SETS:
    raise ValueError(f'the data of this model ({data or "not said"}) has a licence that only you know; give that of the parameters, '
                     '--licence, or licence= in Python')
  if model.class_set is None:
    raise ValueError('these weights do not say their class_set; give it, dataclasses.replace(model, class_set="ffhq12")')
  card = dict(
      format=FORMAT, what='a CNeRF generator: 3D-aware portraits, each the sum of local radiance fields, one for each semantic class',
      made_by=dict(package='cnerf_jax', version=version.__version__, jax=jax.__version__),
      licence=dict(code=OURS, parameters=licence or OURS),
      classes=_classes(model.class_set), sizes=_sizes(model, image_size, num_samples), cameras=_cameras(model),
      data=dict(name=data, what=DATA_SETS.get(data), licence=OURS if data in DATA_SETS else None),
      training=dict(
          generator={name: getattr(model.generator, name) for name in generator_lib.SETTINGS}, provenance=provenance,
          config=dict(config) if isinstance(config, Mapping) else config),
      scores=None if scores is None else dict(scores), parameters_sha256=parameters_sha256(model),
      programs={name: _with_meanings(program) for name, program in programs.items()},
      files={name: dict(bytes=len(contents), sha256=hashlib.sha256(contents).hexdigest()) for name, contents in files.items()})
  check(card)
  return card


def check(card: Mapping, files: Mapping[str, bytes] | None = None) -> None:
  """ValueError in one line if this is no card, or not that of the files."""
  for name, kind in _SECTIONS.items():
    if not isinstance(card.get(name), kind) or (name == 'format' and card[name] != FORMAT):
      raise ValueError(f'{name} of the model card is {card.get(name)!r}, a card of format {FORMAT} has another; export the model again')
  for section, parts in _PARTS.items():
    missing = [part for part in parts if part not in card[section]]
    if missing:
      raise ValueError(f'{section} of the model card lacks {", ".join(missing)}; export the model again')
  names, palette = card['classes']['names'], card['classes']['palette']
  if len(set(names)) != len(names) or len(palette) != len(names):
    raise ValueError(f'the model card has {len(names)} classes and {len(palette)} colours; each class has one of its own')
  for kind in ('code', 'parameters'):
    if not card['licence'][kind]:
      raise ValueError(f'the model card names no licence of the {kind}; give one')
  for program, described in card['programs'].items():
    arrays = {**described.get('inputs', {}), **described.get('outputs', {})}
    unknown = [name for name, array in arrays.items() if not array.get('meaning')]
    if program not in card['files'] or not described.get('outputs') or unknown:
      raise ValueError(f'program {program} of the model card has no file, no outputs or no meaning of {", ".join(unknown) or "anything"}')
  for name, file in card['files'].items():
    if not re.fullmatch('[0-9a-f]{64}', str(file.get('sha256'))) or not isinstance(file.get('bytes'), int):
      raise ValueError(f'file {name} of the model card has no size and SHA-256; export the model again')
    if files is not None and (name not in files or hashlib.sha256(files[name]).hexdigest() != file['sha256']):
      raise ValueError(f'{name} is missing or another file than the one of the model card; export the model again')


def parameters_sha256(model: pretrained.Model) -> str:
  """SHA-256 of names and bytes of all parameters and of the mean w, whatever file they came from."""
  found = hashlib.sha256()
  arrays = traverse_util.flatten_dict(dict(model.params), sep='/') | {'w_mean': model.w_mean}
  for name in sorted(arrays):
    array = np.asarray(arrays[name])
    found.update(f'{name} {array.dtype} {array.shape} '.encode())
    found.update(array.tobytes())
  return found.hexdigest()


def _classes(name: str) -> dict:
  known = semantics.class_set(name)
  return dict(class_set=name, names=list(known.classes), palette=[list(color) for color in known.palette])


def _sizes(model: pretrained.Model, image_size: int, num_samples: int) -> dict:
  generator = model.generator
  return dict(
      image_size=image_size, num_samples=num_samples, trained_image_size=model.image_size, trained_num_samples=model.num_samples,
      latent_dim=generator.latent_dim, style_dim=generator.style_dim, region_dim=generator.region_dim, width=generator.width,
      parameters=sum(int(np.size(x)) for x in jax.tree.leaves(model.params)))


def _cameras(model: pretrained.Model) -> dict:
  return dict(
      axes='world y up, the face looks along +z, the camera circles the origin at distance 1; angles in radians; azimuth and elevation of '
      'training are Gaussians',
      azimuth_std=model.azimuth_std, elevation_std=model.elevation_std,
      elevation_mean=model.elevation_mean, half_field_of_view=float(camera_lib.HALF_FIELD_OF_VIEW_RADIANS), near=camera_lib.NEAR,
      far=camera_lib.FAR)


def _with_meanings(program: Mapping) -> dict:
  """A program with the meaning of each of its arrays."""
  described = dict(program)
  for side in ('inputs', 'outputs'):
    described[side] = {name: {**array, 'meaning': MEANINGS.get(name)} for name, array in program[side].items()}
  return described
