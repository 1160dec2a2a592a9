import type { EngineAhead } from './types.ts'

const none = async (): Promise<never> => {
  throw new Error('There is no engine.')
}

/** What a machine had that had no engine before Drydock. */
export const nothing: EngineAhead = {
  engine: {
    name: 'none',
    units: [],
    endpoint: '',
    detect: async () => undefined,
    strangers: async () => [],
    images: { cannot: async () => 'there is no engine', export: none, import: none },
  },
  found: { observed: {}, configFiles: [{ path: '', bytes: undefined }], ociRuntimes: [], searchPath: [] },
}
