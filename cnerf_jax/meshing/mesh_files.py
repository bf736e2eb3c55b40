"""Meshes as files: GLB and PLY by trimesh, OBJ by ourselves, for an object of its own for each class.

Axes and scale are the mesh's own (`portrait_mesh`). GLB's colours are stored linear, as glTF asks, with a matt material; PLY's and OBJ's as
displayed (sRGB), as their viewers take them. PLY also has the `semantic_class` of each vertex.
"""

from __future__ import annotations

from collections.abc import Mapping
import io
import os
import pathlib

import numpy as np

from cnerf_jax.meshing import extras
from cnerf_jax.meshing import portrait_mesh
from cnerf_jax.persistence import atomic_files

FORMATS = ('.glb', '.ply', '.obj')
_MATERIAL = {'name': 'matt', 'pbrMetallicRoughness': {'metallicFactor': 0.0, 'roughnessFactor': 1.0}, 'doubleSided': True}


def check(path: str | os.PathLike, *, parts: bool = False, overwrite: bool = False) -> pathlib.Path:
  """The path, if a mesh can be written there.

  Args:
    path: of the file.
    parts: whether it shall hold an object for each class.
    overwrite: whether a file may be there already.

  Raises:
    ValueError: if its ending is not one of FORMATS, it can't hold several objects, or trimesh is missing; FileExistsError if it is there,
      FileNotFoundError if its folder is not.
  """
  path = pathlib.Path(path).expanduser()
  if path.suffix.lower() not in FORMATS:
    raise ValueError(f'{path} has the ending {path.suffix!r}; use one of {", ".join(FORMATS)}')
  if parts and path.suffix.lower() == '.ply':
    raise ValueError(f'{path} can hold one object only, not a part for each class; use .glb or .obj')
  if not path.parent.is_dir():
    raise FileNotFoundError(f'no folder {path.parent} for {path.name}; make it first')
  if path.exists() and not overwrite:
    raise FileExistsError(f'{path} is there already; give another name, or allow it to be overwritten (--overwrite)')
  extras.load('trimesh', 'trimesh')
  return path


def write(path: str | os.PathLike, portrait: portrait_mesh.PortraitMesh, *, parts: bool = False, overwrite: bool = False) -> None:
  """Writes the whole portrait, or its parts as one object for each class, named after it.

  Args:
    path: ends in .glb, .ply or .obj.
    portrait: of `portrait_mesh.mesh`.
    parts: write its parts instead of the whole.
    overwrite: replace a file that is there.

  Raises:
    ValueError: as `check`, or if there are no parts; FileExistsError, FileNotFoundError as `check`; OSError in one line if it can't be written.
  """
  path = check(path, parts=parts, overwrite=overwrite)
  atomic_files.write_bytes(path, encode(path.suffix.lower()[1:], objects(portrait, whole=not parts, parts=parts)))


def objects(portrait: portrait_mesh.PortraitMesh, *, whole: bool, parts: bool) -> dict[str, portrait_mesh.ColoredMesh]:
  """The whole as `head`, the parts by their classes, or both; ValueError if parts are wanted and there are none."""
  if parts and not portrait.parts:
    raise ValueError('this mesh has no parts; make it with mesh(..., parts=True)')
  return ({'head': portrait.whole} if whole else {}) | (portrait.parts if parts else {})


def encode(file_format: str, objects: Mapping[str, portrait_mesh.ColoredMesh]) -> bytes:
  """The bytes of a file, the same for the same objects.

  Args:
    file_format: glb, ply (of one object) or obj.
    objects: by their names.
  """
  if file_format == 'obj':
    return _encode_obj(objects)
  if file_format == 'ply':
    (one,) = objects.values()
    return to_trimesh(one, with_class=True).export(file_type='ply')
  scene = extras.load('trimesh', 'trimesh').Scene()
  for name, one in objects.items():
    scene.add_geometry(to_trimesh(one, linear=True), geom_name=name, node_name=name)
  return scene.export(file_type='glb', include_normals=True, tree_postprocessor=_add_material)


def _encode_obj(objects: Mapping[str, portrait_mesh.ColoredMesh]) -> bytes:
  """One `o` for each object, each with vertices of its own; colours follow the coordinates, as most viewers read them."""
  text = io.StringIO()
  text.write('# cnerf_jax: y up, the face looks along +z, a unit is about a metre\n')
  before = 1
  for name, one in objects.items():
    text.write(f'o {name}\n')
    np.savetxt(text, np.concatenate([one.triangles.vertices, one.colors], axis=-1), fmt='v' + ' %.6f' * 3 + ' %.4f' * 3)
    np.savetxt(text, one.normals, fmt='vn %.4f %.4f %.4f')
    np.savetxt(text, np.repeat(one.triangles.faces + before, 2, axis=-1), fmt='f' + ' %d//%d' * 3)
    before += len(one.triangles.vertices)
  return text.getvalue().encode()


def to_trimesh(colored: portrait_mesh.ColoredMesh, *, linear: bool = False, with_class: bool = False):
  """A `trimesh.Trimesh` with 8-bit colours of vertices.

  Args:
    colored: the mesh.
    linear: colours are proportional to light, as in glTF, instead of sRGB.
    with_class: also the vertex attribute `semantic_class`.
  """
  trimesh = extras.load('trimesh', 'trimesh')
  colors = linear_from_srgb(colored.colors) if linear else colored.colors
  opaque = np.concatenate([colors, np.ones_like(colors[:, :1])], axis=-1)
  return trimesh.Trimesh(
      vertices=colored.triangles.vertices, faces=colored.triangles.faces, vertex_normals=colored.normals, process=False,
      vertex_colors=np.round(255 * opaque).astype(np.uint8),
      vertex_attributes={'semantic_class': colored.semantic_class.astype(np.uint8)} if with_class else None)


def linear_from_srgb(srgb: np.ndarray) -> np.ndarray:
  """Light that a displayed colour stands for, both in [0, 1] (IEC 61966-2-1)."""
  return np.where(srgb <= 0.04045, srgb / 12.92, ((np.maximum(srgb, 0.04045) + 0.055) / 1.055)**2.4)


def _add_material(tree: dict) -> None:
  """glTF's default material is metal, which is black without surroundings."""
  tree['materials'] = [_MATERIAL]
  for one in tree['meshes']:
    for primitive in one['primitives']:
      primitive['material'] = 0
