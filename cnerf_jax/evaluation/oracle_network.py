"""The oracle's network: a small U-net that reads label logits and a viewpoint from an image.

The image is cut into patches so that the finest grid has 16 cells a side whatever the resolution: convolutions with
few channels on large grids are what a CPU is worst at. The finest grid's features skip to the output, where one
linear layer gives every pixel of a patch its own logits. Grids of 16, 8 and 4 cells; the viewpoint is read from the
coarsest, flattened, so that it knows left from right.
"""

from __future__ import annotations

import flax.linen as nn
from jaxtyping import Array, Float

GRID = 16


def patch_size(image_size: int) -> int:
  """Side of a patch in pixels: the smallest divisor of the image that leaves at most 16 patches a side."""
  return next(size for size in range(1, image_size + 1) if image_size % size == 0 and image_size // size <= GRID)


def space_to_depth(
    image: Float[Array, 'batch height width channels'], size: int,
) -> Float[Array, 'batch rows cols values']:
  """Cuts an image into patches of `size` pixels a side and lays the pixels of each along the channels."""
  batch, height, width, channels = image.shape
  patches = image.reshape(batch, height // size, size, width // size, size, channels)
  return patches.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height // size, width // size, -1)


def depth_to_space(
    patches: Float[Array, 'batch rows cols values'], size: int,
) -> Float[Array, 'batch height width channels']:
  """Inverse of `space_to_depth`."""
  batch, rows, cols, values = patches.shape
  image = patches.reshape(batch, rows, cols, size, size, values // size**2).transpose(0, 1, 3, 2, 4, 5)
  return image.reshape(batch, rows * size, cols * size, -1)


class OracleNetwork(nn.Module):
  """Image in [-1, 1] to logits [batch, height, width, classes] and viewpoint [batch, 2] in standard deviations."""

  num_classes: int
  channels: tuple[int, int, int] = (32, 64, 128)  # on the grids of 16, 8 and 4 cells

  @nn.compact
  def __call__(self, image):
    fine, middle, coarse = self.channels
    size = patch_size(image.shape[-2])
    conv = lambda features, name: nn.Conv(features, (3, 3), name=name)

    def block(x, name):
      update = nn.relu(conv(x.shape[-1], f'{name}_in')(x))
      update = nn.Conv(x.shape[-1], (3, 3), name=f'{name}_out', kernel_init=nn.initializers.zeros)(update)
      return nn.relu(x + update)

    def halve(x, features, name):
      return nn.relu(nn.Conv(features, (2, 2), strides=2, name=name)(x))

    def enlarge(x, like, name):
      x = depth_to_space(nn.Dense(4 * like.shape[-1], name=name)(x), 2)
      return x[:, :like.shape[1], :like.shape[2]]  # an odd grid was halved upwards

    fine_features = nn.relu(conv(fine, 'embed')(space_to_depth(image, size)))
    fine_features = block(fine_features, 'fine')
    middle_features = block(halve(fine_features, middle, 'to_middle'), 'middle')
    coarse_features = block(halve(middle_features, coarse, 'to_coarse'), 'coarse')

    flat = coarse_features.reshape(len(image), -1)
    viewpoint = nn.Dense(2, name='viewpoint')(nn.relu(nn.Dense(128, name='viewpoint_hidden')(flat)))

    middle_features = nn.relu(middle_features + enlarge(coarse_features, middle_features, 'coarse_up'))
    middle_features = block(middle_features, 'middle_up')
    fine_features = nn.relu(fine_features + enlarge(middle_features, fine_features, 'middle_to_fine'))
    fine_features = nn.relu(conv(2 * fine, 'fine_up')(fine_features))
    logits = nn.Dense(size**2 * self.num_classes, name='labels')(fine_features)
    return depth_to_space(logits, size), viewpoint
