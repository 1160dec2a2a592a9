/** The CEL rules of RuntimeProfile: what the API server refuses, each with the sentence that says what to write. */
import type { Rule } from '../schema.ts'

/** A field of the API that this version does not act on yet: refused by name, never ignored. */
const unsupported = (path: string, has: string): Rule => ({
  rule: `!(${has})`,
  message: `spec.${path} is not supported in this version; remove it`,
})

export const specRules: readonly Rule[] = [
  unsupported('registries', 'has(self.registries)'),
  unsupported('proxy', 'has(self.proxy)'),
  unsupported('engineConfig', 'has(self.engineConfig)'),
  unsupported('migration', 'has(self.migration)'),
  unsupported('verify.every', 'has(self.verify) && has(self.verify.every)'),
  {
    rule: "!has(self.drift) || self.drift == 'Report'",
    message: 'spec.drift: Repair is not supported in this version; write Report or remove it',
  },
]

export const engineRules: readonly Rule[] = [
  {
    rule: "self.name != 'cri-o'",
    message: 'spec.engine.name: cri-o is not supported in this version; write containerd',
  },
  {
    rule: '!has(self.source) || (has(self.source.preinstalled) && !has(self.source.package) && !has(self.source.archive))',
    message:
      'spec.engine.source: only preinstalled is supported in this version; write source: {preinstalled: {}} or remove source',
  },
]

export const handlerRules: readonly Rule[] = [
  {
    rule: "has(self.type) || self.name in ['runc', 'crun', 'runsc', 'kata']",
    message: 'write type (runc or crun): it can be left out only when the name is that of an OCI runtime',
  },
  {
    rule: "(has(self.type) ? self.type : self.name) in ['runc', 'crun'] || !(has(self.type) || self.name in ['runsc', 'kata'])",
    message: 'handlers of type runsc and kata are not supported in this version; write type runc or crun',
  },
]

export const handlersRules: readonly Rule[] = [
  {
    rule: 'self.filter(h, has(h.default) && h.default).size() <= 1',
    message: 'only one handler can be the default; write default: true once',
  },
]

export const maxUnavailableRules: readonly Rule[] = [
  {
    rule: "type(self) == int ? self >= 1 : self.matches('^([1-9][0-9]?|100)%$')",
    message: 'write a number of at least 1 or a percentage from 1% to 100%, such as 1 or 10%',
  },
]

export const rolloutRules: readonly Rule[] = [
  unsupported('rollout.canary', 'has(self.canary)'),
  unsupported('rollout.window', 'has(self.window)'),
  unsupported('rollout.gates', 'has(self.gates)'),
  unsupported(
    'rollout.drain.disableEviction: true',
    'has(self.drain) && has(self.drain.disableEviction) && self.drain.disableEviction',
  ),
]
