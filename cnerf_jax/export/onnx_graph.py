"""A JAX function as an ONNX graph: its jaxpr, one primitive after another.

Primitives whose operands are all known are evaluated, so that a graph holds only what depends on its inputs; the rest becomes operators of
the standard set. Broadcasts are kept in mind and not carried out where an operator broadcasts by itself. Only primitives that a generator's
mapping, field and rendering use, and small convolutional networks, are known; any other is named in the error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import onnx
from onnx import helper
from onnx import numpy_helper

OPSET = 18
IR_VERSION = 8  # of opset 18: readable by every runtime of the last years
# primitives that are one operator, which broadcasts its operands
_ELEMENTWISE = {
    'add': 'Add', 'add_any': 'Add', 'sub': 'Sub', 'mul': 'Mul', 'div': 'Div', 'max': 'Max', 'min': 'Min', 'neg': 'Neg', 'exp': 'Exp',
    'log': 'Log', 'sin': 'Sin', 'cos': 'Cos', 'tan': 'Tan', 'sqrt': 'Sqrt', 'abs': 'Abs', 'sign': 'Sign', 'tanh': 'Tanh', 'pow': 'Pow',
    'gt': 'Greater', 'lt': 'Less', 'ge': 'GreaterOrEqual', 'le': 'LessOrEqual', 'eq': 'Equal', 'and': 'And',
    'or': 'Or', 'not': 'Not', 'floor': 'Floor', 'stop_gradient': 'Identity', 'copy': 'Identity', 'copy_p': 'Identity',
}
_REDUCTIONS = {'reduce_sum': 'ReduceSum', 'reduce_max': 'ReduceMax', 'reduce_min': 'ReduceMin'}
# primitives that call a jaxpr, and the parameter that holds it
_CALLS = {
    'jit': 'jaxpr', 'pjit': 'jaxpr', 'closed_call': 'call_jaxpr', 'remat2': 'jaxpr', 'checkpoint': 'jaxpr', 'remat': 'jaxpr',
    'custom_jvp_call': 'call_jaxpr', 'custom_vjp_call': 'call_jaxpr'}
_SINE = 'sine'  # name of `cnerf_jax.models.sine.sine` in a jaxpr
# How the networks' sines become operators: one; one after its argument was brought to [-pi, pi], for GPUs, which promise accurate sines only
# there; or a polynomial, for WebAssembly, where a sine is a call a number and products are done four at a time.
SINES = ('operator', 'reduced', 'polynomial')
# sin(2 pi u) = u (c0 + c1 u^2 + ...) for |u| <= 1/4, the least largest error of four terms: 6e-7, less than float32 arguments of tens of
# radians bring along. Highest power first.
_QUARTER_TURN = (-70.99342411, 81.34076802, -41.33714235, 6.28316404)


@dataclasses.dataclass(frozen=True)
class Value:
  """A tensor of the graph, or an array that is known.

  Attributes:
    shape: what the tensor has; 1 where a broadcast of the jaxpr has not been carried out.
    name: of the tensor; None if the value is known.
    array: the value where it is known.
  """

  shape: tuple[int, ...]
  name: str | None = None
  array: np.ndarray | None = None


def known(array) -> Value:
  """A value that is known."""
  array = np.asarray(array)
  return Value(array.shape, array=array)


def convert(
    function: Callable[..., Mapping[str, jax.Array]], inputs: Mapping[str, jax.ShapeDtypeStruct], *, sines: str = 'operator',
) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
  """The graph of a function, and what of its results does not depend on the inputs.

  Args:
    function: of arrays, one a name of `inputs` in their order; returns a mapping of names to arrays.
    inputs: shapes and types, by the names that the graph gives them.
    sines: of the networks, one of `SINES`.

  Returns:
    (the model, {name: array} of those results that are known without an input; the model does not return them).

  Raises:
    NotImplementedError: if the function uses a primitive that is not known here.
    ValueError: if a name is both an input and a result, or there are no such sines.
  """
  if sines not in SINES:
    raise ValueError(f'sines {sines!r} are not known; use one of {", ".join(SINES)}')
  names = []

  def results(*arrays):
    found = function(*arrays)
    names[:] = found
    return list(found.values())

  jaxpr = jax.make_jaxpr(results)(*inputs.values())
  both = sorted(inputs.keys() & set(names))
  if both:
    raise ValueError(f'{both} name inputs and results; give the results other names')
  graph = _Graph(sines)
  values = graph.call(jaxpr, [Value(x.shape, name=name) for name, x in inputs.items()])
  constants, outputs = {}, []
  for name, value, variable in zip(names, values, jaxpr.out_avals):
    if value.array is not None:
      constants[name] = np.broadcast_to(value.array, variable.shape).astype(variable.dtype)
    else:
      graph.add('Identity', [graph.whole(value, variable.shape)], variable.shape, name=name)
      outputs.append(_value_info(name, variable))
  made = helper.make_graph(
      graph.nodes, 'cnerf_jax', [_value_info(name, x) for name, x in inputs.items()], outputs, graph.initializers)
  model = helper.make_model(made, opset_imports=[helper.make_opsetid('', OPSET)], ir_version=IR_VERSION, producer_name='cnerf_jax')
  onnx.checker.check_model(model, full_check=True)
  return model, constants


def _value_info(name: str, x) -> onnx.ValueInfoProto:
  return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(x.dtype)), x.shape)


class _Graph:
  """Nodes of a graph in the making; `call` adds those of a jaxpr."""

  def __init__(self, sines: str, outer: _Graph | None = None):
    self.nodes = []
    self.initializers = [] if outer is None else outer.initializers
    self._known_names = {} if outer is None else outer._known_names
    self._outer = outer
    self._count = 0
    self._sines = sines

  def _new_name(self) -> str:
    if self._outer is not None:  # a body sees the names around it, so that they must differ
      return self._outer._new_name()
    self._count += 1
    return f'x{self._count}'

  def name_of(self, value: Value) -> str:
    """Name of the tensor; what is known becomes an initializer, once."""
    if value.array is None:
      return value.name
    key = value.array.dtype.str, value.array.shape, value.array.tobytes()
    if key not in self._known_names:
      self._known_names[key] = self._new_name()
      self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value.array).reshape(value.shape), self._known_names[key]))
    return self._known_names[key]

  def add(self, operator: str, inputs: Sequence[Value], shape: Sequence[int], name: str | None = None, **attributes) -> Value:
    """Adds an operator; its result has the shape."""
    name = name or self._new_name()
    self.nodes.append(helper.make_node(operator, [self.name_of(value) for value in inputs], [name], **attributes))
    return Value(tuple(map(int, shape)), name=name)

  def reshape(self, value: Value, shape: Sequence[int]) -> Value:
    shape = tuple(map(int, shape))
    if value.shape == shape:
      return value
    if value.array is not None:
      return known(value.array.reshape(shape))
    return self.add('Reshape', [value, known(np.array(shape, np.int64))], shape)

  def transpose(self, value: Value, order: Sequence[int]) -> Value:
    order = tuple(map(int, order))
    shape = tuple(value.shape[i] for i in order)
    if value.array is not None:
      return known(value.array.transpose(order))
    if sorted(order) == list(order):
      return value
    long = [i for i in order if value.shape[i] > 1]
    if sorted(long) == long:  # moves axes of length 1 alone
      return self.reshape(value, shape)
    return self.add('Transpose', [value], shape, perm=order)

  def whole(self, value: Value, shape: Sequence[int]) -> Value:
    """The value with its broadcast carried out."""
    shape = tuple(shape)
    if value.shape == shape:
      return value
    if value.array is not None:
      return known(np.broadcast_to(value.array, shape))
    return self.add('Expand', [value, known(np.array(shape, np.int64))], shape)

  def call(self, jaxpr, arguments: Sequence[Value]) -> list[Value]:
    """Adds a jaxpr, closed or open without constants; its results."""
    constants = getattr(jaxpr, 'consts', ())
    jaxpr = getattr(jaxpr, 'jaxpr', jaxpr)
    values = dict(zip(jaxpr.constvars, map(known, constants))) | dict(zip(jaxpr.invars, arguments))
    read = lambda x: known(np.asarray(x.val, x.aval.dtype)) if hasattr(x, 'val') else values[x]
    for equation in jaxpr.eqns:
      operands = [read(x) for x in equation.invars]
      values.update(zip(equation.outvars, self._equation(equation, operands)))
    return [read(x) for x in jaxpr.outvars]

  def _equation(self, equation, operands: list[Value]) -> list[Value]:
    name = equation.primitive.name
    if name in _CALLS:
      inner = equation.params[_CALLS[name]]
      is_sine = name == 'custom_jvp_call' and inner.jaxpr.debug_info.func_name == _SINE
      if is_sine and operands[0].array is None:
        return [self._sine(operands[0])]
      return self.call(inner, operands)
    if name == 'broadcast_in_dim':
      return [self._broadcast(equation, operands[0])]
    if all(value.array is not None for value in operands):
      arrays = [jnp.asarray(np.broadcast_to(value.array, x.aval.shape)) for value, x in zip(operands, equation.invars)]
      results = equation.primitive.bind(*arrays, **equation.params)
      return [known(x) for x in (results if equation.primitive.multiple_results else [results])]
    if name in _ELEMENTWISE:
      return [self.add(_ELEMENTWISE[name], operands, np.broadcast_shapes(*(value.shape for value in operands)))]
    if not hasattr(self, f'_{name}'):
      raise NotImplementedError(f'no ONNX operator is known for the primitive {name}; add it to {__name__}')
    if name not in ('select_n', 'transpose', 'integer_pow', 'convert_element_type', 'expm1', 'logistic', 'round', 'square',
                    'rsqrt', 'log1p', 'ne'):
      operands = [self.whole(value, x.aval.shape) for value, x in zip(operands, equation.invars)]
    results = getattr(self, f'_{name}')(equation, *operands)
    return results if isinstance(results, list) else [results]

  def _sine(self, x: Value) -> Value:
    add = lambda operator, *operands: self.add(
        operator, [known(np.float32(y)) if isinstance(y, float) else y for y in operands], x.shape)
    if self._sines == 'operator':
      return add('Sin', x)
    turns = add('Mul', x, 1 / (2 * np.pi))
    if self._sines == 'reduced':
      turns = add('Round', turns)
      for part in (6.28125, 2 * np.pi - 6.28125):  # the first has trailing zero bits: products with few turns are exact
        x = add('Sub', x, add('Mul', turns, part))
      return add('Sin', x)
    # sin(2 pi t) = cos(2 pi (t - 1/4)), which is even and of period 1: cos(2 pi t) = sin(2 pi (1/4 - |t|)) for |t| <= 1/2
    turns = add('Sub', turns, 0.25)
    u = add('Sub', 0.25, add('Abs', add('Sub', turns, add('Round', turns))))
    square = add('Mul', u, u)
    highest, *others = _QUARTER_TURN
    result = add('Mul', square, highest)
    for coefficient in others[:-1]:
      result = add('Mul', add('Add', result, coefficient), square)
    return add('Mul', add('Add', result, others[-1]), u)

  def _broadcast(self, equation, x: Value) -> Value:
    shape = [1] * len(equation.params['shape'])
    for axis, length in zip(equation.params['broadcast_dimensions'], x.shape):
      shape[axis] = length
    return self.reshape(x, shape)

  def _reshape(self, equation, x):
    return self.reshape(x, equation.outvars[0].aval.shape)

  _squeeze = _expand_dims = _reshape

  def _transpose(self, equation, x):
    return self.transpose(x, equation.params['permutation'])

  def _convert_element_type(self, equation, x):
    return self.add('Cast', [x], x.shape, to=helper.np_dtype_to_tensor_dtype(np.dtype(equation.params['new_dtype'])))

  def _select_n(self, equation, which, *cases):
    if len(cases) != 2:
      raise NotImplementedError(f'select_n of {len(cases)} cases; only two are known')
    return self.add('Where', [which, cases[1], cases[0]], np.broadcast_shapes(which.shape, *(case.shape for case in cases)))

  def _integer_pow(self, equation, x):
    if equation.params['y'] == 2:
      return self.add('Mul', [x, x], x.shape)
    return self.add('Pow', [x, known(np.float32(equation.params['y']))], x.shape)

  def _square(self, equation, x):
    return self.add('Mul', [x, x], x.shape)

  def _expm1(self, equation, x):
    return self.add('Sub', [self.add('Exp', [x], x.shape), known(np.float32(1))], x.shape)

  def _log1p(self, equation, x):
    return self.add('Log', [self.add('Add', [x, known(np.float32(1))], x.shape)], x.shape)

  def _rsqrt(self, equation, x):
    return self.add('Div', [known(np.float32(1)), self.add('Sqrt', [x], x.shape)], x.shape)

  def _ne(self, equation, left, right):
    shape = np.broadcast_shapes(left.shape, right.shape)
    return self.add('Not', [self.add('Equal', [left, right], shape)], shape)

  def _logistic(self, equation, x):
    # not Sigmoid: runtimes round its small values to 0, which would let a ray pass through the endless last interval
    exp = self.add('Exp', [self.add('Neg', [x], x.shape)], x.shape)
    one = known(np.float32(1))
    return self.add('Div', [one, self.add('Add', [one, exp], x.shape)], x.shape)

  def _round(self, equation, x):
    if equation.params['rounding_method'] != jax.lax.RoundingMethod.TO_NEAREST_EVEN:
      raise NotImplementedError('ONNX rounds halves to even alone')
    return self.add('Round', [x], x.shape)

  def _concatenate(self, equation, *parts):
    return self.add('Concat', parts, equation.outvars[0].aval.shape, axis=equation.params['dimension'])

  def _stack(self, equation, *parts):
    axis = equation.params['axis']
    single = [self.reshape(x, x.shape[:axis] + (1,) + x.shape[axis:]) for x in parts]
    return self.add('Concat', single, equation.outvars[0].aval.shape, axis=axis)

  def _slice(self, equation, x):
    starts, ends = equation.params['start_indices'], equation.params['limit_indices']
    steps = equation.params['strides'] or (1,) * len(starts)
    axes = [i for i, length in enumerate(x.shape) if (starts[i], ends[i], steps[i]) != (0, length, 1)]
    if not axes:
      return x
    bounds = [known(np.array([part[i] for i in axes], np.int64)) for part in (starts, ends, range(len(starts)), steps)]
    return self.add('Slice', [x, *bounds], equation.outvars[0].aval.shape)

  def _rev(self, equation, x):
    for axis in equation.params['dimensions']:
      x = self.add('Gather', [x, known(np.arange(x.shape[axis])[::-1].astype(np.int64))], x.shape, axis=axis)
    return x

  def _gather(self, equation, x, indices):
    """`x[..., indices, ...]`: whole slices along one axis."""
    numbers, sizes = equation.params['dimension_numbers'], equation.params['slice_sizes']
    axes = tuple(i for i, (size, length) in enumerate(zip(sizes, x.shape)) if size != length)
    axis = numbers.start_index_map[0]
    chosen = indices.shape[:-1]
    is_plain = (
        len(numbers.start_index_map) == 1 and numbers.collapsed_slice_dims == (axis,) and axes in ((axis,), ()) and sizes[axis] == 1
        and not numbers.operand_batching_dims
        and numbers.offset_dims == tuple(i for i in range(len(x.shape) - 1 + len(chosen)) if not axis <= i < axis + len(chosen)))
    if not is_plain:
      raise NotImplementedError('a gather of something else than whole slices along one axis')
    whole = self.reshape(indices, chosen)
    return self.add('Gather', [x, whole], equation.outvars[0].aval.shape, axis=axis)

  def _argmax(self, equation, x):
    (axis,), shape = equation.params['axes'], equation.outvars[0].aval.shape
    found = self.add('ArgMax', [x], shape, axis=axis, keepdims=0)
    return self.add('Cast', [found], shape, to=helper.np_dtype_to_tensor_dtype(np.dtype(equation.params['index_dtype'])))

  def _conv_general_dilated(self, equation, x, kernel):
    params = equation.params
    numbers = params['dimension_numbers']
    if set(params['lhs_dilation']) != {1} or params['batch_group_count'] != 1:
      raise NotImplementedError('a convolution that dilates its input or groups its batch')
    x, kernel = self.transpose(x, numbers.lhs_spec), self.transpose(kernel, numbers.rhs_spec)
    shape = equation.outvars[0].aval.shape
    low, high = zip(*params['padding'])
    found = self.add(
        'Conv', [x, kernel], [shape[i] for i in numbers.out_spec], strides=params['window_strides'], pads=[*low, *high],
        dilations=params['rhs_dilation'], group=params['feature_group_count'])
    return self.transpose(found, np.argsort(numbers.out_spec))

  def _reduce_window_sum(self, equation, x):
    window, strides = equation.params['window_dimensions'], equation.params['window_strides']
    divides = all(length % size == 0 for length, size in zip(x.shape, window))
    if window != strides or not divides or any(map(any, equation.params['padding'])):
      raise NotImplementedError('a sum over windows that overlap or are padded')
    blocks = self.reshape(x, sum(((length // size, size) for length, size in zip(x.shape, window)), ()))
    axes = [2 * i + 1 for i, size in enumerate(window)]
    return self.add('ReduceSum', [blocks, known(np.array(axes, np.int64))], equation.outvars[0].aval.shape, keepdims=0)

  def _cumsum(self, equation, x):
    return self.add('CumSum', [x, known(np.int64(equation.params['axis']))], x.shape, reverse=int(equation.params['reverse']))

  def _reduce(self, equation, x):
    axes = known(np.array(equation.params['axes'], np.int64))
    return self.add(_REDUCTIONS[equation.primitive.name], [x, axes], equation.outvars[0].aval.shape, keepdims=0)

  _reduce_sum = _reduce_max = _reduce_min = _reduce

  def _dot_general(self, equation, left, right):
    """[batch, left's free axes, contracted] times [batch, contracted, right's free axes], each group of axes as one."""
    (left_contracted, right_contracted), (left_batch, right_batch) = equation.params['dimension_numbers']
    free = lambda value, *used: [i for i in range(len(value.shape)) if i not in sum(map(list, used), [])]
    left_free, right_free = free(left, left_contracted, left_batch), free(right, right_contracted, right_batch)
    size = lambda value, axes: math.prod(value.shape[i] for i in axes)
    batch, contracted = size(left, left_batch), size(left, left_contracted)
    lefts = self.reshape(
        self.transpose(left, [*left_batch, *left_free, *left_contracted]), (batch, size(left, left_free), contracted))
    rights = self.reshape(
        self.transpose(right, [*right_batch, *right_contracted, *right_free]), (batch, contracted, size(right, right_free)))
    product = self.add('MatMul', [lefts, rights], (batch, size(left, left_free), size(right, right_free)))
    return self.reshape(product, equation.outvars[0].aval.shape)

  def _scan(self, equation, *operands):
    """A map over chunks: ONNX's Scan, whose body sees what is outside; a scan that carries something is not needed here."""
    params = equation.params
    if params['num_carry']:
      raise NotImplementedError('a scan that carries values; only maps are known')
    body = _Graph(self._sines, outer=self)
    inner = params['jaxpr'].jaxpr
    chunked = operands[params['num_consts']:]
    parts = [Value(x.shape[1:], name=self._new_name()) for x in chunked]
    results = body.call(params['jaxpr'], [*operands[:params['num_consts']], *parts])
    avals = [x.aval for x in inner.outvars]
    ends = [body.add('Identity', [body.whole(value, aval.shape)], aval.shape) for value, aval in zip(results, avals)]
    part_avals = [x.aval for x in inner.invars[params['num_consts']:]]
    made = helper.make_graph(
        body.nodes, 'chunk', [_value_info(part.name, aval) for part, aval in zip(parts, part_avals)],
        [_value_info(end.name, aval) for end, aval in zip(ends, avals)])
    outputs = [Value((params['length'], *aval.shape), name=self._new_name()) for aval in avals]
    direction = int(params['reverse'])
    self.nodes.append(helper.make_node(
        'Scan', [self.name_of(x) for x in chunked], [x.name for x in outputs], body=made, num_scan_inputs=len(parts),
        scan_input_directions=[direction] * len(parts), scan_output_directions=[direction] * len(outputs)))
    return outputs
