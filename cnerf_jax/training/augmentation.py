"""Adaptive augmentation for small sets (Karras et al. 2020, StyleGAN2-ADA): both discriminators only ever see transformed portraits.

Each transform happens to a portrait with probability `strength`, to reals and fakes alike, and gradients pass through it to the
generator; as long as some portraits stay as they are, the generator can't learn the transforms. The strength follows how much the
global discriminator has overfitted: r = E[sign(D(real))], which nears 1 as it learns the reals by heart. Every few steps the strength
goes up if r is above its target, else down.

Image and mask move together (mirror, whole pixels, zoom, turn), beyond the border both are reflected; colours change in the image alone.
A mirror image has the opposite azimuth, so the viewpoint that the discriminator must tell is mirrored with it; a turn of the picture
is no part of the viewpoint. R1 is of the transformed portraits.
"""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int
import ml_collections

# Above it transforms begin to show in the generator's pictures, as Karras et al. found.
LARGEST_STRENGTH = 0.8
_PURPOSE = 2**32 - 2  # folded into the key of a step, so that runs without augmentation draw what they always drew
_LUMA = (0.299, 0.587, 0.114)


@flax.struct.dataclass
class AugmentationState:
  """What adapts; part of the training state where augmentation is on.

  Attributes:
    strength: probability of each transform.
    sign_sum: of r over the steps since the last change.
  """

  strength: Float[Array, '']
  sign_sum: Float[Array, '']


@flax.struct.dataclass
class Transforms:
  """What happens to each portrait of a batch.

  Attributes:
    mirrored: whether left and right change places, 0 or 1.
    to_source: [batch, 2, 3] from (row, column, 1) of the result to row and column of the source, in pixels from the middle.
    color: [batch, 3, 4] from (red, green, blue, 1) of the source, in [-1, 1], to colours of the result.
  """

  mirrored: Float[Array, 'batch']
  to_source: Float[Array, 'batch 2 3']
  color: Float[Array, 'batch 3 4']


def initial_state() -> AugmentationState:
  """No transforms yet."""
  return AugmentationState(strength=jnp.zeros(()), sign_sum=jnp.zeros(()))


def adapt(
    state: AugmentationState, real_sign: Float[Array, ''], step: Int[Array, ''], config: ml_collections.ConfigDict,
) -> AugmentationState:
  """The state after a step.

  Args:
    state: before it.
    real_sign: r of the step: mean sign of the global discriminator's realness logits of reals, in [-1, 1].
    step: number of steps done before it.
    config: of the run; `images_to_full` images would bring the strength from 0 to 1.
  """
  settings = config.augmentation
  total = state.sign_sum + real_sign
  change = settings.adjust_every * config.batch_size / settings.images_to_full
  adapted = state.strength + change * jnp.sign(total / settings.adjust_every - settings.target)
  is_due = (step + 1) % settings.adjust_every == 0
  return AugmentationState(
      strength=jnp.where(is_due, jnp.clip(adapted, 0, LARGEST_STRENGTH), state.strength),
      sign_sum=jnp.where(is_due, 0.0, total))


def draw_step(
    step_key: Array, state: AugmentationState | None, config: ml_collections.ConfigDict) -> dict[str, Transforms | None]:
  """Transforms of a step's reals, of the fakes that discriminators learn from, and of those that the generator learns from.

  All are None without a state, where nothing is augmented.
  """
  names = ('real', 'fake', 'generator')
  if state is None:
    return dict.fromkeys(names)
  keys = jax.random.split(jax.random.fold_in(step_key, _PURPOSE), len(names))
  return {name: draw(key, config.batch_size, state.strength, config.image_size) for name, key in zip(names, keys)}


def show(transforms: Transforms | None, portraits: dict[str, Array]) -> dict[str, Array]:
  """Portraits (`image`, `semantic_mask` and, where it is known, `viewpoint`) as the discriminators see them; as they are if None. How sure a
  viewpoint is (`viewpoint_confidence`) stays as it is."""
  if transforms is None:
    return portraits
  image, semantic_mask = apply(transforms, portraits['image'], portraits['semantic_mask'])
  shown = dict(image=image, semantic_mask=semantic_mask)
  if 'viewpoint' in portraits:
    shown['viewpoint'] = apply_viewpoint(transforms, portraits['viewpoint'])
  if 'viewpoint_confidence' in portraits:
    shown['viewpoint_confidence'] = portraits['viewpoint_confidence']
  return shown


def draw(key: Array, batch: int, strength: Float[Array, ''], image_size: int) -> Transforms:
  """Fresh transforms, each with probability `strength`; at strength 0 none."""
  keys = iter(jax.random.split(key, 16))
  happens = lambda: (jax.random.uniform(next(keys), (batch,)) < strength).astype(jnp.float32)
  normal = lambda deviation: deviation * jax.random.normal(next(keys), (batch,))
  uniform = lambda largest: jax.random.uniform(next(keys), (batch,), minval=-largest, maxval=largest)

  mirrored = happens() * jax.random.bernoulli(next(keys), 0.5, (batch,))
  shift = happens()[:, None] * jnp.round(image_size * jnp.stack([uniform(0.125), uniform(0.125)], -1))
  scale = jnp.exp2(happens() * normal(0.2))
  angle = happens() * uniform(jnp.pi / 8)
  cos, sin = jnp.cos(angle) / scale, jnp.sin(angle) / scale
  turn = jnp.stack([jnp.stack([cos, -sin], -1), jnp.stack([sin, cos], -1)], -2)
  turn = turn * jnp.stack([jnp.ones(batch), 1 - 2 * mirrored], -1)[:, :, None]
  return Transforms(
      mirrored=mirrored,
      to_source=jnp.concatenate([turn, -jnp.einsum('bij,bj->bi', turn, shift)[..., None]], -1),
      color=_colors(happens() * normal(0.2), jnp.exp2(happens() * normal(0.5)), jnp.exp2(happens() * normal(1.0))))


def _colors(brightness, contrast, saturation) -> Float[Array, 'batch 3 4']:
  """Brightness added after contrast and saturation, which is contrast of the part of a colour that is not grey."""
  luma = jnp.broadcast_to(jnp.array(_LUMA), (3, 3))
  matrix = contrast[:, None, None] * (jnp.eye(3) * saturation[:, None, None] + luma * (1 - saturation)[:, None, None])
  return jnp.concatenate([matrix, jnp.broadcast_to(brightness[:, None, None], (*brightness.shape, 3, 1))], -1)


def apply(
    transforms: Transforms, image: Float[Array, 'batch size size 3'], semantic_mask: Float[Array, 'batch size size classes'],
) -> tuple[Float[Array, 'batch size size 3'], Float[Array, 'batch size size classes']]:
  """(image, semantic mask) after the transforms; differentiable with respect to both."""
  moved = warp(jnp.concatenate([image, semantic_mask], -1), transforms.to_source)
  color = transforms.color
  # written as a difference from no change, so that an unchanged colour stays the same to the last bit
  change = color[..., :3] - jnp.eye(3)
  image = moved[..., :3]
  return image + jnp.einsum('bcd,bijd->bijc', change, image) + color[:, None, None, :, 3], moved[..., 3:]


def apply_viewpoint(transforms: Transforms, viewpoint: Float[Array, 'batch 2']) -> Float[Array, 'batch 2']:
  """The viewpoint that a transformed portrait shows: mirrored, it looks the other way."""
  return viewpoint.at[:, 0].multiply(1 - 2 * transforms.mirrored)


def warp(
    images: Float[Array, 'batch size size channels'], to_source: Float[Array, 'batch 2 3'],
) -> Float[Array, 'batch size size channels']:
  """Bilinear samples of images at affinely moved pixels, reflected beyond the border."""
  size = images.shape[1]
  middle = (size - 1) / 2
  rows, columns = jnp.meshgrid(jnp.arange(size) - middle, jnp.arange(size) - middle, indexing='ij')
  grid = jnp.stack([rows, columns, jnp.ones_like(rows)], -1)
  # to high precision: bfloat16 products would move pixels on TPUs
  source = jnp.einsum('bij,hwj->bihw', to_source, grid, precision=jax.lax.Precision.HIGHEST) + middle
  # 'reflect' is a row of mirrors: the pixel at the border comes twice
  sample = lambda plane, at: jax.scipy.ndimage.map_coordinates(plane, [at[0], at[1]], order=1, mode='reflect')
  of_channels = jax.vmap(sample, in_axes=(-1, None), out_axes=-1)
  return jax.vmap(of_channels)(images, source)
