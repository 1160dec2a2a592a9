/** The part of RuntimeProfile that says how nodes get to the target: rollout and verify. */
import { bool, duration, int, intOrPercent, listMap, obj, str } from '../schema.ts'
import * as rules from './rules.ts'

export const rollout = obj(
  'How fast and under which conditions nodes are changed.',
  {
    maxUnavailable: intOrPercent(
      'How many of the profile’s nodes may be out of service at once, as a number or a percentage (rounded down, at least 1). Nodes that are unavailable for other reasons count.',
      { default: 1, 'x-kubernetes-validations': rules.maxUnavailableRules },
    ),
    canary: obj(
      'Change a few nodes first and watch them before the rest.',
      {
        nodes: int('How many nodes go first.', { minimum: 1, maximum: 100 }),
        soak: duration('How long the canary nodes must stay proven before the rest follows.'),
      },
      { 'x-kubernetes-validations': rules.notSupported('rollout.canary') },
    ),
    failureBudget: int('How many nodes may fail before the rollout stops. 1 stops at the first failure.', {
      minimum: 1,
      maximum: 10000,
      default: 1,
    }),
    window: obj(
      'When changes that disrupt may start.',
      {
        cron: str('Start of the window as a cron expression of five fields.', { maxLength: 128 }),
        duration: duration('How long the window stays open.'),
        timeZone: str('IANA name of the time zone of the cron expression.', { maxLength: 64 }),
      },
      { required: ['cron', 'duration'], 'x-kubernetes-validations': rules.notSupported('rollout.window') },
    ),
    gates: listMap(
      'Conditions that must hold before each node.',
      'name',
      obj(
        'One gate.',
        {
          name: str('Name of the gate.', { maxLength: 63, 'x-kubernetes-validations': rules.dnsLabelRules }),
          cel: str('A CEL expression that must be true.', { maxLength: 4096 }),
        },
        { required: ['name', 'cel'] },
      ),
      { maxItems: 16, 'x-kubernetes-validations': rules.notSupported('rollout.gates') },
    ),
    drain: obj(
      'How pods leave a node whose change disrupts them.',
      {
        timeout: duration('How long to wait for evictions and terminations before the node is given back unchanged.', {
          default: '10m',
        }),
        deleteEmptyDirData: bool('Evict pods that use emptyDir volumes; their data is lost.'),
        deleteUnmanagedPods: bool('Evict pods that no controller will create again; they are gone.'),
        disableEviction: bool('Delete pods instead of evicting them, which ignores PodDisruptionBudgets.', {
          'x-kubernetes-validations': rules.disableEvictionRules,
        }),
      },
      { default: {} },
    ),
    paused: bool('Start no further node. Nodes under way finish.'),
  },
  { default: {} },
)

export const verify = obj(
  'How a node is proven after a change.',
  {
    timeout: duration(
      'How long the node has to prove itself, from the stop of the kubelet to its healthy return; past it the node rolls back by itself.',
      { from: '10s', to: '1h', default: '2m' },
    ),
    every: duration('Prove again at this interval.', {
      'x-kubernetes-validations': rules.notSupported('verify.every'),
    }),
  },
  { default: {} },
)
