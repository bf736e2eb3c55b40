"""Health checks on a run's reported metrics.

Two kinds of findings. A number that is not finite ends the run: nothing after it can be trusted, while the last
checkpoint can. Signs of the known way in which such GANs fail, the discriminators having won while the generator gets
no gradient, are told in words, once each, and so are heads of a wrong shape. Metrics are named as `train_step` and
`writers.scalars` name them.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import math


class NonFiniteMetric(ValueError):
  """A reported number is NaN or infinite."""


# What is wrong with the shape of heads (`geometry` of the scores), and what to do
_GEOMETRY = {
    'hollow': 'heads are hollow: noses lie behind ears, as in a mold, while pictures may look right. The cameras have the wrong sign or are '
              'wrong altogether: give right ones with `prepare --viewpoints`, or let them be read from the label maps, and begin again.',
    'flat': 'heads are flat: noses stand hardly before ears, as in a painted board that turns. The cameras are too uncertain or spread too '
            'little: give more exact ones and more turned heads, and keep the view direction out of the mask and colour heads.',
    'fog': 'heads are fog: the surface is wide along the ray or lets light through, so that depths mean little. Lower '
           'generator.density_beta_init, take more num_samples a ray, or train for more steps.',
    'painted': 'hair, ears or necks have no surface: they are painted on the backdrop behind the head, which looks right from the front alone. '
               'Raise loss_weights.generator.backdrop.',
}


@dataclasses.dataclass(frozen=True)
class Limits:
  """What counts as a sign of failure.

  Attributes:
    accuracy: a discriminator that is right more often than this has won.
    gradient_norm: an adversarial gradient on the generator below this teaches nothing.
    mask_area: a class that covers less than this fraction of the image is gone, if its real area is not reported.
    mask_area_ratio: a class that covers less than this fraction of its real area is gone.
    patience_steps: how long a sign must last before it is told.
    gradient_patience_steps: the same for gradients, where a few reports are enough.
  """

  accuracy: float = 0.97
  gradient_norm: float = 1e-6
  mask_area: float = 1e-4
  mask_area_ratio: float = 0.02
  patience_steps: int = 300
  gradient_patience_steps: int = 40


@dataclasses.dataclass(frozen=True)
class HealthState:
  """What is remembered from report to report; `dataclasses.asdict` fits into a checkpoint's meta.

  Attributes:
    since: for each sign that shows, the first step it was seen at, without a break.
    warned: signs that were told.
  """

  since: Mapping[str, int] = dataclasses.field(default_factory=dict)
  warned: tuple[str, ...] = ()


def examine(
    metrics: Mapping[str, float], state: HealthState, *, step: int, limits: Limits = Limits(),
) -> tuple[HealthState, list[str]]:
  """Checks one report; call it before saving a checkpoint of the same step.

  Args:
    metrics: numbers by name: `PLAYER/accuracy`, `generator_gradient_norm/adversarial_...`, `mask_area/fake/CLASS`,
      `mask_area/real/CLASS` are looked at; others are only checked to be finite.
    state: what the last call returned.
    step: the step the numbers are of.
    limits: what counts as a sign of failure.

  Returns:
    (state, warnings): sentences to show, each given once in a run.

  Raises:
    NonFiniteMetric: in one line: which numbers, at which step, what to do.
  """
  _check_finite(metrics, step)
  signs = _signs(metrics, limits)
  since = {name: first for name, first in state.since.items() if name in signs or name not in metrics}
  warnings, warned = [], list(state.warned)
  for name, (sentence, patience) in signs.items():
    since.setdefault(name, step)
    if name not in warned and step - since[name] >= patience:
      seen = f'since step {since[name]}' if patience else f'at step {step}'
      warnings.append(f'{sentence} {seen}')
      warned.append(name)
  return HealthState(since=since, warned=tuple(warned)), warnings


def examine_geometry(verdict: str | None, state: HealthState, *, step: int) -> tuple[HealthState, list[str]]:
  """As `examine`, for what scores say of the shape of heads.

  Args:
    verdict: `hollow`, `flat`, `fog` or `painted`; of anything else, such as `sound` or None, nothing is said.
    state: what the last call returned.
    step: the step the verdict is of.
  """
  name = f'geometry/{verdict}'
  if verdict not in _GEOMETRY or name in state.warned:
    return state, []
  return dataclasses.replace(state, warned=(*state.warned, name)), [f'{_GEOMETRY[verdict]} Seen at step {step}']


def _check_finite(metrics: Mapping[str, float], step: int) -> None:
  bad = {name: float(value) for name, value in metrics.items() if not math.isfinite(float(value))}
  if not bad:
    return
  listed = ', '.join(f'{name} is {value}' for name, value in list(bad.items())[:3])
  more = f' and {len(bad) - 3} more' if len(bad) > 3 else ''
  raise NonFiniteMetric(f'step {step}: {listed}{more}; the run stops, its last checkpoint is kept; '
                        'start a new workdir with a lower learning rate or a lower weight of that loss')


def _signs(metrics: Mapping[str, float], limits: Limits) -> dict[str, tuple[str, int]]:
  """For each metric that looks ill: what to say, and how many steps it must last."""
  signs = {}
  for name, value in metrics.items():
    group, _, last = name.rpartition('/')
    if last == 'accuracy' and group.endswith('discriminator') and value > limits.accuracy:
      signs[name] = (f'the {group.replace("_", " ")} tells real from fake in {value:.1%} of cases: it has won and the '
                     'generator learns little from it; lower its learning rate, make it smaller or raise its R1 '
                     'weight. So it is', limits.patience_steps)
    elif group == 'generator_gradient_norm' and last.startswith('adversarial') and value < limits.gradient_norm:
      signs[name] = (f'the {last} loss gives the generator a gradient of {value:.1g}: the discriminator teaches it '
                     'nothing; look whether it has won, or the loss is cut off from the generator. So it is',
                     limits.gradient_patience_steps)
    elif group == 'mask_area/fake':
      real = metrics.get(f'mask_area/real/{last}')
      floor = limits.mask_area if real is None else limits.mask_area_ratio * real
      if not 0 <= value <= 1:
        signs[name] = (f'class {last} covers {value:.3g} of the image, which no mask in [0, 1] can: '
                       'the masks need a softmax or another bound. Seen', 0)
      elif value < floor:
        signs[name] = (f'class {last} covers {value:.1g} of the image: it is gone; '
                       'train longer, or weigh the semantic discriminator or its class loss more. So it is',
                       limits.patience_steps)
  return signs
