"""Catmull-Clark subdivision of a quad mesh as one sparse matrix: fine vertices = matrix @ coarse vertices.

A quad becomes four: a point for each face, one for each edge, and the old vertices moved towards their neighbours. Where
an edge has one face alone (the mesh ends) the curve of the border is subdivided by itself, as a cubic spline.
"""

from jaxtyping import Int32
import numpy as np
import scipy.sparse


def catmull_clark(quads: Int32[np.ndarray, 'quads 4'], num_vertices: int) -> tuple[scipy.sparse.csr_matrix, np.ndarray]:
  """The matrix [fine, coarse] and the fine quads [4 * quads, 4]; fine vertices are the old ones, then edges, then faces."""
  edges = np.sort(np.stack([quads, np.roll(quads, -1, axis=1)], axis=-1).reshape(-1, 2), axis=1)
  edges, edge_of_side, uses = np.unique(edges, axis=0, return_inverse=True, return_counts=True)
  edge_of_side = edge_of_side.reshape(quads.shape)
  num_edges, num_quads = len(edges), len(quads)
  face_rows = _sparse(np.repeat(np.arange(num_quads), 4), quads.ravel(), 0.25, (num_quads, num_vertices))
  ends = _sparse(np.repeat(np.arange(num_edges), 2), edges.ravel(), 0.5, (num_edges, num_vertices))
  edge_faces = _sparse(edge_of_side.ravel(), np.repeat(np.arange(num_quads), 4), 0.5, (num_edges, num_quads))
  interior = scipy.sparse.diags((uses == 2).astype(float))
  edge_rows = interior @ (0.5 * ends + 0.5 * edge_faces @ face_rows) + (scipy.sparse.identity(num_edges) - interior) @ ends
  vertex_rows = _vertex_rows(quads, edges, uses, face_rows, ends, num_vertices)
  matrix = scipy.sparse.vstack([vertex_rows, edge_rows, face_rows]).tocsr().astype(np.float32)
  edge_point, face_point = num_vertices + edge_of_side, num_vertices + num_edges + np.arange(num_quads)
  fine = [np.stack([quads[:, i], edge_point[:, i], face_point, edge_point[:, i - 1]], axis=1) for i in range(4)]
  return matrix, np.concatenate(fine).astype(np.int32)


def _vertex_rows(quads, edges, uses, face_rows, ends, num_vertices):
  """The old vertices' rows: (mean of faces + 2 mean of edge middles + (n - 3) vertex) / n inside, (1, 6, 1) / 8 on the border."""
  faces_around = np.bincount(quads.ravel(), minlength=num_vertices)
  n = np.maximum(faces_around, 1)
  vertex_faces = _sparse(quads.ravel(), np.repeat(np.arange(len(quads)), 4), 1.0, (num_vertices, len(quads)))
  vertex_edges = _sparse(edges.ravel(), np.repeat(np.arange(len(edges)), 2), 1.0, (num_vertices, len(edges)))
  edges_around = np.maximum(np.asarray(vertex_edges.sum(axis=1)).ravel(), 1)
  identity = scipy.sparse.identity(num_vertices)
  inside = (scipy.sparse.diags(1 / n**2) @ vertex_faces @ face_rows
            + scipy.sparse.diags(2 / (n * edges_around)) @ vertex_edges @ ends + scipy.sparse.diags((n - 3) / n))
  border_edges = edges[uses != 2]
  on_border = np.zeros(num_vertices, bool)
  on_border[border_edges.ravel()] = True
  both_ways = np.concatenate([border_edges, border_edges[:, ::-1]])
  border = 0.75 * identity + _sparse(both_ways[:, 0], both_ways[:, 1], 0.125, (num_vertices, num_vertices))
  choose = scipy.sparse.diags(on_border.astype(float))
  unused = scipy.sparse.diags((faces_around == 0).astype(float))
  return choose @ border + (identity - choose - unused) @ inside + unused


def _sparse(rows, columns, value, shape):
  return scipy.sparse.csr_matrix((np.full(len(rows), value), (rows, columns)), shape=shape)
