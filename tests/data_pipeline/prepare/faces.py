"""Schematic people for tests: an image and its 19 labels, drawn from ellipses in code, and folders of them in every layout."""

import pathlib

import numpy as np
from PIL import Image

from data_pipeline.prepare import label_orders

LABELS = label_orders.LABELS
# (label, middle x, middle y, half width, half height), painted in this order, in fractions of an FFHQ-aligned square
PARTS = (
    ('hair', .50, .40, .34, .36), ('cloth', .50, 1.08, .50, .20), ('neck', .50, .90, .14, .14), ('l_ear', .24, .53, .04, .07),
    ('r_ear', .76, .53, .04, .07), ('skin', .50, .54, .26, .34), ('l_brow', .375, .42, .07, .015), ('r_brow', .625, .42, .07, .015),
    ('l_eye', .375, .474, .045, .02), ('r_eye', .625, .474, .045, .02), ('nose', .50, .57, .05, .09), ('u_lip', .50, .715, .09, .02),
    ('l_lip', .50, .755, .09, .02))
COLORS = np.random.default_rng(7).integers(40, 220, (len(LABELS), 3)).astype(np.uint8)


def face(seed: int, size: int = 64, parts=PARTS) -> tuple[np.ndarray, np.ndarray]:
  """(8-bit RGB, 19 labels) of a person, slightly different for each seed."""
  rng = np.random.default_rng(seed)
  shift, scale = rng.uniform(-.02, .02, 2), rng.uniform(.95, 1.05)
  y, x = np.mgrid[:size, :size] / size + 0.5 / size
  labels = np.zeros((size, size), np.uint8)
  for name, middle_x, middle_y, half_width, half_height in parts:
    along = (x - middle_x - shift[0]) / (scale * half_width), (y - middle_y - shift[1]) / (scale * half_height)
    labels[along[0]**2 + along[1]**2 <= 1] = LABELS.index(name)
  image = COLORS[labels] + rng.integers(0, 25, (size, size, 1))
  return np.clip(image, 0, 255).astype(np.uint8), labels


def save(path: pathlib.Path, pixels: np.ndarray, **options) -> pathlib.Path:
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(pixels).save(path, **options)
  return path


def in_order(labels: np.ndarray, order: label_orders.LabelOrder) -> np.ndarray:
  """A map of the 19 labels written as an order has it."""
  value_of = {name: value for value, name in order.labels.items()}
  return np.array([value_of.get(name, 0) for name in LABELS], np.uint8)[labels]


def write_folder(root: pathlib.Path, people, order=label_orders.CELEBAMASK_HQ, extension: str = 'png') -> tuple[pathlib.Path, pathlib.Path]:
  """images/NAME.png and labels/NAME.png of {name: (image, labels)}."""
  for name, (image, labels) in people.items():
    save(root / 'images' / f'{name}.{extension}', image, **(dict(quality=95) if extension == 'jpg' else {}))
    save(root / 'labels' / f'{name}.png', in_order(labels, order))
  return root / 'images', root / 'labels'


def write_celebamask_hq(root: pathlib.Path, people) -> pathlib.Path:
  """The download's folders; names are numbers."""
  for name, (image, labels) in people.items():
    save(root / 'CelebA-HQ-img' / f'{int(name)}.jpg', image, quality=95)
    for label in np.unique(labels[labels > 0]):
      part = root / 'CelebAMask-HQ-mask-anno' / str(int(name) // 2000) / f'{int(name):05d}_{LABELS[label]}.png'
      save(part, np.where(labels == label, np.uint8(255), np.uint8(0)))
  return root


def write_ffhq(root: pathlib.Path, people, thumbnails: bool = False) -> tuple[pathlib.Path, pathlib.Path]:
  """The download's images, and label maps of a parser in BiSeNet's order beside it."""
  images = root / 'ffhq' / ('thumbnails128x128' if thumbnails else 'images1024x1024')
  for name, (image, labels) in people.items():
    save(images / f'{int(name) // 1000 * 1000:05d}' / f'{int(name):05d}.png', image)
    save(root / 'parsed' / f'{int(name):05d}.png', in_order(labels, label_orders.BISENET))
  return root / 'ffhq', root / 'parsed'
