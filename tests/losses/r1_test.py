import jax
import jax.numpy as jnp
import numpy as np

from cnerf_jax.losses import r1

DRAW = np.random.default_rng(0)
IMAGE = DRAW.standard_normal((4, 5, 5, 3)).astype(np.float32)
MASK = DRAW.standard_normal((4, 5, 5, 2)).astype(np.float32)


def test_linear_critic():
  """Protects the penalty's scale: for score = <a, x> it is |a|^2, summed over pixels, whatever x and the batch."""
  a, b = DRAW.standard_normal((5, 5, 3)).astype(np.float32), DRAW.standard_normal((5, 5, 2)).astype(np.float32)
  score = lambda image, mask: jnp.einsum('nijc,ijc->n', image, a) + jnp.einsum('nijc,ijc->n', mask, b)
  for size in (2, 4):
    image, mask = r1.r1_penalties(score, IMAGE[:size], MASK[:size])
    np.testing.assert_allclose(image, np.sum(a**2), rtol=1e-5)
    np.testing.assert_allclose(mask, np.sum(b**2), rtol=1e-5)


def test_quadratic_critic():
  """Protects the mean over the batch: for score = <x, x> it is mean 4 |x|^2; an input without influence has none."""
  image, mask = r1.r1_penalties(lambda image, mask: jnp.sum(image**2, axis=(1, 2, 3)), IMAGE, MASK)
  np.testing.assert_allclose(image, np.mean(4 * np.sum(IMAGE**2, axis=(1, 2, 3))), rtol=1e-5)
  assert mask == 0


def test_penalty_trains_the_critic():
  """Protects R1's purpose: its gradient reaches the critic, d/dw |w a|^2 = 2 w |a|^2."""
  a = DRAW.standard_normal((5, 5, 3)).astype(np.float32)
  penalty = lambda w: r1.r1_penalties(lambda image: w * jnp.einsum('nijc,ijc->n', image, a), IMAGE)[0]
  np.testing.assert_allclose(jax.grad(penalty)(3.0), 6 * np.sum(a**2), rtol=1e-5)
