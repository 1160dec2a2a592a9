/** Profiles that the API must refuse or accept. The API server and the offline validator are held to the same table. */

/** A JSON merge patch on `validProfile`: null removes a field. */
export type Patch = { [field: string]: unknown }

export interface Refused {
  readonly name: string
  readonly patch: Patch
  /** What the answer must say: the field, and what to write. */
  readonly says: RegExp
}

export const validProfile = {
  apiVersion: 'drydock.dev/v1alpha1',
  kind: 'RuntimeProfile',
  metadata: { name: 'workers' },
  spec: {
    nodeSelector: { matchLabels: { pool: 'workers' } },
    engine: { name: 'containerd' },
    handlers: [{ name: 'runc', default: true }, { name: 'crun' }],
  },
}

const spec = (patch: Patch): Patch => ({ spec: patch })
const engine = (patch: Patch): Patch => spec({ engine: patch })
const handlers = (...items: Patch[]): Patch => spec({ handlers: items })
const archive = (patch: Patch): Patch =>
  engine({ source: { archive: { url: 'https://example.com/a.tar.gz', sha256: 'a'.repeat(64), ...patch } } })
const rollout = (patch: Patch): Patch => spec({ rollout: patch })
const gate = (object: Patch): Patch =>
  rollout({ gates: [{ name: 'g', object: { apiVersion: 'v1', kind: 'ConfigMap', ...object }, cel: 'true' }] })
const selector = (patch: Patch): Patch => spec({ nodeSelector: patch })
const expressions = (...items: Patch[]): Patch => selector({ matchExpressions: items })
const image = (sandboxImage: string): Patch => spec({ sandboxImage })
const notSupported = (path: string): RegExp => {
  const field = `spec\\.${path.replaceAll('.', '\\.')}`
  return new RegExp(`${field}: Forbidden: ${field} is not supported in this version; remove it`)
}

const refusedSelectors: readonly Refused[] = [
  { name: 'no spec', patch: { spec: null }, says: /spec: Required value/ },
  { name: 'no node selector', patch: spec({ nodeSelector: null }), says: /spec\.nodeSelector: Required value/ },
  {
    name: 'a label key with a space',
    patch: selector({ matchLabels: { 'my pool': 'a' } }),
    says: /spec\.nodeSelector\.matchLabels: .*write label keys such as pool or example\.com\/pool/,
  },
  {
    name: 'a label value with a slash',
    patch: selector({ matchLabels: { pool: 'a/b' } }),
    says: /spec\.nodeSelector\.matchLabels.*pool.*: .*write a label value: letters, digits/,
  },
  {
    name: 'a label value of 64 characters',
    patch: selector({ matchLabels: { pool: 'a'.repeat(64) } }),
    says: /spec\.nodeSelector\.matchLabels.*pool.*: Too long: .*63/,
  },
  {
    name: 'more labels than anyone needs',
    patch: selector({ matchLabels: Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`label-${n}`, 'a'])) }),
    says: /spec\.nodeSelector\.matchLabels: Too many: .*16/,
  },
  {
    name: 'an expression without a key',
    patch: expressions({ operator: 'Exists' }),
    says: /spec\.nodeSelector\.matchExpressions\[0\]\.key: Required value/,
  },
  {
    name: 'an expression with a key that is none',
    patch: expressions({ key: 'pool=a', operator: 'Exists' }),
    says: /spec\.nodeSelector\.matchExpressions\[0\]\.key: .*write a label key such as pool/,
  },
  {
    name: 'an operator that does not exist',
    patch: expressions({ key: 'pool', operator: 'Equals' }),
    says: /spec\.nodeSelector\.matchExpressions\[0\]\.operator: Unsupported value: .*In.*NotIn.*Exists.*DoesNotExist/,
  },
  {
    name: 'In without values',
    patch: expressions({ key: 'pool', operator: 'In' }),
    says: /matchExpressions\[0\]: .*In and NotIn need values; write at least one, or use Exists/,
  },
  {
    name: 'NotIn with an empty list of values',
    patch: expressions({ key: 'pool', operator: 'NotIn', values: [] }),
    says: /matchExpressions\[0\]: .*In and NotIn need values; write at least one/,
  },
  {
    name: 'Exists with values',
    patch: expressions({ key: 'pool', operator: 'Exists', values: ['a'] }),
    says: /matchExpressions\[0\]: .*Exists and DoesNotExist take no values; remove values/,
  },
  {
    name: 'a value of an expression that cannot be a label value',
    patch: expressions({ key: 'pool', operator: 'In', values: ['-a'] }),
    says: /matchExpressions\[0\]\.values\[0\]: .*write a label value/,
  },
  {
    name: 'a profile name that cannot be a label value',
    patch: { metadata: { name: 'a'.repeat(64) } },
    says: /metadata\.name: write at most 63 characters/,
  },
]

const refusedEngines: readonly Refused[] = [
  { name: 'no engine', patch: spec({ engine: null }), says: /spec\.engine: Required value/ },
  {
    name: 'an engine without a name',
    patch: engine({ name: null, version: '2' }),
    says: /spec\.engine\.name: Required value/,
  },
  {
    name: 'an engine that nobody knows',
    patch: engine({ name: 'docker' }),
    says: /spec\.engine\.name: Unsupported value: .*containerd/,
  },
  {
    name: 'a version with a v',
    patch: engine({ version: 'v2.3.7' }),
    says: /spec\.engine\.version: .*without a leading v.*2\.3\.7/,
  },
  {
    name: 'a version that is a word',
    patch: engine({ version: 'latest' }),
    says: /spec\.engine\.version: .*leave it out for whatever is installed/,
  },
  { name: 'an empty version', patch: engine({ version: '' }), says: /spec\.engine\.version: .*write a version/ },
  {
    name: 'a version with four parts',
    patch: engine({ version: '1.2.3.' }),
    says: /spec\.engine\.version: .*write a version/,
  },
  {
    name: 'a version that YAML reads as a number',
    patch: engine({ version: 2.3 }),
    says: /spec\.engine\.version: Invalid value: .*string/,
  },
  {
    name: 'an empty source',
    patch: engine({ source: {} }),
    says: /spec\.engine\.source: .*write exactly one source, such as \{preinstalled: \{\}\}/,
  },
  {
    name: 'two sources',
    patch: engine({ source: { package: {}, preinstalled: {} } }),
    says: /spec\.engine\.source: .*write exactly one source/,
  },
  {
    name: 'an archive over plain http',
    patch: archive({ url: 'http://example.com/a.tar.gz' }),
    says: /spec\.engine\.source\.archive\.url: .*write an https address such as .*containerd\.tar\.gz/,
  },
  {
    name: 'an archive of a host without a path',
    patch: archive({ url: 'https://example.com/' }),
    says: /spec\.engine\.source\.archive\.url: .*write an https address/,
  },
  {
    name: 'an archive with a space in its address',
    patch: archive({ url: 'https://example.com/a.tar.gz --insecure' }),
    says: /spec\.engine\.source\.archive\.url: .*write an https address/,
  },
  {
    name: 'an archive without a checksum',
    patch: engine({ source: { archive: { url: 'https://example.com/a.tar.gz' } } }),
    says: /spec\.engine\.source\.archive\.sha256: Required value/,
  },
  {
    name: 'a checksum that is none',
    patch: archive({ sha256: 'abc' }),
    says: /spec\.engine\.source\.archive\.sha256: .*64 digits of lower-case hexadecimal/,
  },
  {
    name: 'an upper-case checksum',
    patch: archive({ sha256: 'A'.repeat(64) }),
    says: /spec\.engine\.source\.archive\.sha256: .*64 digits of lower-case hexadecimal/,
  },
  {
    name: 'CNI plugins over plain http',
    patch: archive({ cniPlugins: { url: 'http://example.com/cni.tgz', sha256: 'a'.repeat(64) } }),
    says: /spec\.engine\.source\.archive\.cniPlugins\.url: .*write an https address such as .*cni-plugins\.tgz/,
  },
  {
    name: 'CNI plugins without a checksum',
    patch: archive({ cniPlugins: { url: 'https://example.com/cni.tgz' } }),
    says: /spec\.engine\.source\.archive\.cniPlugins\.sha256: Required value/,
  },
  {
    name: 'CNI plugins without an archive',
    patch: engine({ source: { package: {}, cniPlugins: { url: 'https://a/b', sha256: 'a'.repeat(64) } } }),
    says: /unknown field "spec\.engine\.source\.cniPlugins"/,
  },
  {
    name: 'a cgroup driver that does not exist',
    patch: spec({ cgroupDriver: 'cgroupfs2' }),
    says: /spec\.cgroupDriver: Unsupported value: .*systemd.*cgroupfs/,
  },
  {
    name: 'a cgroup version that does not exist',
    patch: spec({ cgroupVersion: '2' }),
    says: /spec\.cgroupVersion: Unsupported value: .*v1.*v2/,
  },
  {
    name: 'a sandbox image without a registry',
    patch: image('pause:3.10'),
    says: /spec\.sandboxImage: .*with its registry, such as registry\.k8s\.io\/pause:3\.10\.2/,
  },
  {
    name: 'a sandbox image without a tag',
    patch: image('registry.k8s.io/pause'),
    says: /spec\.sandboxImage: .*write the tag or the digest/,
  },
  {
    name: 'a sandbox image with a space',
    patch: image('registry.k8s.io/pause :3'),
    says: /spec\.sandboxImage: .*write an image/,
  },
  {
    name: 'a sandbox image with a short digest',
    patch: image('registry.k8s.io/pause@sha256:abc'),
    says: /spec\.sandboxImage: .*write an image/,
  },
]

const crunArchive = { url: 'https://example.com/crun', sha256: 'a'.repeat(64) }

const refusedHandlers: readonly Refused[] = [
  {
    name: 'a handler without a name',
    patch: handlers({ type: 'runc' }),
    says: /spec\.handlers\[0\]\.name: Required value/,
  },
  {
    name: 'an upper-case handler',
    patch: handlers({ name: 'Crun', type: 'crun' }),
    says: /spec\.handlers\[0\]\.name: .*write a DNS label: lower-case/,
  },
  {
    name: 'a handler name with a dot',
    patch: handlers({ name: 'crun.fast', type: 'crun' }),
    says: /spec\.handlers\[0\]\.name: .*write a DNS label/,
  },
  {
    name: 'a handler name that is too long',
    patch: handlers({ name: 'a'.repeat(64), type: 'crun' }),
    says: /spec\.handlers\[0\]\.name: Too long: .*63/,
  },
  {
    name: 'two handlers of one name',
    patch: handlers({ name: 'crun' }, { name: 'crun' }),
    says: /spec\.handlers\[1\]: Duplicate value: .*crun/,
  },
  {
    name: 'an OCI runtime that nobody knows',
    patch: handlers({ name: 'youki', type: 'youki' }),
    says: /spec\.handlers\[0\]\.type: Unsupported value: .*runc.*crun/,
  },
  {
    name: 'a handler whose type cannot be told',
    patch: handlers({ name: 'fast' }),
    says: /spec\.handlers\[0\]: .*write type: runc or type: crun/,
  },
  {
    name: 'runsc by its name',
    patch: handlers({ name: 'runsc' }),
    says: /spec\.handlers\[0\]: .*write type: runc or type: crun/,
  },
  {
    name: 'runsc by its type',
    patch: handlers({ name: 'gvisor', type: 'runsc' }),
    says: /spec\.handlers\[0\]\.type: .*runsc and kata are not supported in this version; write runc or crun/,
  },
  {
    name: 'kata by its type',
    patch: handlers({ name: 'kata', type: 'kata' }),
    says: /spec\.handlers\[0\]\.type: .*not supported in this version; write runc or crun/,
  },
  {
    name: 'two defaults',
    patch: handlers({ name: 'runc', default: true }, { name: 'crun', default: true }),
    says: /spec\.handlers: .*only one handler can be the default; write default: true once/,
  },
  {
    name: 'a relative binary',
    patch: handlers({ name: 'crun', binary: 'crun' }),
    says: /spec\.handlers\[0\]\.binary: .*write an absolute path such as \/usr\/bin\/crun/,
  },
  {
    name: 'a binary with ..',
    patch: handlers({ name: 'crun', binary: '/usr/bin/../../tmp/crun' }),
    says: /spec\.handlers\[0\]\.binary: .*without \. and \.\./,
  },
  {
    name: 'a binary with a shell in it',
    patch: handlers({ name: 'crun', binary: '/usr/bin/crun; rm -rf /' }),
    says: /spec\.handlers\[0\]\.binary: .*write an absolute path/,
  },
  {
    name: 'a folder as binary',
    patch: handlers({ name: 'crun', binary: '/usr/bin/' }),
    says: /spec\.handlers\[0\]\.binary: .*write an absolute path/,
  },
  {
    name: 'a handler with a program of its own and one of the node',
    patch: handlers({ name: 'crun', binary: '/usr/bin/crun', archive: crunArchive }),
    says: /spec\.handlers\[0\]: .*write archive or binary, not both/,
  },
  {
    name: 'a program of a handler over plain http',
    patch: handlers({ name: 'crun', archive: { ...crunArchive, url: 'http://example.com/crun' } }),
    says: /spec\.handlers\[0\]\.archive\.url: .*write an https address such as .*runc\.amd64/,
  },
  {
    name: 'a program of a handler without a checksum',
    patch: handlers({ name: 'crun', archive: { url: 'https://example.com/crun' } }),
    says: /spec\.handlers\[0\]\.archive\.sha256: Required value/,
  },
  {
    name: 'a program of runsc',
    patch: handlers({ name: 'gvisor', type: 'runsc', archive: crunArchive }),
    says: /spec\.handlers\[0\]\.type: .*not supported in this version; write runc or crun/,
  },
  {
    name: 'a relative root',
    patch: handlers({ name: 'crun', options: { root: 'run/crun' } }),
    says: /spec\.handlers\[0\]\.options\.root: .*such as \/run\/crun/,
  },
  {
    name: 'an unknown option',
    patch: handlers({ name: 'crun', options: { systemdCgroup: true } }),
    says: /unknown field "spec\.handlers\[0\]\.options\.systemdCgroup"/,
  },
  {
    name: 'an annotation with * in the middle',
    patch: handlers({ name: 'crun', podAnnotations: ['a.*.b'] }),
    says: /spec\.handlers\[0\]\.podAnnotations\[0\]: .*a prefix with \* at its end/,
  },
  {
    name: 'an empty annotation',
    patch: handlers({ name: 'crun', podAnnotations: [''] }),
    says: /spec\.handlers\[0\]\.podAnnotations\[0\]: .*write an annotation key/,
  },
  {
    name: 'a RuntimeClass name with a space',
    patch: handlers({ name: 'crun', runtimeClass: { name: 'my crun' } }),
    says: /spec\.handlers\[0\]\.runtimeClass\.name: .*write a DNS name/,
  },
  {
    name: 'one RuntimeClass for two handlers',
    patch: handlers({ name: 'runc', runtimeClass: {} }, { name: 'crun', runtimeClass: { name: 'runc' } }),
    says: /spec\.handlers: .*two handlers ask for the same RuntimeClass; write runtimeClass\.name/,
  },
]

const refusedRollouts: readonly Refused[] = [
  {
    name: 'maxUnavailable 0',
    patch: rollout({ maxUnavailable: 0 }),
    says: /spec\.rollout\.maxUnavailable: .*at least 1 or a percentage from 1% to 100%/,
  },
  {
    name: 'maxUnavailable below 0',
    patch: rollout({ maxUnavailable: -1 }),
    says: /spec\.rollout\.maxUnavailable: .*at least 1/,
  },
  {
    name: 'maxUnavailable 0%',
    patch: rollout({ maxUnavailable: '0%' }),
    says: /spec\.rollout\.maxUnavailable: .*from 1% to 100%/,
  },
  {
    name: 'maxUnavailable 101%',
    patch: rollout({ maxUnavailable: '101%' }),
    says: /spec\.rollout\.maxUnavailable: .*from 1% to 100%/,
  },
  {
    name: 'maxUnavailable as a word',
    patch: rollout({ maxUnavailable: 'all' }),
    says: /spec\.rollout\.maxUnavailable: .*such as 1 or 10%/,
  },
  {
    name: 'maxUnavailable as a number in quotes',
    patch: rollout({ maxUnavailable: '2' }),
    says: /spec\.rollout\.maxUnavailable: .*such as 1 or 10%/,
  },
  {
    name: 'a failure budget of 0',
    patch: rollout({ failureBudget: 0 }),
    says: /spec\.rollout\.failureBudget: .*greater than or equal to 1|spec\.rollout\.failureBudget: .*at least 1/,
  },
  {
    name: 'a canary without a soak',
    patch: rollout({ canary: { nodes: 1 } }),
    says: /spec\.rollout\.canary\.soak: .*Required value/,
  },
  {
    name: 'no canary nodes',
    patch: rollout({ canary: { nodes: 0, soak: '10m' } }),
    says: /spec\.rollout\.canary\.nodes: .*greater than or equal to 1|spec\.rollout\.canary\.nodes: .*at least 1/,
  },
  {
    name: 'a soak of more than a week',
    patch: rollout({ canary: { soak: '169h' } }),
    says: /spec\.rollout\.canary\.soak: .*write a duration from 1s to 168h/,
  },
  {
    name: 'a window without its duration',
    patch: rollout({ window: { cron: '0 1 * * *' } }),
    says: /spec\.rollout\.window\.duration: .*Required value/,
  },
  {
    name: 'a window of seconds',
    patch: rollout({ window: { cron: '0 1 * * *', duration: '30s' } }),
    says: /spec\.rollout\.window\.duration: .*write a duration from 1m to 168h/,
  },
  ...[
    '0 0 1 * * *',
    '0 1 * *',
    '60 1 * * *',
    '0 24 * * *',
    '0 1 0 * *',
    '0 1 * 13 *',
    '0 1 * * 8',
    '*/0 1 * * *',
    '@daily',
    '0 1 L * *',
    '0  1 * * *',
    '2026-01-01T01:00:00',
  ].map((cron) => ({
    name: `the cron expression ${cron}`,
    patch: rollout({ window: { cron, duration: '4h' } }),
    says: /spec\.rollout\.window\.cron: .*write five fields with one space between: .* such as 0 1 \* \* MON-FRI/,
  })),
  ...['Asia/Ho Chi Minh', '+07:00', '../etc/localtime', ''].map((timeZone) => ({
    name: `the time zone "${timeZone}"`,
    patch: rollout({ window: { cron: '0 1 * * *', duration: '4h', timeZone } }),
    says: /spec\.rollout\.window\.timeZone: .*write the IANA name of a time zone, such as Asia\/Ho_Chi_Minh or UTC/,
  })),
  {
    name: 'a gate about nothing',
    patch: rollout({ gates: [{ name: 'no-alerts', cel: 'true' }] }),
    says: /spec\.rollout\.gates\[0\]\.object: .*Required value/,
  },
  {
    name: 'a gate by name and by label',
    patch: gate({ name: 'freeze', labelSelector: { matchLabels: { a: 'b' } } }),
    says: /spec\.rollout\.gates\[0\]\.object: .*write name for one object or labelSelector for several, not both/,
  },
  {
    name: 'a gate about an unversioned group',
    patch: gate({ apiVersion: 'apps' }),
    says: /spec\.rollout\.gates\[0\]\.object\.apiVersion: .*write group and version such as apps\/v1/,
  },
  {
    name: 'a gate about a plural',
    patch: gate({ kind: 'configmaps' }),
    says: /spec\.rollout\.gates\[0\]\.object\.kind: .*write a kind such as Deployment/,
  },
  {
    name: 'disableEviction',
    patch: rollout({ drain: { disableEviction: true } }),
    says: /spec\.rollout\.drain\.disableEviction: .*true is not supported in this version; write false or remove it/,
  },
  {
    name: 'a drain timeout as a number',
    patch: rollout({ drain: { timeout: 600 } }),
    says: /spec\.rollout\.drain\.timeout: Invalid value: .*string/,
  },
  {
    name: 'a drain timeout without a unit',
    patch: rollout({ drain: { timeout: '600' } }),
    says: /spec\.rollout\.drain\.timeout: .*such as 90s, 10m or 1h30m/,
  },
  {
    name: 'a drain timeout of nothing',
    patch: rollout({ drain: { timeout: '' } }),
    says: /spec\.rollout\.drain\.timeout: .*above zero/,
  },
  {
    name: 'a drain timeout of 0s',
    patch: rollout({ drain: { timeout: '0s' } }),
    says: /spec\.rollout\.drain\.timeout: .*above zero/,
  },
  {
    name: 'a drain timeout of two days',
    patch: rollout({ drain: { timeout: '48h' } }),
    says: /spec\.rollout\.drain\.timeout: .*from 1s to 24h/,
  },
  {
    name: 'a negative drain timeout',
    patch: rollout({ drain: { timeout: '-5m' } }),
    says: /spec\.rollout\.drain\.timeout: .*above zero/,
  },
  {
    name: 'paused as a word',
    patch: rollout({ paused: 'yes' }),
    says: /spec\.rollout\.paused: Invalid value: .*boolean/,
  },
  {
    name: 'a verify timeout of a second',
    patch: spec({ verify: { timeout: '1s' } }),
    says: /spec\.verify\.timeout: .*from 10s to 1h/,
  },
  {
    name: 'a verify timeout of a day',
    patch: spec({ verify: { timeout: '24h' } }),
    says: /spec\.verify\.timeout: .*from 10s to 1h/,
  },
  {
    name: 'a verify timeout in milliseconds',
    patch: spec({ verify: { timeout: '90000ms' } }),
    says: /spec\.verify\.timeout: .*whole units/,
  },
  {
    name: 'verify.every too often',
    patch: spec({ verify: { every: '5m' } }),
    says: /spec\.verify\.every: .*write a duration from 10m to 720h/,
  },
  { name: 'drift Ignore', patch: spec({ drift: 'Ignore' }), says: /spec\.drift: Unsupported value: .*Report/ },
]

const refusedParts: readonly Refused[] = [
  {
    name: 'registries',
    patch: spec({ registries: [{ host: 'docker.io', mirrors: [{ url: 'https://mirror.example' }] }] }),
    says: notSupported('registries'),
  },
  {
    name: 'registries with a path as host',
    patch: spec({ registries: [{ host: 'docker.io/library' }] }),
    says: /spec\.registries\[0\]\.host: .*write a registry host such as docker\.io/,
  },
  {
    name: 'proxy',
    patch: spec({ proxy: { httpsProxy: 'http://proxy:3128', noProxy: ['10.0.0.0/8'] } }),
    says: notSupported('proxy'),
  },
  { name: 'a proxy that is empty', patch: spec({ proxy: {} }), says: notSupported('proxy') },
  { name: 'engineConfig', patch: spec({ engineConfig: 'version = 3\n' }), says: notSupported('engineConfig') },
  {
    name: 'images that are copied',
    patch: spec({ migration: { images: 'copy' } }),
    says: /spec\.migration\.images: Unsupported value: .*transfer.*pull/,
  },
  {
    name: 'a former engine that is removed',
    patch: spec({ migration: { previousEngine: 'remove' } }),
    says: /spec\.migration\.previousEngine: Unsupported value: .*keep.*disable.*purge/,
  },
  {
    name: 'a former engine that is purged',
    patch: spec({ migration: { previousEngine: 'purge' } }),
    says: /spec\.migration\.previousEngine: .*purge is not supported in this version; write disable/,
  },
  {
    name: 'a field that does not exist',
    patch: spec({ cgroupdriver: 'systemd' }),
    says: /unknown field "spec\.cgroupdriver"/,
  },
  {
    name: 'a field of the engine that does not exist',
    patch: engine({ versions: '2.3' }),
    says: /unknown field "spec\.engine\.versions"/,
  },
  {
    name: 'a handler as a string',
    patch: spec({ handlers: ['crun'] }),
    says: /spec\.handlers\[0\]: Invalid value: .*object/,
  },
]

export const refused: readonly Refused[] = [
  ...refusedSelectors,
  ...refusedEngines,
  ...refusedHandlers,
  ...refusedRollouts,
  ...refusedParts,
]

/** Every field that this version acts on. */
export const fullProfile: Patch = spec({
  nodeSelector: {
    matchLabels: { 'example.com/pool': 'workers' },
    matchExpressions: [
      { key: 'kubernetes.io/arch', operator: 'In', values: ['amd64', 'arm64'] },
      { key: 'node-role.kubernetes.io/control-plane', operator: 'DoesNotExist' },
    ],
  },
  engine: { name: 'containerd', version: '2.3', source: { preinstalled: {} } },
  cgroupDriver: 'systemd',
  cgroupVersion: 'v2',
  handlers: [
    { name: 'runc', default: true, runtimeClass: {} },
    {
      name: 'crun-fast',
      type: 'crun',
      default: false,
      binary: '/usr/local/bin/crun',
      options: { root: '/run/crun', noNewKeyring: true },
      podAnnotations: ['run.oci.handler', 'example.com/*'],
      privilegedWithoutHostDevices: true,
      runtimeClass: { name: 'fast.example.com' },
    },
  ],
  sandboxImage: 'registry.k8s.io/pause:3.10.2',
  migration: { images: 'transfer', previousEngine: 'disable' },
  rollout: {
    maxUnavailable: '10%',
    failureBudget: 1,
    drain: { timeout: '10m', deleteEmptyDirData: false, deleteUnmanagedPods: true, disableEviction: false },
    paused: false,
  },
  verify: { timeout: '2m' },
  drift: 'Report',
})

export const accepted: readonly { readonly name: string; readonly patch: Patch }[] = [
  { name: 'the least that a profile needs', patch: spec({ handlers: null }) },
  { name: 'every field that is supported', patch: fullProfile },
  { name: 'an empty selector', patch: selector({ matchLabels: null }) },
  { name: 'an empty label value', patch: selector({ matchLabels: { pool: '' } }) },
  { name: 'no handlers', patch: handlers() },
  { name: 'a handler of another name', patch: handlers({ name: 'fast', type: 'crun' }) },
  { name: 'cri-o', patch: engine({ name: 'cri-o', version: '1.34' }) },
  { name: 'the packages of the distribution', patch: engine({ source: { package: {} } }) },
  { name: 'an archive', patch: archive({}) },
  {
    name: 'an archive with CNI plugins',
    patch: archive({ cniPlugins: { url: 'https://example.com:8443/cni.tgz?raw=1', sha256: '0'.repeat(64) } }),
  },
  { name: 'a handler with a program of its own', patch: handlers({ name: 'crun', archive: crunArchive }) },
  { name: 'a migration that leaves everything open', patch: spec({ migration: {} }) },
  { name: 'a migration that keeps the former engine', patch: spec({ migration: { previousEngine: 'keep' } }) },
  { name: 'an exact version', patch: engine({ version: '2.3.7' }) },
  { name: 'a major version', patch: engine({ version: '2' }) },
  { name: 'a version as distributions write it', patch: engine({ version: '1.6.20~ds1-1+deb12u1' }) },
  { name: 'a sandbox image of a registry on a port', patch: image('registry:5000/k8s/pause:3.10') },
  { name: 'a sandbox image of an address', patch: image('10.89.0.1:5000/pause:3.10.2') },
  { name: 'a sandbox image by digest', patch: image(`registry.k8s.io/pause:3.10@sha256:${'0'.repeat(64)}`) },
  { name: 'maxUnavailable as a number', patch: rollout({ maxUnavailable: 3 }) },
  { name: 'maxUnavailable 100%', patch: rollout({ maxUnavailable: '100%' }) },
  { name: 'a duration of hours and minutes', patch: rollout({ drain: { timeout: '1h30m' } }) },
  { name: 'a verify timeout in seconds', patch: spec({ verify: { timeout: '600s' } }) },
  { name: 'a paused rollout', patch: rollout({ paused: true }) },
  { name: 'a canary', patch: rollout({ canary: { soak: '10m' } }) },
  { name: 'repairs', patch: spec({ drift: 'Repair' }) },
  { name: 'repeated proofs', patch: spec({ verify: { every: '6h' } }) },
  { name: 'a gate by name', patch: gate({ namespace: 'ops', name: 'freeze' }) },
  {
    name: 'a gate by labels',
    patch: gate({ labelSelector: { matchExpressions: [{ key: 'a', operator: 'In', values: ['b'] }] } }),
  },
  { name: 'no gates', patch: rollout({ gates: [] }) },
  { name: 'canaries as a percentage', patch: rollout({ canary: { nodes: '10%', soak: '10m' } }) },
  { name: 'canaries that soak for a week', patch: rollout({ canary: { nodes: 3, soak: '168h' } }) },
  { name: 'a window in UTC', patch: rollout({ window: { cron: '0 1 * * *', duration: '4h' } }) },
  ...['0,30 1-5/2 */2 JAN-MAR,12 MON-FRI', '59 23 31 12 7', '*/15 * * * *'].map((cron) => ({
    name: `a window at ${cron}`,
    patch: rollout({ window: { cron, duration: '1h30m', timeZone: 'America/Argentina/Buenos_Aires' } }),
  })),
  { name: 'a name of 63 characters', patch: { metadata: { name: 'a'.repeat(63) } } },
]

/** JSON merge patch (RFC 7386). */
export const patched = (target: unknown, patch: unknown): unknown => {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch
  const result: Record<string, unknown> =
    typeof target === 'object' && target !== null && !Array.isArray(target) ? { ...target } : {}
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name]
    else result[name] = patched(result[name], value)
  }
  return result
}
