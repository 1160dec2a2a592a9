import t from 'tap'
import { verdictsOf } from '../verdicts.ts'

const tap = `TAP version 14
# Subtest: test/unit/one.test.ts
    # Subtest: outer
        ok 1 - fine
        not ok 2 - should be equal
          ---
          diff: |
            -1
            +2
          ...
        # a remark
        ok 3 - CRI-O # SKIP no crio
        1..3
    not ok 1 - outer # time=3.1ms
    
    1..1
    # { total: 3, pass: 1, fail: 1, skip: 1 }
not ok 1 - test/unit/one.test.ts # time=12ms
  ---
  exitCode: 1
  ...

# Subtest: test/unit/two.test.ts
    ok 1 - well
not ok 2 - test/unit/two.test.ts # time=9ms
  ---
  signal: SIGTERM
  ...
ok 3 - test/unit/three.test.ts # time=9ms
`

t.test('verdicts of a suite', async (t) => {
  const { failed, skipped } = verdictsOf(tap)
  t.same(
    failed.map((text) => text.split('\n').map((line) => line.trim())),
    [
      ['test/unit/one.test.ts > outer > should be equal', '---', 'diff: |', '-1', '+2', '...'],
      ['test/unit/two.test.ts', '---', 'signal: SIGTERM', '...'],
    ],
    'only what failed itself, with where it is and why',
  )
  t.same(skipped, ['test/unit/one.test.ts > outer > CRI-O # SKIP no crio'])
  t.same(verdictsOf('ok 1 - a\n1..1\n'), { failed: [], skipped: [] })
})
