"""Numbers of parameters of the published configuration, as the published networks have them."""

import jax
import jax.numpy as jnp
import pytest

from cnerf_jax.models import generator as generator_lib
from cnerf_jax.models import global_discriminator
from cnerf_jax.models import local_generator
from cnerf_jax.models import players as players_lib
from cnerf_jax.models import semantic_discriminator
from cnerf_jax.training import optimizers as optimizers_lib
from cnerf_jax.training import train_state
from configs import ffhq12_published


def count(tree) -> int:
  return sum(leaf.size for leaf in jax.tree.leaves(tree))


@pytest.fixture(scope='module')
def state():
  config = ffhq12_published.get_config()
  players, optimizers = players_lib.make_players(config), optimizers_lib.make_optimizers(config)
  return jax.eval_shape(
      lambda: train_state.create(jax.random.key(0), players, optimizers, image_size=config.image_size))


@pytest.mark.parametrize('player, expected', [
    ('generator_params', 5_567_209), ('ema_params', 5_567_209),
    ('global_discriminator_params', 24_192_367), ('semantic_discriminator_params', 40_279_053)])
def test_player_has_the_published_size(state, player, expected):
  """Protects every layer width and bias of the published configuration."""
  assert count(getattr(state, player)) == expected


def test_local_generator_has_the_published_size():
  """Protects the width, depth and heads of one class's field."""
  params = jax.eval_shape(
      lambda: local_generator.LocalGenerator().init(jax.random.key(0), jnp.zeros((1, 2, 256))))
  assert count(params) == 413_064


@pytest.mark.parametrize('module, shapes, expected', [
    (generator_lib.Generator(base='network'), [(1, 12, 2, 256)], 5_567_209),
    (global_discriminator.GlobalDiscriminator(), [(1, 64, 64, 3), (1, 64, 64, 12)], 24_192_367),
    (semantic_discriminator.SemanticDiscriminator(12), [(1, 64, 64, 3), (1, 64, 64, 1)], 40_279_053),
], ids=['generator', 'global', 'semantic'])
def test_defaults_are_published(module, shapes, expected):
  """Protects users of the modules without a config: their defaults are the published sizes."""
  assert count(jax.eval_shape(lambda: module.init(jax.random.key(0), *map(jnp.zeros, shapes)))) == expected
