/** `npm run generate`: writes every generated file of the repository; the check that they are fresh runs it and compares. */
import { mkdir, writeFile } from 'node:fs/promises'
import { generateCharts } from '../charts/cdk8s/generate.ts'
import { generateDocument } from '../crds/document.ts'
import { generateCrds, generateTypes } from '../crds/generate.ts'
import { generateCri } from '../node-agent/cri/generate.ts'

await writeFile('crds/types.gen.ts', await generateTypes())
await mkdir('charts/drydock/crds', { recursive: true })
for (const { name, text } of generateCrds()) await writeFile(`charts/drydock/crds/${name}`, text)
await writeFile('node-agent/cri/gen/runtime.ts', await generateCri())
for (const [path, text] of Object.entries(generateCharts())) await writeFile(path, text)
await writeFile('docs/api.md', generateDocument())
