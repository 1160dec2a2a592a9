/** Pure: how much has to stop for an edit of the configuration to work. containerd reads it only when it starts. */
import { type Action, type FileEdit, type Found, isRefusal } from '../engine.ts'
import { orRefusal } from '../refused.ts'
import { same } from '../toml/tree.ts'
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
  const major = majorOf(found.observed.engine?.version)
  const views = orRefusal(() =>
    [edit.before, edit.after].map((bytes) => effectiveView(documentsOf(found, { path: edit.path, bytes }), major)),
  )
  if (isRefusal(views)) return 'DrainRestart'
  const [before, after] = views
  const kept = new Map(handlersOf(after!))
  const isKept = handlersOf(before!).every(([name, handler]) => sameHandler(handler, kept.get(name)))
  return isKept && same(before!['default_runtime_name'], after!['default_runtime_name']) ? 'Restart' : 'DrainRestart'
}
