/** Pure: how much has to stop for an edit of the configuration to work. */
import { type Action, type FileEdit, type Found, isRefusal } from '../engine.ts'
import { orRefusal } from '../refused.ts'
import { same, type Tree, tableAt } from '../toml/tree.ts'
import { withOwn } from './config.ts'
import { ownPolicy, ownRegistries, runtimes } from './paths.ts'
import { defaultHandlerOf, driverOf, handlersOf, isEmpty } from './settings.ts'

/**
 * CRI-O leaves its pods alone when it restarts. A handler that changes or goes, another default and another cgroup driver
 * leave pods behind that nothing fits any more.
 */
export function actionFor(found: Found, edits: readonly FileEdit[]): Action {
  const path = found.configFiles[0].path
  const edit = edits.find((each) => each.path === path)
  if (!edit) return edits.some((each) => [ownPolicy, ownRegistries].includes(each.path)) ? 'Restart' : 'None'
  const trees = orRefusal(() => [withOwn(found, edit.before), withOwn(found, edit.after)])
  if (isRefusal(trees)) return 'DrainRestart'
  const [before, after] = trees
  const isKept = handlersOf(before!).every(([name, table]) =>
    same(meaning(table), meaning(tableAt(after!, [...runtimes, name]))),
  )
  const isAlike = defaultHandlerOf(before!) === defaultHandlerOf(after!) && driverOf(before!) === driverOf(after!)
  return isKept && isAlike ? 'Restart' : 'DrainRestart'
}

function meaning(table: Tree): Tree {
  return Object.fromEntries(Object.entries(table).filter(([, value]) => !isEmpty(value)))
}
