"""Films: the same frames are the same bytes, whatever the machine does meanwhile."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax.draw import encoding


def test_the_same_frames_are_the_same_film():
  """Protects repetitions bit for bit: drawing between frames, as a film is drawn, changes nothing (libx264's mbtree did)."""
  pytest.importorskip('av')
  y, x = np.mgrid[:48, :144]
  work = jax.jit(lambda a: jnp.sin(a @ a).sum())

  def frame(i):
    distance = np.hypot(x % 48 - 24 - 1.2 * np.sin(i), y - 24)
    grey = np.where(distance < 15, 200 - 3 * distance, 60) + 10 * (x // 48)
    return np.clip(np.stack([grey + 20 * np.sin(x / 5 + i), grey + 10 * np.cos(y / 4), grey], axis=-1), 0, 255).astype(np.uint8)

  def drawn():
    for i in range(6):
      float(work(jnp.ones((1200, 1200))))
      yield frame(i)

  films = {encoding.encode_mp4(drawn(), fps=12) for _ in range(8)} | {encoding.encode_mp4((frame(i) for i in range(6)), fps=12)}
  assert len(films) == 1
