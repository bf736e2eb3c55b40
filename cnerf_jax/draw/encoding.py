"""Frames (uint8 [height, width, 3]) to the bytes of a film: H.264 in .mp4 by PyAV, animated .webp by pillow."""

from __future__ import annotations

from collections.abc import Iterable
import io

import numpy as np
from PIL import Image

# The same frames are the same bytes. Several threads cut frames in other places, and mbtree with AVX-512 gave one of two results for the same
# frames (PyAV 18.1; never without its assembly or without mbtree).
_X264 = {'crf': '16', 'preset': 'medium', 'threads': '1', 'x264-params': 'mbtree=0'}


def encode_mp4(frames: Iterable[np.ndarray], *, fps: int) -> bytes:
  """H.264, 4:2:0, which every player and browser shows; an odd side is made even by its last pixel. Needs PyAV."""
  import av  # an extra of its own: checks has looked whether it is there
  buffer = io.BytesIO()
  with av.open(buffer, 'w', format='mp4') as container:
    stream = container.add_stream('libx264', rate=fps, options=_X264)
    stream.pix_fmt = 'yuv420p'
    for index, frame in enumerate(frames):
      frame = np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), mode='edge')
      if index == 0:
        stream.height, stream.width = frame.shape[:2]
      container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format='rgb24')))
    container.mux(stream.encode())
  return buffer.getvalue()


def encode_webp(frames: Iterable[np.ndarray], *, fps: int) -> bytes:
  """Animated WebP that plays for ever; what a page shows without a player."""
  first, *rest = (Image.fromarray(frame) for frame in frames)
  buffer = io.BytesIO()
  first.save(buffer, format='WEBP', save_all=True, append_images=rest, duration=round(1000 / fps), loop=0, quality=85, method=4)
  return buffer.getvalue()


ENCODERS = {'mp4': encode_mp4, 'webp': encode_webp}
