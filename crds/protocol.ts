/** The names by which the parts of Drydock, and its users, find each other. Changing one breaks running clusters. */

export const group = 'drydock.dev'
export const version = 'v1alpha1'

/** The finalizer of a RuntimeProfile: its nodes get their former files back before it goes. */
export const finalizer = 'drydock.dev/restore-nodes'

/** The revision that asks for what a node ran before Drydock touched it. */
export const originalRevision = 'original'

export const annotations = {
  /** On a Node: the profile and revision that cordoned it. Only a node that bears it is ever uncordoned by Drydock. */
  cordonedBy: 'drydock.dev/cordoned-by',
  /** On a Node: what kubeadm's note of the CRI socket said before Drydock corrected it. */
  formerCriSocket: 'drydock.dev/former-cri-socket',
  /**
   * On a RuntimeProfile: any new value asks for another try of refused, rolled-back and drifted nodes.
   * On a NodeRuntime: the value that the order was written under.
   */
  retry: 'drydock.dev/retry',
  /**
   * On a RuntimeProfile: as long as it is there, whatever its value, no node starts, nodes that are being drained are
   * given back, and changes that are not committed are rolled back. Taken away: all of them have their turn again.
   */
  abort: 'drydock.dev/abort',
  /** On a NodeRuntime: the last revision that was permitted to commit. Absent: Drydock has changed nothing on the node. */
  committed: 'drydock.dev/committed-revision',
  /** On a NodeRuntime: why the operator gave the node back before its switch, for one revision and attempt. JSON. */
  gaveUp: 'drydock.dev/gave-up',
  /** On a NodeRuntime: when the node's turn began and what it ran before, for the report. JSON. */
  turn: 'drydock.dev/turn',
  /** On a NodeRuntime: the MigrationReport that the order belongs to. None: it proves the node as it is once more. */
  report: 'drydock.dev/report',
  /** On a NodeRuntime: when it was repaired after a drift, the last few times. JSON. */
  repairs: 'drydock.dev/repairs',
} as const

/** Reasons of an agent that the operator acts on. */
export const reasons = {
  /** Refused: the switch would take more than the preparation had announced. */
  actionChanged: 'ActionChanged',
} as const

/** On a Node, by kubeadm: the endpoint of its kubelet. Newer ones keep it in a file of the host instead. */
export const criSocketAnnotation = 'kubeadm.alpha.kubernetes.io/cri-socket'

/**
 * The taint that a kubelet registers its Node with (--register-with-taints=drydock.dev/not-ready=:NoSchedule), so that
 * a node which autoscaling adds takes no pods before it is proven. Drydock takes it away, and never sets it.
 */
export const startupTaint = { key: 'drydock.dev/not-ready', effect: 'NoSchedule' } as const

export const labels = {
  /** On everything that Drydock creates. */
  managedBy: 'app.kubernetes.io/managed-by',
  /** On a NodeRuntime or MigrationReport: the profile behind it. */
  profile: 'drydock.dev/profile',
  /** On a Node, with the handler's name behind it: the handler is proven there; RuntimeClasses schedule by it. */
  handlerPrefix: 'handler.drydock.dev/',
} as const

export const managedByValue = 'drydock'

/** Where the node engine listens, on the host and inside the courier's container. */
export const engineSocket = '/run/drydock/engine.sock'

/** User and group of the courier, who may talk to the engine: the `nonroot` of the images, nobody's on the host. */
export const courierID = 65532
