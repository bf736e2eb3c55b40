"""Meshes as files: GLB and PLY by trimesh, OBJ by ourselves, for an object of its own for each class.

Axes and scale are the mesh's own (`portrait_mesh`). GLB's colours are stored linear, as glTF asks, with a matt material; PLY's and OBJ's as
displayed (sRGB), as their viewers take them. PLY also has the `semantic_class` of each vertex. A texture goes into the GLB; an OBJ gets a
material (.mtl) and a picture (.png) beside it, named after their content, so that several meshes share a folder.
"""

from __future__ import annotations

from collections.abc import Mapping
import hashlib
import io
import os
import pathlib

import numpy as np

from cnerf_jax.meshing import extras
from cnerf_jax.meshing import portrait_mesh
from cnerf_jax.persistence import atomic_files

FORMATS = ('.glb', '.ply', '.obj')
TEXTURED = ('.glb', '.obj')
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
    ValueError: as `check` and `encode`, or if there are no parts; FileExistsError, FileNotFoundError as `check`; OSError in one line if it
      can't be written.
  """
  path = check(path, parts=parts, overwrite=overwrite)
  data, beside = encode(path.suffix.lower()[1:], objects(portrait, whole=not parts, parts=parts))
  for name, content in beside.items():
    atomic_files.write_bytes(path.with_name(name), content)
  atomic_files.write_bytes(path, data)


def objects(portrait: portrait_mesh.PortraitMesh, *, whole: bool, parts: bool) -> dict[str, portrait_mesh.ColoredMesh]:
  """The whole as `head`, the parts by their classes, or both; ValueError if parts are wanted and there are none."""
  if parts and not portrait.parts:
    raise ValueError('this mesh has no parts; make it with mesh(..., parts=True)')
  return ({'head': portrait.whole} if whole else {}) | (portrait.parts if parts else {})


def encode(file_format: str, objects: Mapping[str, portrait_mesh.ColoredMesh]) -> tuple[bytes, dict[str, bytes]]:
  """(the bytes of a file, those of files beside it by their names): the same for the same objects.

  Args:
    file_format: glb, ply (of one object) or obj.
    objects: by their names.

  Raises:
    ValueError: if an object has a texture and the format, or Pillow, is missing for it.
  """
  textured = any(one.texture is not None for one in objects.values())
  if textured and f'.{file_format}' not in TEXTURED:
    raise ValueError(f'.{file_format} holds no texture; use {" or ".join(TEXTURED)}')
  if file_format == 'obj':
    return _encode_obj(objects)
  if file_format == 'ply':
    (one,) = objects.values()
    return to_trimesh(one, with_class=True).export(file_type='ply'), {}
  scene = extras.load('trimesh', 'trimesh').Scene()
  for name, one in objects.items():
    made = to_trimesh(one, linear=True) if one.texture is None else textured_trimesh(one)
    scene.add_geometry(made, geom_name=name, node_name=name)
  return scene.export(file_type='glb', include_normals=True, tree_postprocessor=_add_material), {}


def _encode_obj(objects: Mapping[str, portrait_mesh.ColoredMesh]) -> tuple[bytes, dict[str, bytes]]:
  """One `o` for each object, each with vertices of its own; colours follow the coordinates, as most viewers read them."""
  pictures = {name: _png(one.texture.image) for name, one in objects.items() if one.texture is not None}
  stem = 'texture_' + hashlib.sha256(b''.join(pictures.values())).hexdigest()[:12]
  text, materials, beside = io.StringIO(), [], {}
  text.write('# cnerf_jax: y up, the face looks along +z, a unit is about a metre\n')
  if pictures:
    text.write(f'mtllib {stem}.mtl\n')
  before, corners_before = 1, 1
  for name, one in objects.items():
    text.write(f'o {name}\n')
    np.savetxt(text, np.concatenate([one.triangles.vertices, one.colors], axis=-1), fmt='v' + ' %.6f' * 3 + ' %.4f' * 3)
    np.savetxt(text, one.normals, fmt='vn %.4f %.4f %.4f')
    faces = one.triangles.faces + before
    if one.texture is None:
      np.savetxt(text, np.repeat(faces, 2, axis=-1), fmt='f' + ' %d//%d' * 3)
    else:
      picture = f'{stem}.png' if len(pictures) == 1 else f'{stem}_{name}.png'
      beside[picture] = pictures[name]
      materials.append(f'newmtl {name}\nKa 0 0 0\nKd 1 1 1\nKs 0 0 0\nillum 1\nmap_Kd {picture}\n')
      np.savetxt(text, one.texture.uv, fmt='vt %.6f %.6f')
      text.write(f'usemtl {name}\n')
      np.savetxt(text, np.stack([faces, one.texture.faces + corners_before, faces], axis=-1).reshape(-1, 9), fmt='f' + ' %d/%d/%d' * 3)
      corners_before += len(one.texture.uv)
    before += len(one.triangles.vertices)
  if pictures:
    beside[f'{stem}.mtl'] = ''.join(materials).encode()
  return text.getvalue().encode(), beside


def _png(image: np.ndarray) -> bytes:
  data = io.BytesIO()
  extras.load('PIL.Image', 'pillow').fromarray(image).save(data, 'png')
  return data.getvalue()


def textured_trimesh(one: portrait_mesh.ColoredMesh):
  """A `trimesh.Trimesh` with the mesh's texture on a matt material; vertices on seams are there once for each chart."""
  trimesh = extras.load('trimesh', 'trimesh')
  texture = one.texture
  material = trimesh.visual.material.PBRMaterial(
      name='matt', baseColorTexture=extras.load('PIL.Image', 'pillow').fromarray(texture.image), metallicFactor=0.0, roughnessFactor=1.0,
      doubleSided=True)
  return trimesh.Trimesh(
      vertices=one.triangles.vertices[texture.source], faces=texture.faces, vertex_normals=one.normals[texture.source], process=False,
      visual=trimesh.visual.TextureVisuals(uv=texture.uv, material=material))


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
  """glTF's default material is metal, which is black without surroundings; textures have materials of their own."""
  bare = [primitive for one in tree['meshes'] for primitive in one['primitives'] if 'material' not in primitive]
  if bare:
    materials = tree.setdefault('materials', [])
    for primitive in bare:
      primitive['material'] = len(materials)
    materials.append(_MATERIAL)
