import type { EngineAhead } from './types.ts'

/** What a machine had that had no engine before Drydock. */
export const nothing: EngineAhead = {
  engine: { name: 'none', units: [], endpoint: '', detect: async () => undefined },
  found: { observed: {}, configFiles: [{ path: '', bytes: undefined }], ociRuntimes: [], searchPath: [] },
}
