"""What `python -m cnerf_jax.draw export` writes: a model's files for other programs, and what is known of it for their card."""

from __future__ import annotations

from collections.abc import Mapping
import hashlib
import json
import pathlib

from cnerf_jax import pretrained
from cnerf_jax.export import folder
from cnerf_jax.export import model_card

_SCORES_FILE = 'scores.json'  # of a run


def contents(model: pretrained.Model, settings: Mapping[str, object], where: pathlib.Path) -> tuple[bytes, str, dict[str, bytes]]:
  """(the card, SHA-256 of all files, the other files by name).

  Args:
    model: to export.
    settings: of the verb.
    where: the model came from, for its config and scores.

  Raises:
    ValueError: as `folder.contents`.
  """
  known = facts(where, model)
  files = folder.contents(
      model, settings['formats'], image_size=settings['size'], num_samples=settings['samples'], licence=settings['licence'], **known)
  digest = hashlib.sha256()
  for name in sorted(files):
    digest.update(f'{name} {hashlib.sha256(files[name]).hexdigest()}\n'.encode())
  return files.pop(model_card.NAME), digest.hexdigest(), files


def facts(where: pathlib.Path, model: pretrained.Model) -> dict[str, object]:
  """`config` and `scores` of a model, where they are known: of a run by its folder; of a file by the JSON of its name beside it, if that
  is of these very parameters."""
  if where.is_dir():
    return dict(config=_config_of_run(where), scores=_scores_of_run(where, model))
  try:
    beside = json.loads(where.with_suffix('.json').read_text())
    if beside['parameters_sha256'] == model_card.parameters_sha256(model):
      return dict(config=beside['config'], scores=beside['scores'])
  except (OSError, ValueError, KeyError, TypeError):
    pass  # no such file, or one that is something else: then nothing is known
  return dict(config=None, scores=None)


def _config_of_run(where: pathlib.Path) -> dict:
  from cnerf_jax.persistence import workdir  # needs ml_collections, as a run does
  return json.loads(json.dumps(workdir.load_config(where).to_dict()))


def _scores_of_run(where: pathlib.Path, model: pretrained.Model) -> dict | None:
  """Those of the step that is exported."""
  try:
    latest = json.loads((where / _SCORES_FILE).read_text())['latest']
  except (OSError, ValueError, KeyError):
    return None
  step = (model.provenance or {}).get('step')
  return latest if isinstance(latest, dict) and latest.get('step') == step else None
