import t from 'tap'
import { nameOf, type PodObject, planDrain, projectPod } from '../../operator/controllers/drain/plan.ts'

const owned = (kind: string) => [{ apiVersion: 'apps/v1', kind, name: 'o', uid: 'u', controller: true }]
const pod = (name: string, over: Partial<PodObject['metadata']> = {}, rest: Partial<PodObject> = {}): PodObject => ({
  metadata: { namespace: 'shop', name, uid: name, ownerReferences: owned('ReplicaSet'), ...over },
  status: { phase: 'Running' },
  ...rest,
})
const emptyDir = { spec: { volumes: [{ name: 'config' }, { name: 'data', emptyDir: {} }] } }
const strict = { deleteEmptyDirData: false, deleteUnmanagedPods: false }

t.test('what becomes of each kind of pod', async (t) => {
  const mirror = { annotations: { 'kubernetes.io/config.mirror': 'x' }, ownerReferences: owned('Node') }
  const cases: [string, PodObject, 'stay' | 'leaving' | 'evict' | string][] = [
    ['of a ReplicaSet', pod('a'), 'evict'],
    ['of a StatefulSet', pod('a', { ownerReferences: owned('StatefulSet') }), 'evict'],
    ['of a DaemonSet', pod('a', { ownerReferences: owned('DaemonSet') }), 'stay'],
    ['of a DaemonSet with local data', pod('a', { ownerReferences: owned('DaemonSet') }, emptyDir), 'stay'],
    ['a mirror pod', pod('a', mirror), 'stay'],
    ['finished', pod('a', { ownerReferences: [] }, { status: { phase: 'Succeeded' } }), 'stay'],
    ['failed', pod('a', {}, { status: { phase: 'Failed' } }), 'stay'],
    ['on its way out', pod('a', { deletionTimestamp: 'now', ownerReferences: [] }), 'leaving'],
    ['without a controller', pod('a', { ownerReferences: [] }), 'UnmanagedPod'],
    [
      'owned, but by no controller',
      pod('a', { ownerReferences: [{ ...owned('Job')[0]!, controller: false }] }),
      'UnmanagedPod',
    ],
    ['with local data', pod('a', {}, emptyDir), 'EmptyDirData'],
    ['pending', pod('a', {}, { status: { phase: 'Pending' } }), 'evict'],
  ]
  for (const [name, given, wanted] of cases) {
    const { evict, leaving, blocking } = planDrain([projectPod(given)], strict)
    const fate = evict[0] ? 'evict' : leaving[0] ? 'leaving' : (blocking[0]?.reason ?? 'stay')
    t.equal(fate, wanted, name)
  }
})

t.test('leave given in the profile lets such pods go', async (t) => {
  const pods = [pod('bare', { ownerReferences: [] }), pod('data', {}, emptyDir)]
  t.same(planDrain(pods, { deleteEmptyDirData: true, deleteUnmanagedPods: true }).evict.map(nameOf), [
    'shop/bare',
    'shop/data',
  ])
  t.same(
    planDrain(pods, { ...strict, deleteUnmanagedPods: true }).blocking.map(({ reason }) => reason),
    ['EmptyDirData'],
  )
})

t.test('each reason names the pod and what to do', async (t) => {
  const { blocking } = planDrain([pod('data', {}, emptyDir), pod('bare', { ownerReferences: [] })], strict)
  t.match(
    blocking[0]?.message,
    /Pod shop\/bare has no controller .*delete it, or set rollout\.drain\.deleteUnmanagedPods/,
  )
  t.match(blocking[1]?.message, /Pod shop\/data has data in the emptyDir volume data .*deleteEmptyDirData/)
})
