import fc from 'fast-check'
import t, { type Test } from 'tap'
import { crdName, resources } from '../../crds/crd.ts'
import { createValidator } from '../../crds/validate.ts'
import { walk } from '../../crds/walk.ts'
import { installCrds } from './crds.ts'
import { accepted, fullProfile, patched, refused, validProfile } from './profile-cases.ts'
import { type Answer, startApiServer } from './server.ts'

const server = await startApiServer({ log: (line) => t.comment(line) })
t.teardown(() => server.stop())
await installCrds(server)
const validate = createValidator()
const api = '/apis/drydock.dev/v1alpha1'
const create = (plural: string, body: unknown, query = '') =>
  server.request(`${api}/${plural}?fieldValidation=Strict${query}`, { method: 'POST', body })
const merge = (path: string, body: unknown) =>
  server.request(`${api}/${path}`, {
    method: 'PATCH',
    body,
    headers: { 'content-type': 'application/merge-patch+json' },
  })

const sentences = new Set(
  resources.flatMap(({ schema }) =>
    [{ schema }, ...walk(schema)].flatMap(({ schema }) =>
      (schema['x-kubernetes-validations'] ?? []).map(({ message }) => message),
    ),
  ),
)

interface Cause {
  field: string
  message: string
}

/** The fields that the API server blames, and those that the offline validator blames, with the same sentences. */
const sameVerdict = (t: Test, { status, body }: Answer, object: unknown) => {
  const problems = validate(object)
  if (status === 400) {
    for (const { field } of problems) t.ok(body.message.includes(`"${field}"`), `both blame ${field}`)
    return
  }
  const causes: Cause[] = (body.details.causes as Cause[]).filter(
    ({ message }) => !message.includes('some validation rules were not checked'),
  )
  const named = (field: string) => field.replace('<nil>', '').replaceAll(/\[([a-z]\w*)\]/g, '.$1')
  t.strictSame(
    [...new Set(problems.map(({ field }) => named(field)))].sort(),
    [...new Set(causes.map(({ field }) => named(field)))].sort(),
    'both blame the same fields',
  )
  for (const { field, message } of problems.filter(({ message }) => sentences.has(message))) {
    const same = causes.some((cause) => named(cause.field) === named(field) && cause.message.endsWith(message))
    t.ok(same, `both say about ${field || 'the object'}: ${message}`)
  }
}

t.test('the API server refuses profiles with the field and what to write', async (t) => {
  t.ok(refused.length >= 60, `${refused.length} profiles`)
  for (const { name, patch, says } of refused) {
    await t.test(name, async (t) => {
      const profile = patched(validProfile, patch)
      const answer = await create('runtimeprofiles', profile, '&dryRun=All')
      t.ok(answer.status === 422 || answer.status === 400, `HTTP ${answer.status}`)
      t.match(answer.body.message, says)
      t.not(validate(profile).length, 0, 'the offline validator refuses it too')
      sameVerdict(t, answer, profile)
    })
  }
})

t.test('the API server accepts what is supported', async (t) => {
  for (const { name, patch } of accepted) {
    const profile = patched(validProfile, patch)
    const { status, body } = await create('runtimeprofiles', profile, '&dryRun=All')
    t.equal(status, 201, `${name}: ${body.message ?? ''}`)
    t.strictSame(validate(profile), [], `offline: ${name}`)
  }
})

t.test('any text in any field: the offline validator and the API server agree', async (t) => {
  const places: Record<string, (value: unknown) => unknown> = {
    'label value': (value) => ({ nodeSelector: { matchLabels: { pool: value } } }),
    'label key': (value) => ({ nodeSelector: { matchLabels: { [String(value)]: 'a' } } }),
    version: (version) => ({ engine: { version } }),
    image: (sandboxImage) => ({ sandboxImage }),
    handler: (name) => ({ handlers: [{ name, type: 'runc' }] }),
    binary: (binary) => ({ handlers: [{ name: 'runc', binary }] }),
    annotation: (annotation) => ({ handlers: [{ name: 'runc', podAnnotations: [annotation] }] }),
    class: (name) => ({ handlers: [{ name: 'runc', runtimeClass: { name } }] }),
    drain: (timeout) => ({ rollout: { drain: { timeout } } }),
    verify: (timeout) => ({ verify: { timeout } }),
    maxUnavailable: (maxUnavailable) => ({ rollout: { maxUnavailable } }),
  }
  const near = [
    'pool',
    'example.com/a',
    '2.3.7',
    'registry.k8s.io/pause:3.10',
    '/usr/bin/crun',
    '1h30m',
    '90s',
    '10%',
    '..',
  ]
  const text = fc
    .tuple(
      fc.constantFrom(...near),
      fc.nat(12),
      fc.constantFrom('', '\n', '..', '/', '%', 'é', '0', '-', '@', ' ', '*', ':'),
    )
    .map(([base, at, extra]) => base.slice(0, at) + extra + base.slice(at))
  const value = fc.oneof(fc.constantFrom(...near), text, fc.integer({ min: -1, max: 101 }))
  let accepted = 0
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...Object.keys(places)), value, async (place, value) => {
      const profile = patched(validProfile, { spec: places[place]?.(value) })
      const { status, body } = await create('runtimeprofiles', profile, '&dryRun=All')
      const problems = validate(profile)
      if (status === 201) accepted += 1
      const agree = (status === 201) === (problems.length === 0)
      if (!agree)
        t.comment(`${place} ${JSON.stringify(value)}: ${status} ${body.message}; offline ${JSON.stringify(problems)}`)
      return agree
    }),
    { numRuns: 600 },
  )
  t.ok(accepted > 30 && accepted < 570, `${accepted} of 600 accepted`)
})

t.test('defaults land, also where the parent was left out', async (t) => {
  const { body } = await create('runtimeprofiles', validProfile, '&dryRun=All')
  t.strictSame(body.spec.rollout, { maxUnavailable: 1, failureBudget: 1, drain: { timeout: '10m' } })
  t.strictSame(body.spec.verify, { timeout: '2m' })
  t.equal(body.spec.drift, 'Report')
})

t.test('kubectl apply refuses a field that does not exist', async (t) => {
  const input = JSON.stringify(patched(validProfile, { spec: { cgroupDrivers: 'systemd' } }))
  const { code, stderr } = await server.kubectl(['apply', '-f', '-'], { input })
  t.equal(code, 1)
  t.match(stderr, /unknown field "spec\.cgroupDrivers"/)
})

t.test('kubectl explain has a sentence for every field', async (t) => {
  for (const resource of resources) {
    const { code, stdout } = await server.kubectl(['explain', '--recursive', crdName(resource)])
    t.equal(code, 0)
    const { body } = await server.request(`/openapi/v3/apis/drydock.dev/v1alpha1`)
    const published = body.components.schemas[`dev.drydock.v1alpha1.${resource.kind}`]
    for (const { path } of walk(resource.schema)) {
      const place = path.split(/\.|(?=\[\])|(?=\{\})/).reduce((schema, step) => {
        if (step === '[]') return schema.items
        return step === '{}' ? schema.additionalProperties : schema.properties[step]
      }, published)
      if (!place.description) t.fail(`${path} has no sentence`)
      const last =
        path
          .split('.')
          .at(-1)
          ?.replaceAll(/\[\]|\{\}/g, '') ?? ''
      if (last && !stdout.includes(last)) t.fail(`kubectl explain does not show ${path}`)
    }
  }
  const { stdout } = await server.kubectl(['explain', 'rp.spec.rollout.maxUnavailable'])
  t.match(stdout.replaceAll(/\s+/g, ' '), /out of service at once, as a number or a percentage/)
})

const order = {
  apiVersion: 'drydock.dev/v1alpha1',
  kind: 'NodeRuntime',
  metadata: { name: 'worker-1' },
  spec: {
    nodeUID: 'c0ffee',
    profile: 'workers',
    revision: 'a1',
    attempt: 1,
    fence: 1,
    permit: 'Prepare',
    target: { engine: { name: 'containerd' }, handlers: [{ name: 'runc', type: 'runc', default: true }] },
    timeoutSeconds: 120,
  },
}

t.test('NodeRuntime', async (t) => {
  for (const [name, patch] of [
    ['no spec', { spec: null }],
    [
      'an observation',
      { spec: { permit: 'Observe', revision: null, attempt: null, fence: null, nodeUID: null, target: null } },
    ],
    ['an order', {}],
    ['an order for the original', { spec: { revision: 'original', target: null } }],
    ['the removal', { spec: { permit: 'Remove', revision: null, attempt: null, target: null } }],
  ] as const) {
    const object = patched(order, patch)
    const { status, body } = await create('noderuntimes', object, '&dryRun=All')
    t.equal(status, 201, `${name}: ${body.message ?? ''}`)
    t.strictSame(validate(object), [])
  }
  for (const [name, patch, says] of [
    ['no revision', { spec: { revision: null } }, /spec: .*write revision, attempt, fence and nodeUID/],
    ['no fence', { spec: { fence: null, permit: 'Switch' } }, /spec: .*write revision, attempt, fence and nodeUID/],
    ['no target', { spec: { target: null } }, /spec: .*write a target, or the revision "original" and no target/],
    [
      'a target of the original',
      { spec: { revision: 'original' } },
      /spec: .*write a target, or the revision "original"/,
    ],
    ['a permit that does not exist', { spec: { permit: 'Go' } }, /spec\.permit: Unsupported value: .*Observe.*Remove/],
    ['a timeout of a day', { spec: { timeoutSeconds: 86_400 } }, /spec\.timeoutSeconds: .*less than or equal to 3600/],
  ] as const) {
    await t.test(name, async (t) => {
      const object = patched(order, patch)
      const answer = await create('noderuntimes', object, '&dryRun=All')
      t.equal(answer.status, 422)
      t.match(answer.body.message, says)
      sameVerdict(t, answer, object)
    })
  }
})

t.test('MigrationReport: immutable once it is complete', async (t) => {
  const report = {
    apiVersion: 'drydock.dev/v1alpha1',
    kind: 'MigrationReport',
    metadata: { name: 'workers-a1' },
    spec: { profile: 'workers', revision: 'a1' },
  }
  const running = { status: { phase: 'Running', startTime: '2026-01-01T00:00:00Z', changed: 1 } }
  const done = {
    status: { phase: 'Succeeded', completionTime: '2026-01-01T00:01:00Z', message: 'One node was changed.' },
  }
  t.equal((await create('migrationreports', report)).status, 201)
  const spec = await merge('migrationreports/workers-a1', { spec: { revision: 'b2' } })
  t.equal(spec.status, 422)
  t.match(spec.body.message, /spec: .*spec of a MigrationReport cannot be changed/)

  const status = (body: unknown) => merge('migrationreports/workers-a1/status', body)
  t.equal((await status(running)).status, 200)
  const early = await status({ status: { phase: 'Succeeded' } })
  t.equal(early.status, 422)
  t.match(early.body.message, /status: .*write completionTime together with the phase Succeeded/)
  t.equal((await status(done)).status, 200)
  t.equal((await status(done)).status, 200, 'the same once more is no change')
  for (const [name, change] of [
    ['a count', { status: { changed: 2 } }],
    ['the phase', { status: { phase: 'Running', completionTime: null } }],
    ['all of it', { status: null }],
  ] as const) {
    const { status: code, body } = await status(change)
    t.equal(code, 422, name)
    t.match(body.message, /status of a MigrationReport that is complete cannot be changed/)
  }
  t.equal((await merge('migrationreports/workers-a1', { metadata: { labels: { a: 'b' } } })).status, 200)
})

t.test('kubectl get reads well', async (t) => {
  t.equal((await create('runtimeprofiles', patched(validProfile, fullProfile))).status, 201)
  const conditions = [
    { type: 'Ready', status: 'False', reason: 'Waiting', message: '-', lastTransitionTime: '2026-01-01T00:00:00Z' },
  ]
  const message = 'PDB shop/cart allows 0 disruptions.'
  const nodes = { selected: 5, ready: 3, updating: 1, failed: 0, waiting: 1 }
  t.equal((await merge('runtimeprofiles/workers/status', { status: { nodes, message, conditions } })).status, 200)
  t.equal((await create('noderuntimes', order)).status, 201)
  const observed = { engine: { name: 'docker', version: '26.1.5+dfsg1' }, cgroup: { engineDriver: 'systemd' } }
  const answer = { phase: 'Prepared', action: 'DrainSwitch', message: 'Waits for the switch.', observed }
  t.equal((await merge('noderuntimes/worker-1/status', { status: answer })).status, 200)
  const { code, stdout } = await server.kubectl(['get', 'rp,noderuntimes,migrationreports'])
  t.equal(code, 0)
  for (const line of [
    /^NAME +READY +NODES +PROVEN +UPDATING +FAILED +AGE +MESSAGE$/m,
    /^runtimeprofile\.drydock\.dev\/workers +False +5 +3 +1 +0 +\d+s +PDB shop\/cart allows 0 disruptions\.$/m,
    /^NAME +PROFILE +PHASE +ACTION +ENGINE +VERSION +WANTED +DRIVER +AGE +MESSAGE$/m,
    /^noderuntime\.drydock\.dev\/worker-1 +workers +Prepared +DrainSwitch +docker +26\.1\.5\+dfsg1 +containerd +systemd +\d+s +Waits for the switch\.$/m,
    /^NAME +PROFILE +PHASE +CHANGED +UNCHANGED +FAILED +AGE +MESSAGE$/m,
    /^migrationreport\.drydock\.dev\/workers-a1 +workers +Succeeded +1 +\d+s +One node was changed\.$/m,
  ]) {
    t.match(stdout, line)
  }
  for (const name of ['rp', 'nr', 'mr', 'drydock']) t.equal((await server.kubectl(['get', name])).code, 0, name)
})
