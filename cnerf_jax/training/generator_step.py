"""The generator's turn: draw, render, score by both discriminators, losses, gradients (paper section 3, training).

Rendering and scoring are apart: `render_fakes` maps parameters to what the losses see, `loss_terms` maps that to scalars. So
one rendering serves all players where fakes are reused (`gradients_through`); otherwise the generator renders again
(`gradients_of_rendering`).
"""

from __future__ import annotations

from collections.abc import Callable

import flax.struct
import jax
from jaxtyping import Array, Float, Int
import ml_collections
import optax

from cnerf_jax import latents as latents_lib
from cnerf_jax import sampler
from cnerf_jax.losses import adversarial
from cnerf_jax.losses import semantic_classification
from cnerf_jax.losses import viewpoint as viewpoint_lib
from cnerf_jax.losses import weighting
from cnerf_jax.models import players as players_lib
from cnerf_jax.models import semantic_discriminator
from cnerf_jax.training import accumulation
from cnerf_jax.training import augmentation
from cnerf_jax.training import draws
from cnerf_jax.training import pixels as pixels_lib

Terms = dict[str, Float[Array, '']]


@flax.struct.dataclass
class FakeInputs:
  """What a batch of fakes is rendered from and shown with; every leaf has the batch as its leading axis.

  Attributes:
    draw: latents, cameras and jitter.
    class_draw: which class the semantic discriminator is shown.
    transforms: augmentation of what the discriminators see in the generator's turn; None where nothing is augmented.
  """

  draw: draws.FakeDraw
  class_draw: draws.ClassDraw
  transforms: augmentation.Transforms | None


def render_fakes(
    players: players_lib.Players, params, draw: draws.FakeDraw, config: ml_collections.ConfigDict, *, render_size: int
) -> pixels_lib.Pixels:
  """Fakes from latents and cameras, rendered at render_size and brought to image_size; differentiable with respect to params."""
  styles = sampler.map_latents(players.generator, params, draw.latents.z)
  rendered = pixels_lib.render_pixels(
      players.generator, params, latents_lib.mix_styles(styles, draw.latents.choice), draw.viewpoint, draw.jitter, draw.eikonal_indices,
      image_size=render_size, num_samples=config.num_samples, eikonal_of=config.eikonal_of, num_chunks=config.num_chunks)
  return pixels_lib.as_images(rendered, config.image_size)


def loss_terms(
    players: players_lib.Players,
    global_discriminator_params,
    semantic_discriminator_params,
    fakes: pixels_lib.Pixels,
    viewpoint: Float[Array, 'batch 2'],
    semantic_class: Int[Array, 'batch'],
) -> Terms:
  """Every term of the generator's loss, unweighted. Gradients reach the fakes through the discriminators that play."""
  outputs = players.global_discriminator.apply(global_discriminator_params, fakes.image, fakes.semantic_mask)
  terms = {
      'adversarial_global': adversarial.generator_loss(outputs.realness_logits),
      'viewpoint': viewpoint_lib.viewpoint_loss(outputs.viewpoint, viewpoint),
      'eikonal': fakes.eikonal_loss,
      'minimal_surface': fakes.minimal_surface_loss,
      'backdrop': fakes.backdrop_loss,
  }
  if not players.semantic_plays:
    return terms
  region, mask = semantic_discriminator.cut_out(fakes.image, fakes.semantic_mask, semantic_class)
  outputs = players.semantic_discriminator.apply(semantic_discriminator_params, region, mask)
  return terms | {
      'adversarial_semantic': adversarial.generator_loss(outputs.realness_logits),
      'semantic_class': semantic_classification.semantic_classification_loss(outputs.class_logits, semantic_class),
  }


def make_loss(
    config: ml_collections.ConfigDict, players: players_lib.Players, global_discriminator_params, semantic_discriminator_params,
) -> Callable[[pixels_lib.Pixels, FakeInputs], tuple[Float[Array, ''], Terms]]:
  """(fakes, what they were rendered from) → (weighted loss, its terms), against the given discriminators."""
  def loss(fakes: pixels_lib.Pixels, inputs: FakeInputs):
    shown = augmentation.show(
        inputs.transforms, dict(image=fakes.image, semantic_mask=fakes.semantic_mask, viewpoint=inputs.draw.viewpoint))
    fakes = fakes.replace(image=shown['image'], semantic_mask=shown['semantic_mask'])
    fake_class = draws.classes_of_fakes(inputs.class_draw, fakes.semantic_mask, config.class_draw)
    terms = loss_terms(
        players, global_discriminator_params, semantic_discriminator_params, fakes, shown['viewpoint'], fake_class)
    return weighting.weighted(terms, config.loss_weights.generator), terms

  return loss


def render_for_all(
    config: ml_collections.ConfigDict, render: Callable, params, draw: draws.FakeDraw,
) -> tuple[dict[str, jax.Array], Callable]:
  """Fakes for the discriminators, and how the generator learns in its turn: (loss, inputs) → (gradients, loss terms).

  Where fakes are reused and the batch is whole, it learns through this very rendering; else it renders its own inputs.

  Args:
    config: of the run.
    render: (params, draw) → fakes.
    params: of the generator.
    draw: what to render.

  Returns:
    (`image` and `semantic_mask` of the fakes, the function).
  """
  num_micro_batches = config.num_micro_batches
  pictures = lambda fakes: dict(image=fakes.image, semantic_mask=fakes.semantic_mask)
  if config.reuse_fakes and num_micro_batches == 1:
    fakes, pull_back = jax.vjp(lambda params: render(params, draw), params)
    return pictures(fakes), lambda loss, inputs: gradients_through(fakes, pull_back, loss, inputs)
  fakes = accumulation.map_micro_batches(lambda draw: pictures(render(params, draw)), draw, num_micro_batches)
  return fakes, lambda loss, inputs: gradients_of_rendering(render, params, num_micro_batches, loss, inputs)


def gradients_through(fakes: pixels_lib.Pixels, pull_back: Callable, loss: Callable, inputs: FakeInputs) -> tuple[dict, Terms]:
  """Gradients with respect to the generator's parameters, and the loss terms, through a rendering that other players have used.

  Args:
    fakes: the rendering.
    pull_back: of `jax.vjp` of that rendering with respect to the parameters.
    loss: of `make_loss`.
    inputs: what the fakes were rendered from.
  """
  cotangent, terms = jax.grad(loss, has_aux=True)(fakes, inputs)
  (grads,) = pull_back(cotangent)
  return grads, terms | {'gradient_norm': optax.tree.norm(grads)}


def gradients_of_rendering(render: Callable, params, num_micro_batches: int, loss: Callable, inputs: FakeInputs) -> tuple[dict, Terms]:
  """Gradients with respect to the generator's parameters, and the loss terms, of a rendering of its own, micro-batch by micro-batch.

  Args:
    render: (params, draw) → fakes.
    params: of the generator.
    num_micro_batches: that the batch is cut into.
    loss: of `make_loss`.
    inputs: what to render, of the whole batch.
  """
  def of_micro_batch(inputs: FakeInputs):
    return jax.grad(lambda p: loss(render(p, inputs.draw), inputs), has_aux=True)(params)

  grads, terms = accumulation.mean_over_micro_batches(of_micro_batch, inputs, num_micro_batches)
  return grads, terms | {'gradient_norm': optax.tree.norm(grads)}
