"""The discriminators' turns: score reals and fakes, losses, R1 (paper section 3, training). Fakes carry no gradient here.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float, Int
import ml_collections

from cnerf_jax.losses import adversarial
from cnerf_jax.losses import r1
from cnerf_jax.losses import semantic_classification
from cnerf_jax.losses import viewpoint as viewpoint_lib
from cnerf_jax.models import semantic_discriminator
from cnerf_jax.training import train_state

Terms = dict[str, Float[Array, '']]


def _r1_terms(score, inputs, r1_share: float) -> Terms:
  """R1 on image and mask, of every sample or of an evenly strided share of them (unbiased, and cheaper in proportion)."""
  stride = round(1 / r1_share)
  image, mask = r1.r1_penalties(score, *[x[::stride] for x in inputs])
  return {'r1_image': image, 'r1_mask': mask}


def global_terms(
    players: train_state.Players, params, real: dict[str, Array], fake_image, fake_mask,
    fake_viewpoint: Float[Array, 'batch 2'], r1_share: float = 1.0,
) -> tuple[Terms, Terms]:
  """Terms of the global discriminator's loss, unweighted, and figures to watch."""
  judge = lambda image, mask: players.global_discriminator.apply(params, image, mask)
  on_real = judge(real['image'], real['semantic_mask'])
  on_fake = judge(fake_image, fake_mask)
  terms = {
      'adversarial': adversarial.discriminator_loss(on_real.realness, on_fake.realness),
      'viewpoint': viewpoint_lib.viewpoint_loss(on_fake.viewpoint, fake_viewpoint),
  }
  if 'viewpoint' in real:  # photographs come without cameras
    terms['viewpoint_real'] = viewpoint_lib.viewpoint_loss(on_real.viewpoint, real['viewpoint'])
  terms |= _r1_terms(lambda *x: judge(*x).realness, (real['image'], real['semantic_mask']), r1_share)
  figures = {'accuracy': adversarial.accuracy(on_real.realness, on_fake.realness)}
  if players.augmented:
    figures['real_sign'] = jnp.mean(jnp.sign(on_real.realness))
  return terms, figures


def semantic_terms(
    players: train_state.Players, params, real: dict[str, Array], fake_image, fake_mask,
    real_class: Int[Array, 'batch'], fake_class: Int[Array, 'batch'], r1_share: float = 1.0,
) -> tuple[Terms, Terms]:
  """Terms of the semantic discriminator's loss, unweighted, and figures to watch."""
  judge = lambda region, mask: players.semantic_discriminator.apply(params, region, mask)
  real_inputs = semantic_discriminator.cut_out(real['image'], real['semantic_mask'], real_class)
  on_real = judge(*real_inputs)
  on_fake = judge(*semantic_discriminator.cut_out(fake_image, fake_mask, fake_class))
  classify = semantic_classification.semantic_classification_loss
  terms = {
      'adversarial': adversarial.discriminator_loss(on_real.realness, on_fake.realness),
      'semantic_class': classify(on_real.class_logits, real_class) + classify(on_fake.class_logits, fake_class),
  } | _r1_terms(lambda *x: judge(*x).realness, real_inputs, r1_share)
  figures = {
      'accuracy': adversarial.accuracy(on_real.realness, on_fake.realness),
      'class_accuracy': jnp.mean(jnp.argmax(on_real.class_logits, axis=-1) == real_class),
  }
  return terms, figures


def weighted(terms: Terms, weights: ml_collections.ConfigDict) -> Float[Array, '']:
  """Sum of the terms by their weights in the config."""
  return sum(weights[name] * value for name, value in terms.items())
