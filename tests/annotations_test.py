import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
SOURCES = sorted(path for package in ('cnerf_jax', 'data_pipeline') for path in (ROOT / package).rglob('*.py'))


@pytest.mark.parametrize('path', SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_shapes_are_strings(path):
  """Protects jaxtyping's shapes from tools that strip quotes: Float[Array, 'batch *points'], never a bare expression."""
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in ('Float', 'Int', 'Bool'):
      shape = node.slice.elts[1] if isinstance(node.slice, ast.Tuple) and len(node.slice.elts) == 2 else None
      assert isinstance(shape, ast.Constant) and isinstance(shape.value, str), f'{path}:{node.lineno}: {ast.unparse(node)}'
