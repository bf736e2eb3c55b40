/**
 * A closed surface through a grid: surface nets. Every cell whose corners differ in sign has a vertex, the mean of where its edges cross 0;
 * every edge of the grid that crosses 0 has a quadrilateral between the vertices of its four cells.
 *
 * Axes: values[x + n (y + n z)] at the corners of cells, negative inside. Faces are counter-clockwise seen from outside.
 */

/** Corners of a cell, as steps along x, y and z, and its twelve edges as pairs of corners. */
const CORNERS = Array.from({length: 8}, (_, i) => [i & 1, (i >> 1) & 1, i >> 2]);
const EDGES = CORNERS.flatMap((_, i) => [1, 2, 4].filter((bit) => !(i & bit)).map((bit) => [i, i | bit]));

/**
 * @param {Float32Array} values of a grid of n points a side; outside of the grid is outside
 * @param {number} n
 * @returns {{vertices: Float32Array, faces: Uint32Array}} vertices in steps of the grid
 */
export function surfaceNets(values, n) {
  const at = (x, y, z) => x + n * (y + n * z);
  const steps = CORNERS.map(([x, y, z]) => at(x, y, z));
  const vertexOf = new Int32Array(n ** 3).fill(-1);
  const vertices = [];
  for (let z = 0; z < n - 1; z++) {
    for (let y = 0; y < n - 1; y++) {
      for (let x = 0; x < n - 1; x++) {
        const cell = at(x, y, z);
        const inside = steps.filter((step) => values[cell + step] < 0).length;
        if (inside > 0 && inside < 8) {
          vertexOf[cell] = vertices.length / 3;
          vertices.push(...crossing(values, cell, steps, [x, y, z]));
        }
      }
    }
  }
  return {vertices: Float32Array.from(vertices), faces: Uint32Array.from(quadrilaterals(values, n, vertexOf))};
}

/** The mean of where the edges of a cell cross 0. */
function crossing(values, cell, steps, origin) {
  const sum = [0, 0, 0];
  let count = 0;
  for (const [i, j] of EDGES) {
    const [a, b] = [values[cell + steps[i]], values[cell + steps[j]]];
    if ((a < 0) !== (b < 0)) {
      const along = a / (a - b);
      sum.forEach((_, axis) => {
        sum[axis] += CORNERS[i][axis] + along * (CORNERS[j][axis] - CORNERS[i][axis]);
      });
      count++;
    }
  }
  return sum.map((x, axis) => origin[axis] + x / count);
}

/** Two triangles for each edge that crosses 0. */
function quadrilaterals(values, n, vertexOf) {
  const strides = [1, n, n * n];
  const faces = [];
  for (let point = 0; point < n ** 3; point++) {
    const place = [point % n, Math.floor(point / n) % n, Math.floor(point / (n * n))];
    for (let axis = 0; axis < 3; axis++) {
      const [u, v] = [(axis + 1) % 3, (axis + 2) % 3];
      const isEdge = place[axis] < n - 1 && place[u] > 0 && place[v] > 0 && place[u] < n - 1 && place[v] < n - 1;
      const isInside = values[point] < 0;
      if (!isEdge || isInside === values[point + strides[axis]] < 0) {
        continue;
      }
      const ring = [point - strides[u] - strides[v], point - strides[v], point, point - strides[u]].map((cell) => vertexOf[cell]);
      const [a, b, c, d] = isInside ? ring : ring.reverse();
      faces.push(a, b, c, a, c, d);
    }
  }
  return faces;
}

/** Unit normals of the vertices: the mean of their faces', the larger faces more. */
export function vertexNormals(vertices, faces) {
  const normals = new Float32Array(vertices.length);
  for (let f = 0; f < faces.length; f += 3) {
    const [a, b, c] = [0, 1, 2].map((i) => 3 * faces[f + i]);
    const [u, v] = [b, c].map((end) => [0, 1, 2].map((axis) => vertices[end + axis] - vertices[a + axis]));
    const normal = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
    for (const vertex of [a, b, c]) {
      normal.forEach((x, axis) => {
        normals[vertex + axis] += x;
      });
    }
  }
  for (let i = 0; i < normals.length; i += 3) {
    const length = Math.hypot(normals[i], normals[i + 1], normals[i + 2]) || 1;
    for (let axis = 0; axis < 3; axis++) {
      normals[i + axis] /= length;
    }
  }
  return normals;
}

/** The surface without pieces that have less than a fraction of the largest one's faces. */
export function largePieces({vertices, faces}, fraction) {
  const parents = Uint32Array.from({length: vertices.length / 3}, (_, i) => i);
  const root = (i) => {
    while (parents[i] !== i) {
      parents[i] = parents[parents[i]];
      i = parents[i];
    }
    return i;
  };
  for (let f = 0; f < faces.length; f += 3) {
    parents[root(faces[f + 1])] = root(faces[f]);
    parents[root(faces[f + 2])] = root(faces[f]);
  }
  const counts = new Uint32Array(parents.length);
  for (let f = 0; f < faces.length; f += 3) {
    counts[root(faces[f])]++;
  }
  const least = fraction * counts.reduce((most, count) => Math.max(most, count), 0);
  const numbers = new Int32Array(parents.length).fill(-1);
  const kept = [];
  for (let i = 0; i < parents.length; i++) {
    if (counts[root(i)] >= least && counts[root(i)] > 0) {
      numbers[i] = kept.length / 3;
      kept.push(vertices[3 * i], vertices[3 * i + 1], vertices[3 * i + 2]);
    }
  }
  const isKept = (_, i) => numbers[faces[i - i % 3]] >= 0;
  return {vertices: Float32Array.from(kept), faces: faces.filter(isKept).map((i) => numbers[i])};
}
