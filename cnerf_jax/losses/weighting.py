"""A player's loss: the sum of its unweighted terms by their weights."""

from collections.abc import Mapping

from jaxtyping import Array, Float


def weighted(terms: Mapping[str, Float[Array, '']], weights: Mapping[str, float]) -> Float[Array, '']:
  """sum_name weights[name] terms[name]; weights of terms that are not there count for nothing."""
  return sum(weights[name] * value for name, value in terms.items())
