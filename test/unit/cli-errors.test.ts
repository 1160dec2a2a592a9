import t from 'tap'
import { explain } from '../../cli/failure.ts'
import { diffLines, paintDiff } from '../../cli/render/diff.ts'
import { coloured, type Paint, plain, printable } from '../../cli/render/paint.ts'
import { table, wrap } from '../../cli/render/table.ts'
import { ConnectionError, KubeError } from '../../kube/errors.ts'

const refusal = (status: number, message: string) =>
  new KubeError('GET /x', { status, body: { kind: 'Status', message } })

t.test('every failure becomes a sentence that says what to do', async (t) => {
  const cases: readonly [error: unknown, says: RegExp][] = [
    [refusal(401, 'Unauthorized'), /does not accept the credentials .* log in again/],
    [refusal(403, 'nodes is forbidden: User "x" cannot list'), /^nodes is forbidden.*: ask for a role/],
    [refusal(500, 'etcd is away'), /etcd is away/],
    [new ConnectionError('connection to localhost:8080 failed'), /no kubeconfig: name one with --kubeconfig/],
    [new ConnectionError('connection to 10.0.0.1:6443 failed'), /10\.0\.0\.1:6443.*check that the cluster is up/],
    [Object.assign(new Error('ENOENT'), { code: 'ENOENT', path: '/k' }), /^there is no \/k: name a file/],
    [new Error('a sentence'), /^a sentence$/],
    ['thrown text', /^thrown text$/],
  ]
  for (const [error, says] of cases) t.match(explain(error), says)
})

t.test('text of the cluster cannot move the cursor of its reader', async (t) => {
  t.equal(printable('a\u001b[2Jb\u0007\u009bc\r\nd\te'), 'a [2Jb  c \nd\te')
  t.equal(table(['A'], [['\u001b[31mred\nnext']]), 'A\n [31mred next')
})

t.test('colours take no room and come only where they are asked for', async (t) => {
  const mark: Paint = (style, text) => `<${style}>${text}</>`
  const rows = [[{ text: 'ok', style: 'green' } as const, 'x']]
  t.equal(table(['STATE', 'B'], rows), 'STATE  B\nok     x')
  t.equal(table(['STATE', 'B'], rows, mark), '<bold>STATE</>  <bold>B</>\n<green>ok</>     x')
  t.equal(plain('red', 'x'), 'x')
  t.equal(coloured('red', 'x'), '\u001b[31mx\u001b[39m')
})

t.test('a diff knows its headers from removed lines that look like them', async (t) => {
  const diff = '--- a\n+++ b\n@@ -1,2 +1,1 @@\n--- a comment\n-x\n+y\n same'
  t.strictSame(
    diffLines(diff).map(({ kind }) => kind),
    ['header', 'header', 'hunk', 'removed', 'removed', 'added', 'same'],
  )
  t.equal(paintDiff(diff, plain), diff)
})

t.test('lines break at blanks, and a word that is too long stays whole', async (t) => {
  t.strictSame(wrap('one two three', 7), ['one two', 'three'])
  t.strictSame(wrap('a incomprehensible b', 5), ['a', 'incomprehensible', 'b'])
})
