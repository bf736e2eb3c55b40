"""Generators as StableHLO: programs for any process with jax alone, on CPU, GPU or TPU, which can be differentiated.

  people     params, seeds [batch] uint32, truncation [] → styles [batch, classes, 2, style_dim]
  mapping    params, z [batch, latent_dim] of N(0, I), truncation [] → styles
  camera     viewpoint [batch, 2], azimuth and elevation in radians → cam_to_world, focal, near, far
  rendering  params, styles, camera → rgb, semantic_mask, depth, opacity

A seed is a person, the same one as in `python -m cnerf_jax.draw`. params is a flat dictionary, as `params.npz` holds it. batch is any number,
the same for all arguments of a program; the side of images and the samples along a ray are fixed. `files` has everything to write to a
folder, `model_card` says what it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
import contextlib
import io

from flax import traverse_util
import jax
from jax import export as jax_export
import jax.numpy as jnp
from jaxtyping import Array, Float
import numpy as np

from cnerf_jax import camera as camera_lib
from cnerf_jax import latents
from cnerf_jax import pretrained
from cnerf_jax.rendering import volume_rendering

PLATFORMS = ('cpu', 'cuda', 'tpu')
SUFFIX = '.stablehlo'
PARAMS_FILE = 'params.npz'
_W_MEAN = 'w_mean'  # in params, beside the generator's own
_CAMERA = ('cam_to_world', 'focal', 'near', 'far')
# of each program, in order; a camera is a dictionary of what the program `camera` returns
_ARGUMENTS = {
    'people': ('params', 'seeds', 'truncation'), 'mapping': ('params', 'z', 'truncation'), 'camera': ('viewpoint',),
    'rendering': ('params', 'styles', 'camera')}


def export(
    model: pretrained.Model, *, image_size: int | None = None, num_samples: int | None = None, num_chunks: int | None = None,
    platforms: Sequence[str] = PLATFORMS,
) -> dict[str, jax_export.Exported]:
  """The programs of a model, by name.

  Args:
    model: to export.
    image_size: side of the images, pixels; that of training if None.
    num_samples: samples along a ray; likewise.
    num_chunks: rays are drawn in so many parts, a divisor of the number of pixels; None chooses it for one portrait at a time.
    platforms: that the programs run on, of PLATFORMS.

  Raises:
    ValueError: if a size is neither given nor known, a platform is not known, or the weights hold no mean style to truncate to.
  """
  image_size, num_samples = check_sizes(model, image_size, num_samples)
  wrong = [name for name in platforms if name not in PLATFORMS]
  if wrong or not platforms:
    raise ValueError(f'platforms {", ".join(platforms) or "(none)"}: use some of {", ".join(PLATFORMS)}')
  if model.w_mean is None:
    raise ValueError('these weights hold no w_mean to truncate to; see sampler.mean_style')
  generator = model.generator
  if num_chunks is None:
    num_chunks = volume_rendering.choose_num_chunks(image_size**2, num_samples * generator.num_classes * generator.width)

  def people(params, seeds, truncation):
    z = jax.vmap(lambda seed: jax.random.normal(jax.random.key(seed), (1, generator.latent_dim))[0])(seeds)
    return mapping(params, z, truncation)

  def mapping(params, z, truncation):
    styles = _with_params(model, params).map_latents(z)
    # at 1 the very styles, not those that rounding makes of them
    return jnp.where(truncation == 1, styles, latents.truncate(styles, params[_W_MEAN], truncation))

  def rendering(params, styles, camera):
    drawn = _with_params(model, params).render(
        styles, camera_lib.Camera(**camera), image_size=image_size, num_samples=num_samples, num_chunks=num_chunks)
    return {'rgb': drawn.rgb, 'semantic_mask': drawn.semantic_mask, 'depth': drawn.depth, 'opacity': 1 - drawn.last_weight}

  def camera(viewpoint):
    return camera_of(viewpoint)

  (batch,) = jax_export.symbolic_shape('batch')
  struct = lambda *shape, dtype=jnp.float32: jax.ShapeDtypeStruct(shape, dtype)
  params = {name: struct(*x.shape, dtype=x.dtype) for name, x in flat_params(model).items()}
  fields = {'cam_to_world': struct(batch, 3, 4), 'focal': struct(batch), 'near': struct(batch), 'far': struct(batch)}
  styles = struct(batch, generator.num_classes, 2, generator.style_dim)
  programs = {
      'people': (people, (params, struct(batch, dtype=jnp.uint32), struct())),
      'mapping': (mapping, (params, struct(batch, generator.latent_dim), struct())),
      'camera': (camera, (struct(batch, 2),)),
      'rendering': (rendering, (params, styles, fields))}
  with _without_locations():
    return {
        name: jax_export.export(jax.jit(function), platforms=tuple(platforms))(*arguments)
        for name, (function, arguments) in programs.items()}


def files(model: pretrained.Model, **options) -> dict[str, bytes]:
  """{name: contents} of the programs, with their first derivatives, and of their parameters; `options` as `export`."""
  programs = export(model, **options)
  with _without_locations():  # the derivatives are traced here
    contents = {f'{name}{SUFFIX}': bytes(program.serialize(vjp_order=1)) for name, program in programs.items()}
  buffer = io.BytesIO()
  np.savez(buffer, **flat_params(model))
  return contents | {PARAMS_FILE: buffer.getvalue()}


def describe(contents: bytes) -> dict:
  """What a program of `files` takes and gives, read off the program, for the card (`model_card`): a dictionary counts as its arrays."""
  program = jax_export.deserialize(bytearray(contents))
  named = zip(_ARGUMENTS[program.fun_name], program.in_tree.unflatten(program.in_avals)[0])
  inputs = {}
  for name, argument in named:
    inputs |= {name: {}} if name == 'params' else _arrays(argument, name)
  dictionaries = {'camera': list(_CAMERA)} if 'camera' in _ARGUMENTS[program.fun_name] else {}
  return dict(
      kind='StableHLO', platforms=list(program.platforms), derivatives=1, arguments=list(_ARGUMENTS[program.fun_name]),
      dictionaries=dictionaries, inputs=inputs, outputs=_arrays(program.out_tree.unflatten(program.out_avals), 'styles'))


def _arrays(found, name: str) -> dict:
  named = found if isinstance(found, Mapping) else {name: found}
  whole = lambda shape: [size if isinstance(size, int) else str(size) for size in shape]
  return {name: dict(shape=whole(x.shape), dtype=np.dtype(x.dtype).name) for name, x in named.items()}


def camera_of(viewpoint: Float[Array, 'batch 2']) -> dict[str, Array]:
  """The fields of a camera that looks from (azimuth, elevation), radians."""
  camera = camera_lib.orbit(viewpoint[:, 0], viewpoint[:, 1])
  return {name: getattr(camera, name) for name in _CAMERA}


def flat_params(model: pretrained.Model) -> dict[str, np.ndarray]:
  """Parameters by path, its parts joined by /, and the mean style: what params.npz holds."""
  arrays = traverse_util.flatten_dict(dict(model.params), sep='/') | {_W_MEAN: model.w_mean}
  return {name: np.asarray(arrays[name]) for name in sorted(arrays)}


def check_sizes(model: pretrained.Model, image_size: int | None, num_samples: int | None) -> tuple[int, int]:
  """Both sizes, those of the model's training where they are None; ValueError in one line if one is not known or too small."""
  sizes = []
  for name, value, known, least in (('image_size', image_size, model.image_size, 1), ('num_samples', num_samples, model.num_samples, 2)):
    value = known if value is None else value
    if value is None or value < least:
      raise ValueError(f'{name} {value} must be a number of at least {least}; give that of the training of these weights')
    sizes.append(value)
  return sizes[0], sizes[1]


@contextlib.contextmanager
def _without_locations() -> Iterator[None]:
  """Programs say nothing of the files that they were traced from, so that the same model gives the same bytes anywhere."""
  before = jax.config.jax_traceback_in_locations_limit
  jax.config.update('jax_traceback_in_locations_limit', 0)
  try:
    yield
  finally:
    jax.config.update('jax_traceback_in_locations_limit', before)


def _with_params(model: pretrained.Model, params: Mapping[str, Array]) -> pretrained.Model:
  """The generator with parameters from a flat dictionary, and nothing else: programs know their sizes."""
  own = {name: x for name, x in params.items() if name != _W_MEAN}
  return pretrained.Model(generator=model.generator, params=traverse_util.unflatten_dict(own, sep='/'))
