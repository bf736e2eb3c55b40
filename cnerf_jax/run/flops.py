"""FLOPs of matrix products and convolutions, counted from the shapes in a traced function.

A product of [m, k] and [k, n] counts 2 m k n; a convolution 2 x outputs x kernel size x inputs per group. Loops count as often as they
run (XLA's own count takes a loop's body once), both branches of a conditional as the dearer one. Everything else (sines, sums) is
left out, as is usual for the FLOPs of a model.
"""

from __future__ import annotations

from collections.abc import Callable
import math

import jax
from jax.extend import core as jax_core

from cnerf_jax.models import convolution


def count(function: Callable, *arguments) -> int:
  """FLOPs of one call with arguments of these shapes; nothing is computed.

  To count a model's FLOPs rather than those of its rematerialisation, trace it with `num_chunks` 1. Convolutions count as they are
  defined, also where a backend takes fewer products for them.
  """
  with convolution.as_defined():
    return _of_jaxpr(jax.make_jaxpr(function)(*arguments).jaxpr)


def _of_jaxpr(jaxpr) -> int:
  return sum(_of_equation(equation) for equation in jaxpr.eqns)


def _of_equation(equation) -> int:
  name = equation.primitive.name
  if name == 'dot_general':
    return _of_product(equation)
  if name == 'conv_general_dilated':
    return _of_convolution(equation)
  inner = [_of_jaxpr(jaxpr) for jaxpr in _jaxprs_in(equation.params)]
  if name == 'cond':
    return max(inner, default=0)
  if name == 'while' and any(inner):
    raise ValueError('a while loop with matrix products in it runs an unknown number of times; use scan or map')
  return sum(inner) * (equation.params['length'] if name == 'scan' else 1)


def _of_product(equation) -> int:
  (contracted, _), _ = equation.params['dimension_numbers']
  left = equation.invars[0].aval.shape
  return 2 * math.prod(equation.outvars[0].aval.shape) * math.prod(left[axis] for axis in contracted)


def _of_convolution(equation) -> int:
  """Products with the zeros of a dilated input (the gradient of a strided convolution) are not counted."""
  kernel = equation.invars[1].aval.shape
  outputs_axis = equation.params['dimension_numbers'].rhs_spec[0]
  per_output = math.prod(kernel) // kernel[outputs_axis]
  dilated = math.prod(equation.params['lhs_dilation'])
  return 2 * math.prod(equation.outvars[0].aval.shape) * per_output // dilated


def _jaxprs_in(params):
  """Every jaxpr among the parameters of an equation, however it is wrapped."""
  for value in params.values():
    for item in value if isinstance(value, (tuple, list)) else (value,):
      if isinstance(item, jax_core.ClosedJaxpr):
        yield item.jaxpr
      elif isinstance(item, jax_core.Jaxpr):
        yield item
