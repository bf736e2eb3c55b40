"""Meshes as files: GLB, PLY or OBJ, by trimesh.

Units and axes are the mesh's own. GLB's colours are stored linear, as glTF asks, with a matt material; PLY's and OBJ's as displayed (sRGB), as
their viewers take them. PLY also has the `semantic_class` of each vertex.
"""

from __future__ import annotations

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
  if parts and not portrait.parts:
    raise ValueError('this mesh has no parts; make it with mesh(..., parts=True)')
  objects = portrait.parts if parts else {'head': portrait.whole}
  ending = path.suffix.lower()
  scene = extras.load('trimesh', 'trimesh').Scene()
  for name, one in objects.items():
    scene.add_geometry(to_trimesh(one, linear=ending == '.glb', with_class=ending == '.ply'), geom_name=name, node_name=name)
  if ending == '.glb':
    content = scene.export(file_type='glb', include_normals=True, tree_postprocessor=_add_material)
  else:
    what = scene if ending == '.obj' else next(iter(scene.geometry.values()))
    content = what.export(file_type=ending[1:])
  atomic_files.write_bytes(path, content if isinstance(content, bytes) else content.encode())


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
