import math

import jax
import jax.numpy as jnp
import numpy as np

from cnerf_jax.losses import adversarial

REAL, FAKE = [1.5, -0.3, 40.0], [0.2, -2.0, -40.0]
softplus = lambda x: math.log1p(math.exp(-abs(x))) + max(x, 0.0)
mean = lambda values: sum(values) / len(values)


def test_losses_are_the_logistic_ones():
  """Protects the game: -log sigmoid(real) - log(1 - sigmoid(fake)) for D, -log sigmoid(fake) for G, as means."""
  expected = mean([softplus(-x) for x in REAL]) + mean([softplus(x) for x in FAKE])
  np.testing.assert_allclose(adversarial.discriminator_loss(jnp.array(REAL), jnp.array(FAKE)), expected, rtol=1e-6)
  np.testing.assert_allclose(
      adversarial.generator_loss(jnp.array(FAKE)), mean([softplus(-x) for x in FAKE]), rtol=1e-6)


def test_each_player_pulls_its_way():
  """Protects the signs: D lifts reals and lowers fakes, G lifts fakes, hardest where D is surest (non-saturating)."""
  real, fake = jax.grad(adversarial.discriminator_loss, argnums=(0, 1))(jnp.array(REAL), jnp.array(FAKE))
  own = jax.grad(adversarial.generator_loss)(jnp.array(FAKE))
  assert (np.asarray(real) <= 0).all() and (np.asarray(fake) >= 0).all() and (np.asarray(own) < 0).all()
  np.testing.assert_allclose(own[2], -1 / 3, rtol=1e-5)


def test_accuracy_counts_both_sides():
  """Protects the figure that says who is winning: 1 if every logit has the right sign."""
  assert adversarial.accuracy(jnp.array([1.0, 2.0]), jnp.array([-1.0, -2.0])) == 1
  assert adversarial.accuracy(jnp.array([-1.0, -2.0]), jnp.array([1.0, 2.0])) == 0
  assert adversarial.accuracy(jnp.array([1.0, -2.0]), jnp.array([-1.0, -2.0])) == 0.75
