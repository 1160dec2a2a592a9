/** The part of RuntimeProfile that says how nodes get to the target: rollout and verify. */
import { bool, duration, int, intOrPercent, listMap, obj, str } from '../schema.ts'
import * as rules from './rules.ts'
import { labelSelector } from './selector.ts'

const gateObject = obj(
  'What the expression is about: one object by its name, or all of a kind. The chart’s value operator.gateRules must let the operator read it.',
  {
    apiVersion: str('Group and version, such as apps/v1; v1 for the core group.', {
      maxLength: 317,
      'x-kubernetes-validations': rules.apiVersionRules,
    }),
    kind: str('Kind, such as Deployment.', { maxLength: 63, 'x-kubernetes-validations': rules.kindRules }),
    namespace: str('Namespace of a kind that has one. Absent: the objects of all namespaces.', {
      maxLength: 63,
      'x-kubernetes-validations': rules.dnsLabelRules,
    }),
    name: str('Name of the one object. While it is not there, the gate does not hold.', {
      maxLength: 253,
      'x-kubernetes-validations': rules.dnsNameRules,
    }),
    labelSelector: labelSelector('Selects some of the kind. Absent: all of them, at most 500.'),
  },
  { required: ['apiVersion', 'kind'], 'x-kubernetes-validations': rules.gateObjectRules },
)

const gate = obj(
  'One gate.',
  {
    name: str('Name of the gate.', { maxLength: 63, 'x-kubernetes-validations': rules.dnsLabelRules }),
    object: gateObject,
    cel: str(
      'A CEL expression that must be true: `object` is the object of that name, `objects` is the list of those that were selected. An expression that fails does not hold.',
      { maxLength: 4096 },
    ),
    message: str('What people read while the gate does not hold. Absent: the expression.', { maxLength: 512 }),
  },
  { required: ['name', 'object', 'cel'] },
)

export const rollout = obj(
  'How fast and under which conditions nodes are changed.',
  {
    maxUnavailable: intOrPercent(
      'How many of the profile’s nodes may be out of service at once, as a number or a percentage (rounded down, at least 1). Nodes that are unavailable for other reasons count.',
      { default: 1, 'x-kubernetes-validations': rules.maxUnavailableRules },
    ),
    canary: obj(
      'Change a few nodes first and watch them before the rest. A canary that fails stops the rollout whatever the failureBudget. Nodes that get back what they ran before wait for no canary.',
      {
        nodes: intOrPercent(
          'How many nodes go first: a number, or a percentage of the profile’s nodes (rounded down, at least 1).',
          { default: 1, 'x-kubernetes-validations': rules.maxUnavailableRules },
        ),
        soak: duration(
          'How long the canary nodes must stay proven, Ready and without drift before the rest follows; counted anew when a canary was not Ready.',
          { to: '168h' },
        ),
      },
      { required: ['soak'] },
    ),
    failureBudget: int('How many nodes may fail before the rollout stops. 1 stops at the first failure.', {
      minimum: 1,
      maximum: 10000,
      default: 1,
    }),
    window: obj(
      'When changes that disrupt may start: those that drain the node, and those that restart its engine. Nodes are prepared at any time, and a node under way finishes.',
      {
        cron: str(
          'Start of the window as a cron expression of five fields. A start that the clock skips in spring is made up for right after; one that comes twice in autumn counts once, unless its hour or minute has a * or a step.',
          { maxLength: 128, 'x-kubernetes-validations': rules.cronRules },
        ),
        duration: duration('How long the window stays open.', { from: '1m', to: '168h' }),
        timeZone: str('IANA name of the time zone of the cron expression.', {
          maxLength: 64,
          default: 'UTC',
          'x-kubernetes-validations': rules.timeZoneRules,
        }),
      },
      { required: ['cron', 'duration'] },
    ),
    gates: listMap(
      'Conditions that must hold before each node starts: asked when a node could start, and every 30 seconds while one does not hold. Nodes under way finish.',
      'name',
      gate,
      { maxItems: 16 },
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
      'How long the node has to prove itself, from the stop of the kubelet to its healthy return; past it the node rolls back by itself. Images that are carried to another engine have a second more for each 10 MB.',
      { from: '10s', to: '1h', default: '2m' },
    ),
    every: duration(
      'Prove each node again at this interval, one at a time and within the window: the node stays in service, and its kubelet rests for the seconds that the proof takes. A node that fails its proof counts as failed.',
      { from: '10m', to: '720h' },
    ),
  },
  { default: {} },
)
