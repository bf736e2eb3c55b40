"""A portrait as Gaussian splats: thin discs on its surface, as the .ply of 3D Gaussian splatting.

Points are spread evenly over the surface of a mesh; each is a disc with the surface's normal, of a width that makes neighbours overlap,
opaque, of one colour for all directions (spherical harmonics of degree 0).

The file has, for each splat: position x, y, z and normal nx, ny, nz; f_dc_0..2, the colour as (rgb - 1/2) / 0.2821; opacity as a logit;
scale_0..2 as logarithms; rot_0..3, the quaternion (w, x, y, z) that turns the disc's z axis into the normal; and red, green, blue, so that
viewers of point clouds show colours too.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from typing import Any

from jaxtyping import Array, Float
import numpy as np

from cnerf_jax.meshing import portrait_mesh
from cnerf_jax.meshing import triangles as triangles_lib
from cnerf_jax.persistence import atomic_files

COUNT = 50_000
LARGEST_COUNT = 5_000_000
OPACITY = 0.95
THINNESS = 0.2  # of a disc: its depth over its width
_WIDTH = 0.6  # standard deviation of a disc, over the side of the square that it has to itself
_SPHERICAL_HARMONIC_0 = 0.28209479177387814
_FIELDS = ('x', 'y', 'z', 'nx', 'ny', 'nz', 'f_dc_0', 'f_dc_1', 'f_dc_2', 'opacity', 'scale_0', 'scale_1', 'scale_2', 'rot_0', 'rot_1', 'rot_2',
           'rot_3')


@dataclasses.dataclass(frozen=True, eq=False)
class Splats:
  """Gaussians on a surface.

  Attributes:
    positions: centres, world.
    normals: unit, out of the solid.
    colors: in [0, 1], as displayed (sRGB).
    scales: standard deviations along two tangents and the normal, world units.
    rotations: unit quaternions (w, x, y, z); they turn the z axis into the normal.
    opacity: in (0, 1), of all alike.
  """

  positions: Float[np.ndarray, 'splats 3']
  normals: Float[np.ndarray, 'splats 3']
  colors: Float[np.ndarray, 'splats 3']
  scales: Float[np.ndarray, 'splats 3']
  rotations: Float[np.ndarray, 'splats 4']
  opacity: float = OPACITY


def splats(
    model: Any, styles: Float[Array, '*one classes 2 style_dim'], *, count: int = COUNT, seed: int = 0,
    resolution: int = portrait_mesh.RESOLUTION, level: float | None = None, background: bool = False,
) -> Splats:
  """Splats of one portrait: on the surface of its mesh, which has the other arguments.

  Args:
    model: as in `portrait_mesh.mesh`.
    styles: of one portrait.
    count: of splats.
    seed: of where they lie.
    resolution: of the mesh.
    level: of the surface.
    background: keep what is painted as background.

  Raises:
    ValueError: if count is out of range, and as `portrait_mesh.mesh`.
  """
  check_count(count)
  portrait = portrait_mesh.mesh(model, styles, resolution=resolution, level=level, background=background)
  return from_mesh(portrait.whole, count=count, seed=seed)


def from_mesh(colored: portrait_mesh.ColoredMesh, *, count: int, seed: int = 0) -> Splats:
  """Splats spread evenly over a mesh, with the normals and colours of its vertices between them."""
  face, barycentric, area = spread(colored.triangles, count, seed)
  between = lambda values: np.einsum('pi,pic->pc', barycentric, values[colored.triangles.faces[face]])
  normals = between(colored.normals)
  normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)
  width = _WIDTH * np.sqrt(area / count)
  return Splats(
      positions=between(colored.triangles.vertices), normals=normals, colors=between(colored.colors),
      scales=np.broadcast_to(np.array([width, width, THINNESS * width]), (count, 3)), rotations=rotations_to(normals))


def spread(triangles: triangles_lib.Triangles, count: int, seed: int) -> tuple[np.ndarray, np.ndarray, float]:
  """(face and barycentric weights of each of `count` points, the whole area): as many on each face as its area says, within one."""
  corners = triangles.vertices[triangles.faces].astype(np.float64)
  areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=-1) / 2
  draw = np.random.default_rng(seed)
  edges = np.cumsum(areas)
  face = np.searchsorted(edges, (np.arange(count) + draw.uniform(size=count)) / count * edges[-1], side='right').clip(max=len(areas) - 1)
  u, v = draw.uniform(size=(2, count))
  root = np.sqrt(u)
  return face, np.stack([1 - root, root * (1 - v), root * v], axis=-1), float(edges[-1])


def rotations_to(normals: Float[np.ndarray, 'splats 3']) -> Float[np.ndarray, 'splats 4']:
  """Unit quaternions (w, x, y, z), w at least 0, of the least turn from the z axis to unit normals."""
  x, y, z = normals.T
  opposite = z < -1 + 1e-6  # any half turn about an axis in the plane does
  turn = np.stack([1 + z, -y, x, np.zeros_like(z)], axis=-1)
  turn[opposite] = (0, 1, 0, 0)
  return turn / np.linalg.norm(turn, axis=-1, keepdims=True)


def check_count(count: int) -> None:
  """ValueError unless there may be so many splats."""
  if not 1 <= count <= LARGEST_COUNT:
    raise ValueError(f'{count} splats: use 1 to {LARGEST_COUNT}; {COUNT} is usual')


def check(path: str | os.PathLike, count: int = COUNT, *, parts: bool = False, overwrite: bool = False) -> pathlib.Path:
  """The path, if splats can be written there.

  Raises:
    ValueError: if the count is out of range, it does not end in .ply, or parts are asked for; FileExistsError if it is there already,
      FileNotFoundError if its folder is not.
  """
  path = pathlib.Path(path).expanduser()
  check_count(count)
  if path.suffix.lower() != '.ply':
    raise ValueError(f'{path} has the ending {path.suffix!r}; splats are written to .ply')
  if parts:
    raise ValueError('splats have no parts; leave --parts or --splats out')
  if not path.parent.is_dir():
    raise FileNotFoundError(f'no folder {path.parent} for {path.name}; make it first')
  if path.exists() and not overwrite:
    raise FileExistsError(f'{path} is there already; give another name, or allow it to be overwritten (--overwrite)')
  return path


def write(path: str | os.PathLike, splats: Splats, *, overwrite: bool = False) -> None:
  """Writes a binary .ply; errors as `check`, and OSError in one line if it can't be written."""
  path = check(path, len(splats.positions), overwrite=overwrite)
  atomic_files.write_bytes(path, encode(splats))


def encode(splats: Splats) -> bytes:
  """The bytes of a binary .ply as viewers of Gaussian splatting read it, with colours for other viewers too."""
  count = len(splats.positions)
  rows = np.zeros(count, [(name, '<f4') for name in _FIELDS] + [(name, 'u1') for name in ('red', 'green', 'blue')])
  columns = np.concatenate([
      splats.positions, splats.normals, (splats.colors - 0.5) / _SPHERICAL_HARMONIC_0,
      np.full((count, 1), np.log(splats.opacity / (1 - splats.opacity))), np.log(splats.scales), splats.rotations], axis=-1)
  for name, column in zip(_FIELDS, columns.T):
    rows[name] = column
  for i, name in enumerate(('red', 'green', 'blue')):
    rows[name] = np.round(255 * splats.colors[:, i].clip(0, 1))
  header = ['ply', 'format binary_little_endian 1.0', 'comment splats of cnerf_jax: y up, the face looks along +z',
            f'element vertex {count}']
  header += [f'property float {name}' for name in _FIELDS]
  header += [f'property uchar {name}' for name in ('red', 'green', 'blue')] + ['end_header', '']
  return '\n'.join(header).encode() + rows.tobytes()


def read(path: str | os.PathLike) -> Splats:
  """Splats of a file that `write` wrote; ValueError if it is none."""
  content = pathlib.Path(path).expanduser().read_bytes()
  head, _, body = content.partition(b'end_header\n')
  lines = head.decode('ascii', 'replace').splitlines()
  kinds = {'float': '<f4', 'uchar': 'u1'}
  properties = [line.split()[1:] for line in lines if line.startswith('property ')]
  if not body or any(len(one) != 2 or one[0] not in kinds for one in properties) or not set(_FIELDS) <= {name for _, name in properties}:
    raise ValueError(f'{path} holds no splats; give a .ply that cnerf_jax wrote with --splats')
  rows = np.frombuffer(body, [(name, kinds[kind]) for kind, name in properties])
  of = lambda *names: np.stack([rows[name] for name in names], axis=-1).astype(np.float64)
  return Splats(
      positions=of('x', 'y', 'z'), normals=of('nx', 'ny', 'nz'), colors=0.5 + _SPHERICAL_HARMONIC_0 * of('f_dc_0', 'f_dc_1', 'f_dc_2'),
      scales=np.exp(of('scale_0', 'scale_1', 'scale_2')), rotations=of('rot_0', 'rot_1', 'rot_2', 'rot_3'),
      opacity=float(1 / (1 + np.exp(-rows['opacity'][0]))))
