from benchmarks import collectives

PROGRAM = '''
HloModule jit_step, entry_computation_layout={(f32[8]{0})->f32[8]{0}}

%add (a: f32[], b: f32[]) -> f32[] {
  ROOT %sum = f32[] add(%a, %b)
}

%body (state: (s32[], f32[4,2])) -> (s32[], f32[4,2]) {
  %all-reduce.2 = f32[4,2]{1,0} all-reduce(%x), replica_groups={}, to_apply=%add
  ROOT %tuple = (s32[], f32[4,2]{1,0}) tuple(%i, %all-reduce.2)
}

ENTRY %main (p: f32[8]) -> f32[8] {
  %all-reduce.1 = (f32[8]{0}, bf16[3,3]{1,0}) all-reduce(%p, %q), to_apply=%add
  %loop = (s32[], f32[4,2]{1,0}) while(%init), condition=%cond, body=%body, backend_config={"known_trip_count":{"n":"5"}}
  %swap = pred[16]{0} collective-permute(%r), source_target_pairs={{0,1}}
  ROOT %out = f32[8]{0} add(%p, %p)
}
'''


def test_payloads_are_counted_loops_and_all():
  """Protects what is said of traffic: every operand of a tuple, each turn of a loop, sizes by type."""
  totals = collectives.count_traffic(PROGRAM)
  assert totals == {
      'all-reduce': collectives.Total(count=1 + 5, payload_bytes=(8 * 4 + 9 * 2) + 5 * 8 * 4),
      'collective-permute': collectives.Total(count=1, payload_bytes=16)}
