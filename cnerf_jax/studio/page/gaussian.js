/**
 * The Gaussian of all latents, x = mean + L z, with z from N(0, I) and L lower triangular; and a part of x, given the rest. In double precision:
 * float32 is what comes in and goes out.
 */

/** L x = b. */
function solveLower(rows, b) {
  const x = Float64Array.from(b);
  for (let i = 0; i < x.length; i++) {
    for (let j = 0; j < i; j++) {
      x[i] -= rows[i][j] * x[j];
    }
    x[i] /= rows[i][i];
  }
  return x;
}

/** L^T x = b. */
function solveUpper(rows, b) {
  const x = Float64Array.from(b);
  for (let i = x.length - 1; i >= 0; i--) {
    x[i] /= rows[i][i];
    for (let j = 0; j < i; j++) {
      x[j] -= rows[i][j] * x[i];
    }
  }
  return x;
}

/** The rows of L with L L^T = matrix, which is symmetric and positive. */
function cholesky(matrix) {
  const rows = [];
  matrix.forEach((values, i) => {
    const row = new Float64Array(i + 1);
    for (let j = 0; j <= i; j++) {
      let rest = values[j];
      for (let k = 0; k < j; k++) {
        rest -= row[k] * (i === j ? row[k] : rows[j][k]);
      }
      row[j] = i === j ? Math.sqrt(rest) : rest / rows[j][j];
    }
    rows.push(row);
  });
  return rows;
}

export class Gaussian {
  #mean;
  #rows = [];
  /** Of parts that have been drawn anew: factors of their precision, given the rest. */
  #precisions = new Map();

  /** @param {number[]} mean @param {Float32Array} factor the rows of L, one after another */
  constructor(mean, factor) {
    this.#mean = mean;
    for (let i = 0, start = 0; i < mean.length; start += ++i) {
      this.#rows.push(factor.subarray(start, start + i + 1));
    }
  }

  /** x of z. */
  draw(z) {
    return Float32Array.from(this.#rows, (row, i) => row.reduce((sum, x, j) => sum + x * z[j], this.#mean[i]));
  }

  /** P b, with P the inverse of the covariance. */
  #timesPrecision(b) {
    return solveUpper(this.#rows, solveLower(this.#rows, b));
  }

  /**
   * x with one part drawn anew, given the rest (`regional_mapping.redraw`): a draw of anybody, corrected by what its rest is off,
   * x_R = a_R - P_RR^-1 P_RO (x_O - a_O).
   * @param {number[]} part where its latents are @param {Float32Array} drawn x @param {Float32Array} anybody an independent draw
   */
  redraw(part, drawn, anybody) {
    const key = part.join();
    if (!this.#precisions.has(key)) {
      const columns = part.map((i) => this.#timesPrecision(drawn.map((_, j) => Number(i === j))));
      this.#precisions.set(key, cholesky(columns.map((column) => part.map((i) => column[i]))));
    }
    const off = Float64Array.from(drawn, (x, i) => x - anybody[i]);
    part.forEach((i) => {
      off[i] = 0;
    });
    const told = this.#timesPrecision(off);
    const rows = this.#precisions.get(key);
    const change = solveUpper(rows, solveLower(rows, part.map((i) => told[i])));
    const redrawn = drawn.slice();
    part.forEach((i, n) => {
      redrawn[i] = anybody[i] - change[n];
    });
    return redrawn;
  }
}
