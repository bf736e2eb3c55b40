"""What a scene is made of: triangle meshes and strands, in model space (decimetres, y up, the face looks along +z)."""

import dataclasses

from jaxtyping import Float32
from jaxtyping import Int32
from jaxtyping import UInt8
import numba
import numpy as np


@dataclasses.dataclass(frozen=True)
class Mesh:
  """Triangles of one material.

  Attributes:
    vertices: positions.
    triangles: vertex numbers, counter-clockwise seen from outside.
    normals: unit vectors at the vertices.
    colours: linear albedo in [0, 1] at the vertices.
    label: CelebAMask-HQ label of each triangle.
    specular: strength of the highlight, reflectance at normal incidence in [0, 1]; skin and cloth have about 0.04, metal 0.5 to 1.
    shininess: exponent of the Blinn-Phong highlight; 10 is dull, 300 is wet or polished.
    opacity: below 1 it is drawn over everything else, as lenses are.
  """

  vertices: Float32[np.ndarray, 'vertices 3']
  triangles: Int32[np.ndarray, 'triangles 3']
  normals: Float32[np.ndarray, 'vertices 3']
  colours: Float32[np.ndarray, 'vertices 3']
  label: UInt8[np.ndarray, 'triangles']
  specular: float = 0.04
  shininess: float = 20.0
  opacity: float = 1.0


@dataclasses.dataclass(frozen=True)
class Strands:
  """Hairs, or locks of hair: poly-lines with a radius.

  Attributes:
    points: from root to tip.
    radius: half the width at each point.
    colours: linear albedo in [0, 1] of each strand.
    label: their CelebAMask-HQ label.
    specular: strength of the highlight along the strand.
  """

  points: Float32[np.ndarray, 'strands points 3']
  radius: Float32[np.ndarray, 'strands points']
  colours: Float32[np.ndarray, 'strands 3']
  label: int
  specular: float = 0.3


@numba.njit(cache=True, nogil=True)
def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
  """[vertices, 3] unit normals: the area-weighted mean of the triangles around each vertex; float32."""
  normals = np.zeros_like(vertices)
  for t in range(triangles.shape[0]):
    a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
    ux, uy, uz = vertices[b, 0] - vertices[a, 0], vertices[b, 1] - vertices[a, 1], vertices[b, 2] - vertices[a, 2]
    vx, vy, vz = vertices[c, 0] - vertices[a, 0], vertices[c, 1] - vertices[a, 1], vertices[c, 2] - vertices[a, 2]
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    for corner in (a, b, c):
      normals[corner, 0] += nx
      normals[corner, 1] += ny
      normals[corner, 2] += nz
  for v in range(normals.shape[0]):
    length = np.sqrt(normals[v, 0] ** 2 + normals[v, 1] ** 2 + normals[v, 2] ** 2)
    if length > 0:
      normals[v] /= length
  return normals


def joined(meshes: list[Mesh]) -> Mesh:
  """Meshes of the same material as one; the material is the first one's."""
  starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
  stack = lambda name: np.concatenate([getattr(mesh, name) for mesh in meshes])
  triangles = np.concatenate([mesh.triangles + start for mesh, start in zip(meshes, starts)]).astype(np.int32)
  return dataclasses.replace(meshes[0], vertices=stack('vertices'), triangles=triangles, normals=stack('normals'),
                             colours=stack('colours'), label=stack('label'))
