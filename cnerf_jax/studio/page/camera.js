/** Cameras on the unit sphere that look at the origin, as cnerf_jax/camera.py and cnerf_jax/rays.py have them. */

/** Elevations stay within this many radians, zooms within these bounds. */
export const LARGEST_ELEVATION = 0.8;
export const LARGEST_AZIMUTH = 1.5;
export const ZOOMS = [0.6, 5];

/**
 * The rays of a square picture, in row-major order.
 * @param {{azimuth: number, elevation: number, zoom: number}} view radians, and how many times narrower the field of view is
 * @param {number} size of the picture, pixels
 * @param {number} halfFieldOfView of zoom 1, radians
 * @returns {{origin: Float32Array, directions: Float32Array}}
 */
export function castRays(view, size, halfFieldOfView) {
  const {sin, cos} = Math;
  const {azimuth, elevation, zoom} = view;
  const z = [cos(elevation) * sin(azimuth), sin(elevation), cos(elevation) * cos(azimuth)];
  const x = [cos(azimuth), 0, -sin(azimuth)];
  const y = [z[1] * x[2] - z[2] * x[1], z[2] * x[0] - z[0] * x[2], z[0] * x[1] - z[1] * x[0]];
  const focal = focalPixels(size, zoom, halfFieldOfView);
  const directions = new Float32Array(3 * size * size);
  for (let row = 0, i = 0; row < size; row++) {
    const up = -(row + 0.5 - size / 2) / focal;
    for (let column = 0; column < size; column++) {
      const right = (column + 0.5 - size / 2) / focal;
      for (let axis = 0; axis < 3; axis++) {
        directions[i++] = right * x[axis] + up * y[axis] - z[axis];
      }
    }
  }
  return {origin: Float32Array.from(z), directions};
}

/** Focal length in pixels. */
export function focalPixels(size, zoom, halfFieldOfView) {
  return size * zoom * 0.5 / Math.tan(halfFieldOfView);
}

/** The view within its bounds, in steps that an address can say. */
export function rounded({azimuth, elevation, zoom}) {
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  return {
    azimuth: Number(clamp(azimuth, -LARGEST_AZIMUTH, LARGEST_AZIMUTH).toFixed(3)),
    elevation: Number(clamp(elevation, -LARGEST_ELEVATION, LARGEST_ELEVATION).toFixed(3)),
    zoom: Number(clamp(zoom, ...ZOOMS).toFixed(3)),
  };
}
