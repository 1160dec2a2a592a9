/** `npm run generate`: writes every generated file of the repository; the check that they are fresh runs it and compares. */
import { writeFile } from 'node:fs/promises'
import { generateTypes } from '../crds/generate.ts'

await writeFile('crds/types.gen.ts', await generateTypes())
