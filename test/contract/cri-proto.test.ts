/** Our own writing of CRI v1 against the Go module that engines and kubelets are built from: the wire must be the same. */
import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

const moduleVersion = 'k8s.io/cri-api@v0.36.3'
const root = join(import.meta.dirname, '../..')
const ours = join(root, 'node-agent/cri/proto')
const run = promisify(execFile)

/** What of a descriptor set is on the wire. https://protobuf.dev/reference/protobuf/google.protobuf/#descriptor */
interface Field {
  name: string
  number: number
  label: string
  type: string
  typeName?: string
}
interface Message {
  name: string
  field?: Field[]
  nestedType?: Message[]
}
interface File {
  package: string
  messageType: Message[]
  enumType: { name: string; value: { name: string; number?: number }[] }[]
  service: { name: string; method: { name: string; inputType: string; outputType: string }[] }[]
}

async function descriptorsOf(folder: string): Promise<File> {
  const buf = join(root, 'node_modules/.bin/buf')
  const { stdout } = await run(
    process.execPath,
    [buf, 'build', folder, '--as-file-descriptor-set', '-o', '-#format=json'],
    {
      maxBuffer: 64 * 1024 * 1024,
    },
  )
  const { file } = JSON.parse(stdout) as { file: File[] }
  const [first] = file
  if (!first) throw new Error(`no .proto below ${folder}`)
  return first
}

/** One line a fact, so that a difference reads as what it is. */
function wireOf(file: File): Map<string, string> {
  const facts = new Map<string, string>()
  const message = (prefix: string, { name, field = [], nestedType = [] }: Message): void => {
    const path = `${prefix}.${name}`
    for (const { name, number, label, type, typeName = '' } of field) {
      facts.set(`field ${path}.${name}`, `${number} ${label} ${type} ${typeName}`)
    }
    for (const nested of nestedType) message(path, nested)
  }
  for (const each of file.messageType) message(file.package, each)
  for (const { name, value } of file.enumType) {
    for (const each of value) facts.set(`value ${file.package}.${name}.${each.name}`, `${each.number ?? 0}`)
  }
  for (const { name, method } of file.service) {
    for (const each of method) {
      facts.set(`rpc ${file.package}.${name}.${each.name}`, `${each.inputType} ${each.outputType}`)
    }
  }
  return facts
}

async function goModule(): Promise<string | Error> {
  try {
    const { stdout } = await run('go', ['mod', 'download', '-json', moduleVersion], { cwd: tmpdir(), timeout: 60_000 })
    return (JSON.parse(stdout) as { Dir: string }).Dir
  } catch (error) {
    return error as Error
  }
}

t.test(`our CRI is that of ${moduleVersion}`, async (t) => {
  const module = await goModule()
  if (module instanceof Error) {
    t.plan(0, `${moduleVersion} is not to be had: ${module.message.split('\n')[0]}`)
    return
  }
  // Alone in a folder: buf would read all of the module.
  const folder = await mkdtemp(join(tmpdir(), 'drydock-cri-api-'))
  t.teardown(() => rm(folder, { recursive: true }))
  await copyFile(join(module, 'pkg/apis/runtime/v1/api.proto'), join(folder, 'api.proto'))
  const [written, theirs] = await Promise.all([descriptorsOf(ours), descriptorsOf(folder)])
  const wire = wireOf(written)
  const reference = wireOf(theirs)
  t.ok(wire.size > 100, `${wire.size} facts`)
  for (const [fact, value] of wire) t.equal(value, reference.get(fact), fact)
})
