"""Whether the extra that drawing people needs is installed; reading their records needs nothing of it."""

import importlib.util


def check(user: str) -> None:
  """ValueError in one line if it is not; `user` is who needs it, as the line says."""
  if any(importlib.util.find_spec(name) is None for name in ('numba', 'PIL', 'tqdm')):
    raise ValueError(f"{user} needs the extra `people`: pip install -r requirements.txt -e '.[people]'")
