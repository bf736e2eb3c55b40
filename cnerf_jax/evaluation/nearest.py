"""Does a generator draw the people it was trained on? How near samples lie to training portraits, beside real people it never saw.

A picture becomes x: reduced to 16x16 pixels, minus its mean, over its standard deviation, so that neither sharpness nor brightness nor contrast
tell. Two pictures are sqrt(mean((x - y)^2)) apart: 0 for copies, 1.4 where they have nothing in common, sqrt(2 - 2 r) for a correlation r.
The distance of a sample to the nearest training portrait says little by itself. Real portraits that no training saw have such distances too:
a generator that has learnt what people look like has the same ones, and one that has learnt its people by heart has smaller ones.

Soft or ordinary pictures are nearer to everybody, without being copies. So it is also counted how many samples are nearer to a held-out
portrait than to every training portrait. As both are draws of the same people, that is m / (n + m) of the samples for m held-out and n training
portraits, whatever samples look like, and 0 of copies.
"""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
from typing import Any

from jaxtyping import Bool, Float, Int
import numpy as np

SIDE = 16  # pixels, or the picture's own side if that is less
NUM_SHOWN = 8
_NEAR_PERCENTILE = 1.0  # of the distances of held-out portraits: a sample that is nearer is near
_CHUNK_VALUES = 1 << 24  # distances held at a time: 64 MB of float32
_SMALLEST_STD = 1e-3  # of pixel values: a flat picture stays flat

Reduced = Float[np.ndarray, 'pictures side side 3']


@dataclasses.dataclass(frozen=True)
class Neighbours:
  """The nearest training portrait of each picture.

  Attributes:
    distance: to it.
    portrait: which one, by its place among those compared with.
    is_mirrored: whether its mirror image is meant.
  """

  distance: Float[np.ndarray, 'pictures']
  portrait: Int[np.ndarray, 'pictures']
  is_mirrored: Bool[np.ndarray, 'pictures']


def reduce(images: Float[np.ndarray, 'pictures size size 3']) -> Reduced:
  """Pictures as they are compared: averaged down to at most 16x16, then each with mean 0 and standard deviation 1, or all 0 if it is flat."""
  images = np.nan_to_num(np.asarray(images, np.float32))
  areas = _areas(images.shape[1], min(SIDE, images.shape[1]))
  rows = areas @ images.reshape(*images.shape[:2], -1)
  small = areas @ rows.reshape(*rows.shape[:2], -1, 3)
  small -= small.mean(axis=(1, 2, 3), keepdims=True)
  return small / np.maximum(small.std(axis=(1, 2, 3), keepdims=True), _SMALLEST_STD)


def _areas(size: int, side: int) -> Float[np.ndarray, 'side size']:
  """Of each large pixel the fractions that every small one is of it, along one axis; they need not divide."""
  edges, pixel = np.linspace(0, size, side + 1), np.arange(size)
  overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
  return (np.maximum(overlap, 0) * side / size).astype(np.float32)


def find(pictures: Reduced, portraits: Reduced, *, mirror: bool) -> Neighbours:
  """The nearest portrait of each picture, exactly, in chunks of bounded memory.

  Args:
    pictures: samples or held-out portraits, see `reduce`.
    portraits: of the training.
    mirror: whether mirror images of the portraits count as well, as where training mirrors them.

  Raises:
    ValueError: if there is no portrait.
  """
  if not len(portraits):
    raise ValueError('no training portraits to compare with; give at least one')
  found = _find_as_they_are(pictures, portraits)
  if not mirror:
    return found
  turned = _find_as_they_are(pictures[:, :, ::-1], portraits)  # as far from a portrait as the picture from its mirror image
  is_mirrored = turned.distance < found.distance
  choose = lambda of_mirrored, of_others: np.where(is_mirrored, of_mirrored, of_others)
  return Neighbours(choose(turned.distance, found.distance), choose(turned.portrait, found.portrait), is_mirrored)


def _find_as_they_are(pictures, portraits) -> Neighbours:
  flat = np.ascontiguousarray(pictures).reshape(len(pictures), -1)
  others = portraits.reshape(len(portraits), -1)
  squares = np.square(others).sum(axis=1)
  chunk = max(1, _CHUNK_VALUES // len(others))
  chosen = [np.argmin(squares - 2 * flat[start:start + chunk] @ others.T, axis=1) for start in range(0, len(flat), chunk)]
  portrait = np.concatenate([np.zeros(0, np.int64), *chosen])
  distance = np.sqrt(np.square(flat - others[portrait]).mean(axis=1, dtype=np.float64))
  return Neighbours(distance, portrait, np.zeros(len(flat), bool))


def summarise(samples: Neighbours, held_out: Neighbours, to_held_out: Neighbours, num_portraits: int) -> dict[str, Any]:
  """Distances of samples beside those of held-out portraits; plain values.

  Args:
    samples: their nearest training portraits.
    held_out: those of held-out portraits.
    to_held_out: the samples' nearest held-out portraits.
    num_portraits: training portraits compared with.

  Returns:
    `median` and `held_out_median`, `ratio` of the two (1: samples are as new as people are; 0: copies), `near`, the distance that 1% of the
    held-out portraits are nearer than, `fraction_near`, of the samples that are (.01 by chance), `nearer_to_held_out`, the fraction of samples
    that are nearer to a held-out portrait than to all of training, and `by_chance`, what that is where nothing is learnt by heart;
    `num_samples`, `num_held_out`, `num_portraits`.
  """
  count = len(held_out.distance)
  median, held_out_median = float(np.median(samples.distance)), float(np.median(held_out.distance))
  near = float(np.percentile(held_out.distance, _NEAR_PERCENTILE))
  return dict(
      median=median, held_out_median=held_out_median, ratio=median / held_out_median if held_out_median > 0 else float('nan'),
      near=near, fraction_near=float((samples.distance < near).mean()),
      nearer_to_held_out=float((to_held_out.distance < samples.distance).mean()), by_chance=count / (count + num_portraits),
      num_samples=len(samples.distance), num_held_out=count, num_portraits=num_portraits)


def choose_shown(samples: Neighbours, seed: int = 0) -> tuple[Int[np.ndarray, 'shown'], Int[np.ndarray, 'shown']]:
  """Samples worth a look: those nearest to a training portrait, nearest first, and as many random ones of the others (or all of them)."""
  order = np.argsort(samples.distance, kind='stable')
  nearest, others = order[:NUM_SHOWN], order[NUM_SHOWN:]
  return nearest, np.random.default_rng(seed).permutation(others)[:NUM_SHOWN]


def spread_evenly(count: int, most: int) -> Sequence[int]:
  """At most `most` of `count` numbers, evenly spread over them and ascending: all where they are few enough."""
  return range(count) if count <= most else (np.arange(most) * count // most).tolist()


def describe(found: dict[str, Any]) -> str:
  """The result of an evaluation in two lines: `summarise`, with `num_train` of the whole split and `mirrored`."""
  of_all = '' if found['num_portraits'] == found['num_train'] else f' of {found["num_train"]:,}'
  portraits = f'{found["num_portraits"]:,}{of_all} training portraits{", mirrored too" if found["mirrored"] else ""}'
  return (f'{found["median"]:.3f} to the nearest of {portraits}; held-out people {found["held_out_median"]:.3f}: ratio {found["ratio"]:.2f}\n'
          f'{found["fraction_near"]:.1%} nearer than all but 1% of those; {found["nearer_to_held_out"]:.1%} nearest to one of those '
          f'({found["by_chance"]:.1%} by chance)')
