"""A tiny export to measure on: discs for heads whose nose moves with the camera, as label maps, pictures and truth."""

import numpy as np
from PIL import Image

from data_pipeline import vocabularies

LABEL = {name: k for k, name in enumerate(vocabularies.CELEBAMASK_HQ.labels)}
SIZE = 128


def label_maps(viewpoint, seed=0):
  """uint8 [heads, 128, 128]: hair, face and a nose that lies where the camera's azimuth and elevation put it."""
  rng = np.random.default_rng(seed)
  y, x = np.mgrid[:SIZE, :SIZE] / SIZE + 0.5 / SIZE
  labels = np.zeros((len(viewpoint), SIZE, SIZE), np.uint8)
  for label, (azimuth, elevation), radius in zip(labels, viewpoint, rng.uniform(0.28, 0.34, len(viewpoint))):
    label[np.hypot(x - 0.5, y - 0.45) < radius + 0.08] = LABEL['hair']
    label[np.hypot(x - 0.5, y - 0.5) < radius] = LABEL['skin']
    label[np.hypot(x - 0.5 + 0.3 * azimuth, y - 0.5 - 0.3 * elevation) < 0.06] = LABEL['nose']
  return labels


def write(folder, count=40, seed=0):
  """images/, labels/ and truth.npz; returns the viewpoints."""
  viewpoint = np.random.default_rng(seed).normal(0, 0.25, (count, 2)).astype(np.float32)
  for name in ('images', 'labels'):
    (folder / name).mkdir(parents=True)
  for k, label in enumerate(label_maps(viewpoint, seed)):
    Image.fromarray(label).save(folder / 'labels' / f'{k:06d}.png')
    Image.fromarray(np.repeat(label[..., None] * 10, 3, axis=-1)).save(folder / 'images' / f'{k:06d}.jpg')
  landmarks = np.random.default_rng(1).uniform(20, 100, (count, 68, 3)).astype(np.float32)
  np.savez(folder / 'truth.npz', azimuth=viewpoint[:, 0], elevation=viewpoint[:, 1], landmarks=landmarks)
  return viewpoint
