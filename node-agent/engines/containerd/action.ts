/** Pure: how much has to stop for an edit of the configuration to work. containerd reads it only when it starts. */
import { type Action, type FileEdit, type FileFound, type Found, isRefusal } from '../engine.ts'
import { orRefusal } from '../refused.ts'
import { same, type Tree } from '../toml/tree.ts'
import { documentsOf } from './documents.ts'
import { majorOf } from './paths.ts'
import { effectiveView, handlersOf, sameHandler } from './view.ts'

/**
 * Pods keep the handler that they were started with, so a handler that is new, and a pause image, disturb none of them.
 * A handler that changes or goes, another default and another cgroup driver leave pods behind that nothing fits any more.
 */
export function actionFor(found: Found, edits: readonly FileEdit[]): Action {
  const edit = edits.find(({ path }) => path === found.configFiles[0].path)
  if (!edit) return 'None'
  const version = found.observed.engine?.version
  const views = orRefusal(() => [
    viewIn(found, { path: edit.path, bytes: edit.before }, found.replaces ?? version),
    viewIn(found, { path: edit.path, bytes: edit.after }, version),
  ])
  if (isRefusal(views)) return 'DrainRestart'
  const [before, after] = views
  const kept = new Map(handlersOf(after!))
  const isKept = handlersOf(before!).every(([name, handler]) => sameHandler(handler, kept.get(name)))
  return isKept && same(before!['default_runtime_name'], after!['default_runtime_name']) ? 'Restart' : 'DrainRestart'
}

function viewIn(found: Found, main: FileFound, version: string | undefined): Tree {
  const engine = { ...found.observed.engine, name: 'containerd', ...(version ? { version } : {}) }
  const documents = documentsOf({ ...found, observed: { ...found.observed, engine } }, main)
  return effectiveView(documents, majorOf(version))
}
