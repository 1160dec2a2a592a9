/** Writes the messages and service definitions of `proto/` as TypeScript. `npm run generate` calls it. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const options = [
  // Plain descriptions of the calls, from which client.ts makes them: no gRPC library behind.
  'outputServices=generic-definitions',
  'forceLong=bigint',
  'esModuleInterop=true',
  'importSuffix=.ts',
  'useOptionals=messages',
  // A TypeScript enum is code, which type stripping refuses.
  'enumsAsLiterals=true',
  'unrecognizedEnum=false',
  'outputJsonMethods=false',
  'outputPartialMethods=false',
  // Else the file changes with the version of the compiler.
  'annotateFilesWithVersion=false',
]

/** The text of `gen/runtime.ts`. Needs `buf` and `protoc-gen-ts_proto` of node_modules, and no network. */
export async function generateCri(): Promise<string> {
  const root = join(import.meta.dirname, '../..')
  const bin = join(root, 'node_modules/.bin')
  const folder = await mkdtemp(join(tmpdir(), 'drydock-cri-'))
  try {
    const template = join(folder, 'buf.gen.json')
    const plugin = { local: join(bin, 'protoc-gen-ts_proto'), out: folder, opt: options }
    await writeFile(template, JSON.stringify({ version: 'v2', plugins: [plugin] }))
    await promisify(execFile)(
      process.execPath,
      [join(bin, 'buf'), 'generate', join(import.meta.dirname, 'proto'), '--template', template],
      // The plugin is a program of Node, too: it must find the pinned one first.
      { env: { ...process.env, PATH: `${bin}:${process.env['PATH']}`, BUF_CACHE_DIR: folder } },
    )
    return await readFile(join(folder, 'runtime.ts'), 'utf8')
  } finally {
    await rm(folder, { recursive: true })
  }
}
