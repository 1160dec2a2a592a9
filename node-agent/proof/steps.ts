/** The proof of one handler: its steps in their order. Each finds what later ones need. */
import { cgroup } from './cgroup.ts'
import { execSync } from './exec.ts'
import { httpAnswer } from './http.ts'
import { logFile } from './log.ts'
import type { HandlerProof, Step } from './proof.ts'
import { nothingLeft } from './remains.ts'
import {
  containerStatus,
  createContainer,
  removeContainer,
  removeSandbox,
  runSandbox,
  sandboxStatus,
  startContainer,
  stopContainer,
  stopSandbox,
} from './sandbox-steps.ts'

export const handlerSteps: readonly Step<HandlerProof>[] = [
  runSandbox,
  sandboxStatus,
  createContainer,
  startContainer,
  // The first that needs the program to be up is the last of these three, so that nothing waits for it.
  containerStatus,
  cgroup,
  execSync,
  logFile,
  httpAnswer,
  stopContainer,
  removeContainer,
  stopSandbox,
  removeSandbox,
  nothingLeft,
]
