/** What people read with `kubectl describe`: one event when a node goes out of service, one when its work has ended. */
import type { RuntimeProfile } from '../../../crds/types.gen.ts'
import type { EventRecorder, ObjectReference } from '../../../kube/events.ts'
import type { ReportNode } from '../../reports/entry.ts'

type Recorder = Pick<EventRecorder, 'record'>

/** The uid of a Node in events is its name: that is what `kubectl describe node` looks for. */
const nodeReference = (name: string): ObjectReference => ({ apiVersion: 'v1', kind: 'Node', name, uid: name })

export function cordoned(events: Recorder, node: string, { metadata }: RuntimeProfile): void {
  const note = `Cordoned, to be drained and changed by RuntimeProfile ${metadata.name}`
  events.record(nodeReference(node), 'Normal', 'RuntimeChangeStarted', note, 'Drain')
}

export function repaired(events: Recorder, node: string, { metadata }: RuntimeProfile): void {
  const note = `No longer what was proven: brought back in its turn by RuntimeProfile ${metadata.name}`
  events.record(nodeReference(node), 'Warning', 'RuntimeDrifted', note, 'Repair')
}

export function admitted(events: Recorder, node: string): void {
  const note = 'Takes pods from now on: no RuntimeProfile selects it, and its startup taint is gone'
  events.record(nodeReference(node), 'Normal', 'StartupTaintRemoved', note, 'Admit')
}

export function ended(events: Recorder, { name, result, message, after }: ReportNode, profile: RuntimeProfile): void {
  const reference = nodeReference(name)
  const of = `RuntimeProfile ${profile.metadata.name}`
  if (result === 'Unchanged') return
  if (result === 'Changed') {
    const runs = [after?.engine, after?.engineVersion].filter(Boolean).join(' ')
    events.record(reference, 'Normal', 'RuntimeChanged', `Proven and back in service for ${of}: ${runs}`, 'Commit')
    return
  }
  events.record(reference, 'Warning', `Runtime${result}`, message ?? `The change of ${of} ended as ${result}`, 'Change')
}
