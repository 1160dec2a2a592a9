/** Which generated files in the tree are not what the generator writes. */
import { execFile } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { promisify } from 'node:util'

const generated = [
  'crds/types.gen.ts',
  'node-agent/cri/gen/**/*.ts',
  'charts/**/*.gen.json',
  'charts/drydock/crds/*.yaml',
  'docs/api.md',
]

const contents = () =>
  new Map(generated.flatMap((pattern) => globSync(pattern)).map((file) => [file, readFileSync(file, 'utf8')]))

/** Runs the generator in place and compares: what it changed was stale. */
export const staleFiles = async (): Promise<readonly string[]> => {
  const before = contents()
  await promisify(execFile)(process.execPath, ['hack/generate.ts'])
  const after = contents()
  return [...new Set([...before.keys(), ...after.keys()])].filter((file) => before.get(file) !== after.get(file)).sort()
}
