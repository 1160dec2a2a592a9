/** What makes systemd run the programs of a folder: files like any other, so that undoing them needs nothing of its own. */
import { join } from 'node:path/posix'
import type { Engine, FileEdit, Layout, Pasts } from '../engines/engine.ts'
import { Refused, sameBytes } from '../engines/refused.ts'
import type { Host } from '../host/host.ts'

const unitFolder = '/etc/systemd/system'

const pathsOf = (unit: string) => ({
  whole: join(unitFolder, unit),
  dropIn: join(unitFolder, `${unit}.d`, '90-drydock.conf'),
})

/** A drop-in for a unit that the host has, a whole unit for one that it has not. Empty when the host has it so already. */
export async function unitFiles(
  host: Host,
  layout: Layout,
  folder: string,
  pasts: Pasts,
): Promise<readonly FileEdit[]> {
  const { unit } = layout
  const { whole, dropIn } = pathsOf(unit)
  const { loadState } = await host.unit(unit)
  if (loadState === 'masked') {
    throw new Refused(
      'UnitMasked',
      `${unit} is masked on this node: run systemctl unmask ${unit}, or keep the engine that runs`,
    )
  }
  // A whole unit that is there because Drydock wrote it is not somebody's unit to add to.
  const isOurs = pasts.has(whole) && pasts.get(whole)?.original === undefined
  const isWhole = isOurs || loadState === 'not-found'
  const path = isWhole ? whole : dropIn
  const before = await host.readFile(path)
  const after = Buffer.from(isWhole ? layout.unitText(folder) : layout.dropInText(folder))
  if (sameBytes(before, after)) return []
  const past = pasts.get(path)
  return [{ path, before, after, original: past ? past.original : before }]
}

/** What Drydock wrote to run the programs of an archive goes when those of the distribution are to run. */
export async function formerUnitFiles(
  host: Host,
  { layout }: Pick<Engine, 'layout'>,
  pasts: Pasts,
): Promise<readonly FileEdit[]> {
  const edits: FileEdit[] = []
  for (const path of layout ? Object.values(pathsOf(layout.unit)) : []) {
    const past = pasts.get(path)
    const before = await host.readFile(path)
    if (!past || sameBytes(before, past.original)) continue
    edits.push({ path, before, after: past.original, original: past.original })
  }
  return edits
}
