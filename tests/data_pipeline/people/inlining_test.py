"""Compiled functions inline the compiled functions that they call: else a process that compiles may run another copy than one that loads."""

import ast
import pathlib

import data_pipeline.people as people

PACKAGE = pathlib.Path(people.__file__).parent


def compiled_functions():
  """(module, name) of every function that numba compiles: (its tree, whether it is inlined)."""
  found = {}
  for path in PACKAGE.glob('*.py'):
    for node in ast.parse(path.read_text()).body:
      if isinstance(node, ast.FunctionDef):
        decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
        if any('njit' in decorator for decorator in decorators):
          found[path.stem, node.name] = node, any('inline' in decorator for decorator in decorators)
  return found


def test_what_compiled_functions_call_is_inlined():
  """Protects byte-for-byte repetition: normals of a process that had compiled the renderer differed in the last bit from everybody else's."""
  functions = compiled_functions()
  assert len(functions) > 20
  calls = 0
  for (module, name), (node, _) in functions.items():
    for call in ast.walk(node):
      if not isinstance(call, ast.Call):
        continue
      target = None
      if isinstance(call.func, ast.Name):
        target = (module, call.func.id)
      elif isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
        target = (call.func.value.id, call.func.attr)
      if target in functions:
        calls += 1
        assert functions[target][1], f"{module}.{name} calls {target[0]}.{target[1]}: give it inline='always'"
  assert calls > 10
