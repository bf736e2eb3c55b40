"""CNeRF in JAX and Flax: portraits as sums of semantic radiance fields.

What other code imports:

  camera      where a portrait is seen from: `camera.orbit(azimuth, elevation)`
  latents     style codes: mixing, truncation, one style for every class
  pretrained  trained parameters and what they need: from a run, from one file, from published weights; and back to a file
  sampler     latents to styles to images, as pure functions of parameters, styles and camera
  semantics   the classes of a portrait: order, names, colours

They are imported when first used: `import cnerf_jax` alone loads nothing heavy. The other packages (models, rendering, losses,
training, run) are for those who train.
"""

import importlib

from cnerf_jax.version import __version__ as __version__

__all__ = ['camera', 'latents', 'pretrained', 'sampler', 'semantics']


def __getattr__(name: str):
  if name in __all__:
    return importlib.import_module(f'{__name__}.{name}')
  raise AttributeError(f'cnerf_jax has no {name!r}; its public modules are {", ".join(__all__)}')


def __dir__() -> list[str]:
  return sorted({*globals(), *__all__})
