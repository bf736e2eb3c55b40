"""The verb `mesh`: a person as triangles or splats in a file, with the JSON that repeats it. Its options, its refusals, its file.

JAX and the packages of the extra `mesh` are loaded when there is something to make.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
import hashlib
import importlib.util
import pathlib

SETTINGS = ('model', 'seed', 'truncation', 'size', 'whole', 'parts', 'background', 'texture', 'splats', 'format')
FORMATS = ('glb', 'ply', 'obj')
SIZE = 128  # points of the grid along a side
SIZES = (8, 1024)
TEXTURE = 1024  # texels of a side
TEXTURES = (64, 4096)
SPLATS = 50_000
MOST_SPLATS = 5_000_000
SUMMARY = 'a person as a mesh or as splats: .glb, .ply, .obj'
DESCRIPTION = """\
A person as a closed surface with a colour for each vertex, or with a picture of its colours (--texture): the whole head, an object for each
semantic class (--parts), or both (--whole --parts). What cameras see as background is cut off; the back of the head, which no camera of
training saw, is a guess.

  python -m cnerf_jax.draw mesh --model people64 --seed 7
  python -m cnerf_jax.draw mesh --seed 1 --parts --name parts.obj
  python -m cnerf_jax.draw mesh --model people64 --seed 7 --size 64 --texture --name light.glb
  python -m cnerf_jax.draw mesh --seed 1 --splats --name splats.ply

The ending of --name decides what it is: .glb, .ply (one object) or .obj; splats are .ply. y is up, the face looks along +z, the origin is
where the cameras of training look, in the middle of the head; they are 1 unit away, so that a unit is about a metre.
Needs pip install -e '.[mesh]'.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
  """The verb's own options."""
  add = parser.add_argument
  add('--model', metavar='MODEL', default='portraits32',
      help='a shipped model by name, a .npz file, or the folder of a run (default: portraits32)')
  add('--seed', metavar='SEED', type=int, default=1, help='person (default: 1)')
  add('--truncation', metavar='PSI', type=float, default=1.0, help='1 draws people as trained, 0 the mean of all (default: 1)')
  add('--size', metavar='N', type=int, default=SIZE, help=f'points of the grid along a side (default: {SIZE})')
  add('--whole', action='store_true', help='the whole head as one object (the default without --parts)')
  add('--parts', action='store_true', help='an object for each semantic class, a closed shell of 8 mm')
  add('--background', action='store_true', help='keep what is painted as background')
  add('--texture', metavar='SIZE', nargs='?', type=int, const=TEXTURE,
      help=f'colours as a picture, so many texels a side, on the whole head (.glb, .obj; {TEXTURE} if no number)')
  add('--splats', metavar='COUNT', nargs='?', type=int, const=SPLATS,
      help=f'Gaussian splats instead of triangles (.ply; {SPLATS} if no number)')
  add('--format', choices=FORMATS, help="of the file (default: the ending of --name, else glb, or ply for splats)")
  add('--output', metavar='DIR', default='drawings', help='folder to write to (default: drawings)')
  add('--name', metavar='NAME', help='name of the file (default: mesh and the seed)')
  add('--overwrite', action='store_true', help='replace a file of this name')


def complete(settings: Mapping[str, object], name: str | None) -> tuple[dict[str, object], str]:
  """(settings with nothing left open, the name of the file without its ending).

  Raises:
    ValueError: if the ending of the name is none of FORMATS or says something else than --format.
  """
  settings = dict(settings)
  splats = settings['splats'] is not None
  settings['whole'] = settings['whole'] or not settings['parts']
  stem, ending = (name, '') if name is None else (pathlib.Path(name).stem, pathlib.Path(name).suffix[1:].lower())
  if ending and ending not in FORMATS:
    raise ValueError(f'--name {name} ends in .{ending}; use one of .{", .".join(FORMATS)}')
  if ending and settings['format'] not in (None, ending):
    raise ValueError(f'--name {name} ends in .{ending}, but --format is {settings["format"]}; leave one of them out')
  settings['format'] = settings['format'] or ending or ('ply' if splats else 'glb')
  kind = 'splats' if splats else 'mesh' if settings['whole'] else 'parts'
  return settings, stem or f'{kind}_{settings["seed"]}'


def check_settings(settings: Mapping[str, object]) -> None:
  """ValueError in one line for settings that no model could be meshed with, or if packages are missing."""
  if set(settings) != set(SETTINGS):
    wrong = sorted(set(settings) ^ set(SETTINGS))
    raise ValueError(f'mesh has the settings {", ".join(SETTINGS)}; {", ".join(wrong)} are missing or too many')
  for name, (least, most) in {'seed': (0, 2**32 - 1), 'size': SIZES, 'splats': (1, MOST_SPLATS), 'texture': TEXTURES}.items():
    value = settings[name]
    if not (name in ('splats', 'texture') and value is None) and (type(value) is not int or not least <= value <= most):
      raise ValueError(f'--{name} {value} must be a whole number in {least}..{most}')
  truncation = settings['truncation']
  if isinstance(truncation, bool) or not isinstance(truncation, (int, float)) or not 0 <= truncation <= 2:
    raise ValueError(f'--truncation {truncation} must be in 0..2')
  if not isinstance(settings['model'], str):
    raise ValueError(f'--model {settings["model"]} must be a name or a path')
  if settings['format'] not in FORMATS:
    raise ValueError(f'--format {settings["format"]} is not known; use one of {", ".join(FORMATS)}')
  if not all(isinstance(settings[name], bool) for name in ('whole', 'parts', 'background')) or not (settings['whole'] or settings['parts']):
    raise ValueError('--whole, --parts and --background are there or not; give --whole, --parts or both')
  if settings['splats'] is not None and (settings['format'] != 'ply' or settings['parts']):
    raise ValueError('splats have no parts; leave --parts or --splats out' if settings['parts'] else
                     f'splats are written to .ply, not to .{settings["format"]}; name them so, or leave --splats out')
  if settings['parts'] and settings['format'] == 'ply':
    raise ValueError('.ply can hold one object only, not a part for each class; use .glb or .obj')
  needed = (('scikit-image', 'skimage'), ('trimesh', 'trimesh'))
  if settings['texture'] is not None:
    if settings['splats'] is not None or settings['parts'] or settings['format'] == 'ply':
      raise ValueError('a texture is of the whole head, in .glb or .obj; leave --texture out, or --splats, --parts and .ply')
    needed += (('xatlas', 'xatlas'),)
  missing = [package for package, module in needed if importlib.util.find_spec(module) is None]
  if missing:
    raise ValueError(f"meshes need {' and '.join(missing)}; pip install -e '.[mesh]'")


def draw(settings: Mapping[str, object], *, model_path: str | None = None, expected_parameters: str | None = None):
  """What `check_settings` has passed, made: (model, SHA-256 of its parameters, the file's bytes, SHA-256 of its vertices, faces and colours,
  further files by name).

  Args:
    settings: of the verb, complete.
    model_path: where the model is, if not where the settings say.
    expected_parameters: SHA-256 that its parameters must have.

  Raises:
    ValueError: for other parameters, or a person without a surface.
    OSError: if there is no model.
  """
  import jax
  from cnerf_jax.draw import models
  from cnerf_jax.meshing import mesh_files
  from cnerf_jax.meshing import portrait_mesh
  from cnerf_jax.meshing import splats as splats_lib
  from cnerf_jax.reporting import progress as progress_lib

  where = model_path or settings['model']
  model = models.load(where)
  parameters = models.digest(model)
  if expected_parameters not in (None, parameters):
    raise ValueError(f'{where} has other parameters than the model that made this; give that model by --model')
  styles = model.draw_styles(jax.random.key(settings['seed']), 1, truncation=settings['truncation'])[0]
  with progress_lib.Progress(100, description='mesh') as progress:
    portrait = portrait_mesh.mesh(
        model, styles, resolution=settings['size'], parts=settings['parts'], background=settings['background'], texture=settings['texture'],
        on_progress=lambda fraction: progress.update(round(100 * fraction)))
  if settings['splats'] is not None:
    splats = splats_lib.from_mesh(portrait.whole, count=settings['splats'], seed=settings['seed'])
    data, beside = splats_lib.encode(splats), {}
    arrays = [splats.positions, splats.normals, splats.colors, splats.scales]
  else:
    objects = mesh_files.objects(portrait, whole=settings['whole'], parts=settings['parts'])
    data, beside = mesh_files.encode(settings['format'], objects)
    arrays = [array for one in objects.values() for array in (one.triangles.vertices, one.triangles.faces, one.colors)]
    arrays += [array for one in objects.values() if one.texture for array in (one.texture.image, one.texture.faces, one.texture.uv)]
  found = hashlib.sha256()
  for array in arrays:
    found.update(f'{array.dtype} {array.shape} '.encode() + array.tobytes())
  return model, parameters, data, found.hexdigest(), beside
