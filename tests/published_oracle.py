"""The published discriminators in plain NumPy, float64: channels first, from a state_dict, layer by layer as the publication has them."""

import numpy as np

NAMES = {'image': 'convs', 'mask': 'mask_convs', 'last': 'final_conv', 'realness': 'final_linear', 'class': 'class_linear'}


def _with_coordinates(x):
  batch, _, height, width = x.shape
  y = np.broadcast_to(np.linspace(-1, 1, height)[:, None], (batch, 1, height, width))
  x_ = np.broadcast_to(np.linspace(-1, 1, width), (batch, 1, height, width))
  return np.concatenate([x, y, x_], axis=1)


def _convolve(x, weight, padding=0):
  x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
  outputs, _, size, _ = weight.shape
  height = x.shape[2] - size + 1
  y = np.zeros((x.shape[0], outputs, height, height))
  for dy in range(size):
    for dx in range(size):
      y += np.einsum('bihw,oi->bohw', x[:, :, dy:dy + height, dx:dx + height], weight[:, :, dy, dx])
  return y


def _layer(weights, name, x, *, activated):
  bias = weights[f'{name}.activation.bias' if activated else f'{name}.conv.bias'][:, None, None]
  x = _convolve(x, weights[f'{name}.conv.weight']) + bias
  return _leaky(x) if activated else x


def _leaky(x):
  return np.where(x > 0, x, 0.2 * x)


def _pool(x):
  return (x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]) / 4


def _block(weights, name, x):
  y = x
  for conv in ('conv1', 'conv2'):
    y = _convolve(_with_coordinates(y), weights[f'{name}.{conv}.conv.conv.weight'], padding=1)
    y = _leaky(y + weights[f'{name}.{conv}.activation.bias'][:, None, None])
  skip = _pool(x)
  if f'{name}.skip.conv.weight' in weights:
    skip = _layer(weights, f'{name}.skip', skip, activated=False)
  return (_pool(y) + skip) / np.sqrt(2)


def _branch(weights, branch, x, *, activated):
  x = _layer(weights, f'{branch}.0', x, activated=activated)
  number = 1
  while f'{branch}.{number}.conv1.conv.conv.weight' in weights:
    x = _block(weights, f'{branch}.{number}', x)
    number += 1
  return x


def _append_stddev(x):
  batch = len(x)
  size = next(n for n in (4, 3, 2, 1) if batch % n == 0)
  stride = batch // size
  channel = np.zeros((batch, 1) + x.shape[2:])
  for i in range(batch):
    group = np.stack([x[i % stride + j * stride] for j in range(size)])
    channel[i] = np.sqrt(group.var(axis=0) + 1e-8).mean()
  return np.concatenate([x, channel], axis=1)


def _linear(weights, name, x):
  weight = weights[f'{name}.weight']
  return x @ (weight / np.sqrt(weight.shape[1])).T + weights[f'{name}.bias']


def _channels_first(x):
  return np.asarray(x, np.float64).transpose(0, 3, 1, 2)


def global_outputs(weights, image, semantic_mask):
  """(realness logits [batch], viewpoint [batch, 2]) of channels-last images and masks."""
  weights = {name: np.asarray(value, np.float64) for name, value in weights.items()}
  x = _branch(weights, NAMES['image'], _channels_first(image), activated=True)
  x = x + _branch(weights, NAMES['mask'], _channels_first(semantic_mask), activated=True)
  x = _layer(weights, NAMES['last'], _append_stddev(x), activated=False)[:, :, 0, 0]
  return x[:, 0], x[:, 1:]


def semantic_outputs(weights, image, mask):
  """(realness logits [batch], class logits [batch, classes]) of channels-last whole images and the masks [..., 1] of their classes."""
  weights = {name: np.asarray(value, np.float64) for name, value in weights.items()}
  image, mask = _channels_first(image), _channels_first(mask)
  x = _branch(weights, NAMES['image'], image * mask, activated=True)
  x = x + _branch(weights, NAMES['mask'], mask, activated=False)
  x = _layer(weights, NAMES['last'], _append_stddev(x), activated=False)
  batch, channels, height, width = x.shape
  flat = np.zeros((batch, channels * height * width))
  for c in range(channels):
    for y in range(height):
      for x_ in range(width):
        flat[:, (c * height + y) * width + x_] = x[:, c, y, x_]
  logits = []
  for head in (NAMES['realness'], NAMES['class']):
    hidden = np.sqrt(2) * _leaky(_linear(weights, f'{head}.0', flat))
    logits.append(_linear(weights, f'{head}.1', hidden))
  return logits[0][:, 0], logits[1]


def _draw_layer(draw, name, outputs, inputs, size, bias):
  weight = draw.standard_normal((outputs, inputs, size, size)) * np.sqrt(2 / (1.04 * inputs * size**2))
  return {f'{name}.weight': weight, bias: 0.2 * draw.standard_normal(outputs)}


def _draw_branch(draw, branch, inputs, channels, *, activated):
  weights = _draw_layer(draw, f'{branch}.0.conv', channels[0], inputs, 1, f'{branch}.0.{"activation" if activated else "conv"}.bias')
  for number, (before, after) in enumerate(zip(channels, channels[1:]), start=1):
    name = f'{branch}.{number}'
    weights |= _draw_layer(draw, f'{name}.conv1.conv.conv', after, before + 2, 3, f'{name}.conv1.activation.bias')
    weights |= _draw_layer(draw, f'{name}.conv2.conv.conv', after, after + 2, 3, f'{name}.conv2.activation.bias')
    if before != after:
      weights |= _draw_layer(draw, f'{name}.skip.conv', after, before, 1, f'{name}.skip.conv.bias')
  return weights


def global_weights(channels, num_classes, seed=0):
  """A random state_dict of the global discriminator."""
  draw = np.random.default_rng(seed)
  weights = _draw_branch(draw, NAMES['image'], 3, channels, activated=True)
  weights |= _draw_branch(draw, NAMES['mask'], num_classes, channels, activated=True)
  weights |= _draw_layer(draw, f'{NAMES["last"]}.conv', 3, channels[-1] + 1, 2, f'{NAMES["last"]}.conv.bias')
  return {name: value.astype(np.float32) for name, value in weights.items()}


def semantic_weights(channels, head_width, num_classes, seed=1):
  """A random state_dict of the semantic discriminator."""
  draw = np.random.default_rng(seed)
  weights = _draw_branch(draw, NAMES['image'], 3, channels, activated=True)
  weights |= _draw_branch(draw, NAMES['mask'], 1, channels, activated=False)
  weights |= _draw_layer(draw, f'{NAMES["last"]}.conv', channels[-1], channels[-1] + 1, 3, f'{NAMES["last"]}.conv.bias')
  for head, outputs in ((NAMES['realness'], 1), (NAMES['class'], num_classes)):
    for number, shape in enumerate(((head_width, 4 * channels[-1]), (outputs, head_width))):
      weights |= {f'{head}.{number}.weight': draw.standard_normal(shape), f'{head}.{number}.bias': 0.2 * draw.standard_normal(shape[0])}
  return {name: value.astype(np.float32) for name, value in weights.items()}
