"""A toy world for the tests of the evaluation: a coloured disc that moves with the camera, with a thin dot on it or without one.

Classes: background, disc, dot. As in real masks after dilation, the disc's mask goes on under the dot.
"""

import jax
import numpy as np

from cnerf_jax import semantics
from cnerf_jax.evaluation import oracle as oracle_lib

CLASS_SET = semantics.ClassSet(
    name='discs', classes=('background', 'disc', 'dot'), palette=((0, 0, 0), (200, 0, 0), (0, 0, 200)),
    celebamask_hq=(0,) * 19, thin_classes=('dot',))
SIZE = 16


def examples(count, seed, viewpoint=None, *, worn_by=1.0, dot_radius=0.3):
  """`count` examples with their own colours, sizes and, unless given, viewpoints; deterministic in `seed`. A fraction `worn_by` has dots."""
  generator = np.random.default_rng(seed)
  if viewpoint is None:
    viewpoint = generator.normal(size=(count, 2)) * (0.3, 0.15)
  viewpoint = np.asarray(viewpoint, np.float32)
  centre = 0.4 * np.tanh(viewpoint / (0.3, 0.15))[:, :, None, None]
  y, x = np.meshgrid(np.linspace(1, -1, SIZE), np.linspace(-1, 1, SIZE), indexing='ij')
  distance = np.hypot(x - centre[:, 0], y - centre[:, 1])
  disc = distance < generator.uniform(0.45, 0.6, (count, 1, 1))
  background = generator.uniform(-1, -0.3, (count, 1, 1, 3))
  skin = generator.uniform(0.2, 1, (count, 1, 1, 3))
  dot = (distance < dot_radius) & (generator.uniform(size=(count, 1, 1)) < worn_by)
  semantic_mask = np.stack([~disc, disc, dot], axis=-1).astype(np.float32)
  image = np.where(disc[..., None], skin, background)
  image = np.where(dot[..., None], np.array([-0.8, -0.8, 1.0]), image)
  return {'image': image.astype(np.float32), 'semantic_mask': semantic_mask, 'viewpoint': viewpoint}


def sampler(change=lambda fakes: fakes, **world):
  """A generator as good as the world itself, but for what `change` does to its samples."""
  def sample(key, batch, viewpoint=None):
    seed = int(jax.random.randint(key, (), 0, 2**30))
    return change(examples(batch, seed, viewpoint, **world))
  return sample


class ColourOracle:
  """Reads the labels by their colours, without a mistake; the viewpoint it does not read."""

  accuracy = {'validation': {'class_iou_where_present': {'background': 1.0, 'disc': 1.0, 'dot': 1.0}}}

  def read(self, image):
    dot = (image[..., 2] > 0.9) & (image[..., 0] < -0.7)
    disc = image[..., 0] > 0
    labels = np.where(dot, CLASS_SET.index('dot'), np.where(disc, CLASS_SET.index('disc'), CLASS_SET.index('background')))
    return oracle_lib.Reading(labels, np.zeros((len(image), 2), np.float32))


def grey(fakes):
  """What an untrained generator gives: flat grey images and every class everywhere in equal measure."""
  return dict(fakes, image=np.zeros_like(fakes['image']),
              semantic_mask=np.full_like(fakes['semantic_mask'], 1 / CLASS_SET.num_classes))


def mirrored(fakes):
  """Heads that turn the wrong way: every picture and mask flipped, under the camera's own viewpoint."""
  return dict(fakes, image=fakes['image'][:, :, ::-1], semantic_mask=fakes['semantic_mask'][:, :, ::-1])
