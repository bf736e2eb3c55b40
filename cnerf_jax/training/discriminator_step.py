"""The discriminators' turns: score reals and fakes, losses, R1 (paper section 3, training). Fakes carry no gradient here.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int
import ml_collections
import optax

from cnerf_jax.losses import adversarial
from cnerf_jax.losses import r1
from cnerf_jax.losses import semantic_classification
from cnerf_jax.losses import viewpoint as viewpoint_lib
from cnerf_jax.losses import weighting
from cnerf_jax.models import players as players_lib
from cnerf_jax.models import semantic_discriminator
from cnerf_jax.training import accumulation
from cnerf_jax.training import optimizers as optimizers_lib

Terms = dict[str, Float[Array, '']]


def weigh_viewpoints(real: dict[str, Array]) -> dict[str, Array]:
  """A whole batch of reals with `viewpoint_weight`, of mean 1, in place of `viewpoint_confidence`; without that as it is.

  Of the whole batch, so that cutting it into micro-batches changes nothing.
  """
  if 'viewpoint_confidence' not in real:
    return real
  kept = {name: value for name, value in real.items() if name != 'viewpoint_confidence'}
  return kept | {'viewpoint_weight': viewpoint_lib.relative_weights(real['viewpoint_confidence'])}


def _r1_terms(score, inputs, r1_fraction: float) -> Terms:
  """R1 on image and mask, of every sample or of an evenly strided fraction of them (unbiased, and cheaper in proportion)."""
  stride = round(1 / r1_fraction)
  image, mask = r1.r1_penalties(score, *[x[::stride] for x in inputs])
  return {'r1_image': image, 'r1_mask': mask}


def global_terms(
    players: players_lib.Players, params, real: dict[str, Array], fake: dict[str, Array], r1_fraction: float = 1.0,
) -> tuple[Terms, Terms]:
  """Terms of the global discriminator's loss, unweighted, and metrics to watch."""
  discriminate = lambda image, mask: players.global_discriminator.apply(params, image, mask)
  on_real = discriminate(real['image'], real['semantic_mask'])
  on_fake = discriminate(fake['image'], fake['semantic_mask'])
  terms = {
      'adversarial': adversarial.discriminator_loss(on_real.realness_logits, on_fake.realness_logits),
      'viewpoint': viewpoint_lib.viewpoint_loss(on_fake.viewpoint, fake['viewpoint']),
  }
  if 'viewpoint' in real:  # photographs come without cameras
    terms['viewpoint_real'] = viewpoint_lib.viewpoint_loss(on_real.viewpoint, real['viewpoint'], real.get('viewpoint_weight'))
  terms |= _r1_terms(lambda *x: discriminate(*x).realness_logits, (real['image'], real['semantic_mask']), r1_fraction)
  metrics = {'accuracy': adversarial.accuracy(on_real.realness_logits, on_fake.realness_logits)}
  if players.augmented:
    metrics['real_sign'] = jnp.mean(jnp.sign(on_real.realness_logits))
  return terms, metrics


def _semantic_r1_terms(players: players_lib.Players, params, image, region, mask, r1_fraction: float) -> Terms:
  """R1 of the region and its mask; of the published kind, of the whole image and of the mask through its product with the image too."""
  score = lambda region, mask: players.semantic_discriminator.apply(params, region, mask).realness_logits
  if players.semantic_discriminator.kind == 'published':
    return _r1_terms(lambda image, mask: score(image * mask, mask), (image, mask), r1_fraction)
  return _r1_terms(score, (region, mask), r1_fraction)


def semantic_terms(
    players: players_lib.Players, params, real: dict[str, Array], fake: dict[str, Array],
    real_class: Int[Array, 'batch'], fake_class: Int[Array, 'batch'], r1_fraction: float = 1.0,
) -> tuple[Terms, Terms]:
  """Terms of the semantic discriminator's loss, unweighted, and metrics to watch."""
  discriminate = lambda region, mask: players.semantic_discriminator.apply(params, region, mask)
  real_inputs = semantic_discriminator.cut_out(real['image'], real['semantic_mask'], real_class)
  on_real = discriminate(*real_inputs)
  on_fake = discriminate(*semantic_discriminator.cut_out(fake['image'], fake['semantic_mask'], fake_class))
  classify = semantic_classification.semantic_classification_loss
  terms = {
      'adversarial': adversarial.discriminator_loss(on_real.realness_logits, on_fake.realness_logits),
      'semantic_class': classify(on_real.class_logits, real_class) + classify(on_fake.class_logits, fake_class),
  } | _semantic_r1_terms(players, params, real['image'], *real_inputs, r1_fraction)
  metrics = {
      'accuracy': adversarial.accuracy(on_real.realness_logits, on_fake.realness_logits),
      'class_accuracy': jnp.mean(jnp.argmax(on_real.class_logits, axis=-1) == real_class),
  }
  return terms, metrics


def take_turn(
    terms_of, config: ml_collections.ConfigDict, players: players_lib.Players, params, optimizer: optax.GradientTransformation,
    optimizer_state: optax.OptState, inputs, weights: ml_collections.ConfigDict,
) -> tuple[dict, optax.OptState, Terms]:
  """One discriminator's update.

  Args:
    terms_of: `global_terms` or `semantic_terms`.
    config: of the run.
    players: the modules.
    params: of this discriminator.
    optimizer: its optimiser.
    optimizer_state: as named.
    inputs: of `terms_of`, after params: a tuple of trees of the whole batch.
    weights: of the terms.

  Returns:
    (params, optimizer_state, metrics): the metrics are the unweighted terms, what `terms_of` watches, and the norm of the gradient.
  """
  def gradients(micro_batch):
    def loss(p):
      terms, metrics = terms_of(players, p, *micro_batch, config.r1_fraction)
      return weighting.weighted(terms, weights), terms | metrics
    return jax.grad(loss, has_aux=True)(params)

  grads, metrics = accumulation.mean_over_micro_batches(gradients, inputs, config.num_micro_batches)
  params, optimizer_state = optimizers_lib.update(optimizer, grads, optimizer_state, params)
  return params, optimizer_state, metrics | {'gradient_norm': optax.tree.norm(grads)}
