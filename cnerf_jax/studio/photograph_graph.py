"""The person of a photograph as one graph: pixels to a label map, to latents, and to the viewpoint.

The label map and, unless the encoder reads it, the viewpoint are read by a function that is given (`data_pipeline.photograph_reading`): this
package trains and draws, and knows no photographs. The latents are those that the encoder of the run reads: a first guess, nothing is refined.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int
import onnx

from cnerf_jax import pretrained
from cnerf_jax import semantics
from cnerf_jax.export import onnx_graph
from cnerf_jax.export import onnx_int8

NAME = 'photograph'


@dataclasses.dataclass(frozen=True)
class Reader:
  """What reads the label map of a photograph.

  Attributes:
    side: of its photographs and label maps, pixels.
    read: photograph [side, side, 3] in [-1, 1] → (the 19 CelebAMask-HQ labels [side, side]; azimuth and elevation, radians; confidence in them,
      0 where there is no face).
  """

  side: int
  read: Callable[[Float[Array, 'side side 3']], tuple[Int[Array, 'side side'], Float[Array, '2'], Float[Array, '']]]


def check(encoder: pretrained.Encoder, reader: Reader) -> None:
  """ValueError, naming the sides that do, if the encoder's pictures are no whole part of the reader's."""
  if reader.side % encoder.image_size:
    raise ValueError(f'the encoder reads {encoder.image_size} pixels a side, photographs have {reader.side}, which is no multiple; '
                     f'build the page without photographs (--no-photographs)')


def find_person(
    encoder: pretrained.Encoder, reader: Reader, photograph: Float[Array, 'side side 3'],
) -> dict[str, Array]:
  """labels [side, side], latents [latents], viewpoint [2] and confidence [1] of a photograph in [-1, 1].

  The latents are (u, e) where they are regional (`regional_mapping`), for `export.onnx.styles_of_draw`; else z, for its `mapping`.
  """
  labels, viewpoint, confidence = reader.read(photograph)
  class_set = semantics.class_set(encoder.class_set)
  classes = jnp.array(class_set.celebamask_hq)[labels]
  masks = (classes[..., None] == jnp.arange(class_set.num_classes)).astype(jnp.float32)
  image, masks = (_reduced(x, encoder.image_size)[None] for x in (photograph, masks))
  latents, own_viewpoint = encoder.latents(image, masks) if encoder.presence_threshold is not None else encoder(image, masks)
  return {
      'labels': labels, 'latents': latents.mean[0], 'viewpoint': viewpoint if own_viewpoint is None else own_viewpoint[0],
      'confidence': confidence.reshape(1)}


def graph(encoder: pretrained.Encoder, reader: Reader) -> onnx.ModelProto:
  """`find_person` as ONNX, its kernels in bytes."""
  photograph = jax.ShapeDtypeStruct((reader.side, reader.side, 3), jnp.float32)
  found, constants = onnx_graph.convert(lambda photograph: find_person(encoder, reader, photograph), {'photograph': photograph})
  if constants:
    raise ValueError(f'{sorted(constants)} do not depend on the photograph')
  return onnx_int8.narrow(found)


def _reduced(x: Float[Array, 'side side channels'], size: int) -> Float[Array, 'size size channels']:
  """Means of square blocks."""
  factor = x.shape[0] // size
  return x.reshape(size, factor, size, factor, -1).mean(axis=(1, 3))
