/** `drydock report [NAME]`: one MigrationReport, by name or the newest, as Markdown or JSON. */
import type { MigrationReport } from '../../crds/types.gen.ts'
import type { KubeClient } from '../../kube/client.ts'
import { reportMarkdown } from '../render/report-markdown.ts'
import { migrationReports } from '../resources.ts'

const newest = async (client: KubeClient): Promise<MigrationReport> => {
  const { items } = await client.list<MigrationReport>(migrationReports, {})
  const [first] = items.sort((a, b) =>
    (b.metadata.creationTimestamp ?? '').localeCompare(a.metadata.creationTimestamp ?? ''),
  )
  if (first === undefined) throw new Error('there is no MigrationReport yet: apply a RuntimeProfile first')
  return first
}

export const report = async (client: KubeClient, name: string | undefined, output: 'md' | 'json'): Promise<string> => {
  const found =
    name === undefined ? await newest(client) : await client.get<MigrationReport>(migrationReports, { name })
  if (found === undefined) throw new Error(`no MigrationReport ${name}: \`kubectl get migrationreports\` lists them`)
  return output === 'json' ? `${JSON.stringify(found, undefined, 2)}\n` : reportMarkdown(found)
}
