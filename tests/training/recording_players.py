"""Players of a few lines each, differentiable in all that the real ones are, that note down whatever they are given.

A note is made where the code stands, so that notes come in the order of the program: also under jit, gradients and loops.
"""

import collections

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

import tiny

from cnerf_jax.models import compositional_field
from cnerf_jax.models import global_discriminator
from cnerf_jax.models import players as players_lib
from cnerf_jax.models import semantic_discriminator

K, SIZE, STYLE_DIM, HIDDEN = tiny.NUM_CLASSES, tiny.IMAGE_SIZE, tiny.SIZES['generator.style_dim'], 5


class Notes:
  """What each player was given, call by call."""

  def __init__(self):
    self._places, self._seen = 0, collections.defaultdict(list)

  def take(self, player, **given):
    """Notes arrays down when the program gets here."""
    place, self._places = self._places, self._places + 1
    jax.debug.callback(lambda given: self._seen[player, place].append(jax.tree.map(np.array, given)), given)

  def clear(self):
    """Forgets what was noted, not the places where it is."""
    jax.effects_barrier()
    self._seen.clear()

  def read(self):
    """{player: what it was given in each of its calls}, in the order of the program."""
    jax.effects_barrier()
    calls = collections.defaultdict(list)
    for player, place in sorted(self._seen, key=lambda key: key[1]):
      calls[player] += self._seen[player, place]
    return dict(calls)


@flax.struct.dataclass
class Field:
  """A ball for every portrait, in colours and masks that waver with the point, the direction and the styles."""

  params: dict
  styles: jax.Array

  @property
  def density_beta(self):
    return self.params['density_beta']

  def _wave(self, kernel, points, kind):
    """[batch, ..., classes, channels] between -1 and 1; every class has a kernel of its own for its styles."""
    styles = jnp.einsum('bks,ksc->bkc', self.styles[:, :, kind], self.params[f'{kernel}_style'])
    styles = styles.reshape(styles.shape[0], *(1,) * (points.ndim - 2), *styles.shape[1:])
    return jnp.sin(20 * (points @ self.params[f'{kernel}_point'])[..., None, :] + 3 * styles)

  def residual_sdf(self, points):
    return 0.02 * jnp.sum(self._wave('sdf', points, 0), axis=(-2, -1))

  def sdf(self, points):
    return jnp.sqrt(jnp.sum(points**2, axis=-1) + 1e-6) - 0.08 + self.residual_sdf(points)

  def query(self, points, viewdirs):
    masks = jax.nn.softmax(2 * jnp.sum(self._wave('mask', points, 0), axis=-1), axis=-1)
    colors = self._wave('color', points, 1) + (viewdirs @ self.params['view'])[..., None, None, :]
    return compositional_field.FieldSample(
        sdf=self.sdf(points), residual_sdf=self.residual_sdf(points), mask_scores=masks,
        color=jax.nn.sigmoid(jnp.einsum('...k,...kc->...c', masks, colors)))


class Generator:
  """Maps latents by one matrix; draws `Field`s."""

  num_classes, style_dim, region_dim, width = K, STYLE_DIM, 0, 8

  def __init__(self, notes):
    self._notes = notes

  def apply(self, params, given, method):
    self._notes.take(f'generator.{method}', given=given, params=params)
    params = params['params']
    return jnp.tanh(given @ params['mapping']) if method == 'map_latents' else Field(params['field'], given)


class _Discriminator:
  """A hidden layer over image and mask, one portrait at a time."""

  def __init__(self, notes):
    self._notes = notes

  def apply(self, params, image, mask):
    self._notes.take(self.name, image=image, mask=mask, params=params)
    params = params['params']
    flat = lambda x: x.reshape(x.shape[0], -1)
    return self.say(jnp.tanh(flat(image) @ params['image'] + flat(mask) @ params['mask']) @ params['head'])


class GlobalDiscriminator(_Discriminator):
  name = 'global_discriminator'

  def say(self, outputs):
    return global_discriminator.GlobalOutputs(realness_logits=outputs[:, 0], viewpoint=outputs[:, 1:])


class SemanticDiscriminator(_Discriminator):
  name = 'semantic_discriminator'
  kind = 'recommended'

  def say(self, outputs):
    return semantic_discriminator.SemanticOutputs(realness_logits=outputs[:, 0], class_logits=outputs[:, 1:])


def make_players(notes, *, augmented):
  """The three of them, with one book of notes."""
  return players_lib.Players(
      generator=Generator(notes), global_discriminator=GlobalDiscriminator(notes),
      semantic_discriminator=SemanticDiscriminator(notes), augmented=augmented)


def make_params(seed=0):
  """Random parameters of each player, by the names of the training state."""
  draw = np.random.default_rng(seed)
  normal = lambda *shape: jnp.asarray(draw.standard_normal(shape) * shape[-2]**-0.5, jnp.float32)
  waves = {f'{name}_{kind}': normal(*rows, columns) for name, columns in (('sdf', 2), ('mask', 2), ('color', 3))
           for kind, rows in (('point', (3,)), ('style', (K, STYLE_DIM)))}
  discriminator = lambda channels, outputs: {'params': dict(
      image=normal(3 * SIZE**2, HIDDEN), mask=normal(channels * SIZE**2, HIDDEN), head=normal(HIDDEN, outputs))}
  return dict(
      generator_params={'params': {
          'mapping': normal(STYLE_DIM, STYLE_DIM), 'field': waves | dict(view=normal(3, 3), density_beta=jnp.float32(0.03))}},
      global_discriminator_params=discriminator(K, 3),
      semantic_discriminator_params=discriminator(1, 1 + K))
