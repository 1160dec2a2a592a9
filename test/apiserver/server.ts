/**
 * A real API server for tests: etcd and kube-apiserver on 127.0.0.1, RBAC on, no nodes and no controllers.
 * It is up in seconds, and gone with the process that started it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { request as httpsRequest } from 'node:https'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { kubernetes } from '../cluster/binaries.ts'
import { Cache } from '../cluster/cache.ts'
import { type Output, run } from '../cluster/process.ts'
import { Progress, waitFor } from '../cluster/progress.ts'
import { settingsFrom } from '../cluster/settings.ts'

export interface Answer {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever the API server says
  body: any
}

export interface Request {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  body?: unknown
  headers?: Record<string, string>
  /** Default: the administrator's. */
  token?: string
}

export interface ServiceAccount {
  namespace: string
  name: string
  /** A pod that the token is bound to; when the pod has a node, the token carries the node's name. */
  pod?: string
}

export interface ApiServer {
  readonly url: string
  /** PEM of the certificate authority of `url`. */
  readonly ca: string
  /** Bearer token of an administrator (system:masters). */
  readonly token: string
  /** Of the administrator. */
  readonly kubeconfigPath: string
  /** One request with a JSON body and a JSON answer, whatever its status. */
  request(path: string, request?: Request): Promise<Answer>
  /** A token of a service account that exists, by the TokenRequest API. */
  serviceAccountToken(account: ServiceAccount): Promise<string>
  /** Path of a kubeconfig for somebody else's token. */
  kubeconfig(token: string): Promise<string>
  kubectl(argv: readonly string[], options?: { input?: string; kubeconfig?: string }): Promise<Output>
  /** Ends both processes and removes their files. */
  stop(): Promise<void>
}

const folderPrefix = 'drydock-apiserver-'

/** Throws when a program cannot be had or does not come up; the end of its log is then in the message. */
export async function startApiServer({
  log = () => undefined,
}: {
  log?: (line: string) => void
} = {}): Promise<ApiServer> {
  const settings = settingsFrom(process.env)
  const progress = new Progress(log)
  const programs = (await kubernetes(new Cache(settings.cache, progress), settings)).folder
  await removeLeftovers()
  return progress.step('starting etcd and kube-apiserver', async () => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await start(programs)
      } catch (error) {
        // A free port is only free until somebody else takes it.
        if (attempt === 3 || !String(error).includes('address already in use')) throw error
      }
    }
  })
}

async function start(programs: string): Promise<ApiServer> {
  const folder = await mkdtemp(join(tmpdir(), `${folderPrefix}${process.pid}-`))
  const processes = new Processes(folder)
  const stop = async () => {
    await processes.stop()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const token = randomUUID()
    const url = await launch(programs, folder, processes, token)
    return await connect({ url, token, folder, programs, stop })
  } catch (error) {
    await stop()
    throw error
  }
}

/** Starts both programs and waits until the API is ready. Resolves with its address. */
async function launch(programs: string, folder: string, processes: Processes, token: string): Promise<string> {
  const [client, peer, secure] = await freePorts(3)
  const etcd = `http://127.0.0.1:${client}`
  processes.start('etcd', [
    join(programs, 'etcd'),
    `--data-dir=${join(folder, 'etcd')}`,
    `--listen-client-urls=${etcd}`,
    `--advertise-client-urls=${etcd}`,
    `--listen-peer-urls=http://127.0.0.1:${peer}`,
    `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
    `--initial-cluster=default=http://127.0.0.1:${peer}`,
    '--unsafe-no-fsync',
    '--log-level=warn',
  ])
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const [privateKey, publicKey, tokens] = ['sa.key', 'sa.pub', 'tokens.csv'].map((name) => join(folder, name))
  await writeFile(privateKey!, keys.privateKey.export({ type: 'sec1', format: 'pem' }), { mode: 0o600 })
  await writeFile(publicKey!, keys.publicKey.export({ type: 'spki', format: 'pem' }))
  await writeFile(tokens!, `${token},admin,admin,"system:masters"\n`, { mode: 0o600 })
  processes.start('kube-apiserver', [
    join(programs, 'kube-apiserver'),
    `--etcd-servers=${etcd}`,
    '--bind-address=127.0.0.1',
    '--advertise-address=127.0.0.1',
    `--secure-port=${secure}`,
    `--cert-dir=${folder}`,
    // Nobody routes to this server's own Service, and a loopback address cannot be an endpoint.
    '--endpoint-reconciler-type=none',
    '--service-cluster-ip-range=10.96.0.0/16',
    '--authorization-mode=Node,RBAC',
    '--allow-privileged=true',
    `--token-auth-file=${tokens}`,
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    `--service-account-signing-key-file=${privateKey}`,
    `--service-account-key-file=${publicKey}`,
  ])
  const url = `https://127.0.0.1:${secure}`
  await waitFor('the API server', async () => processes.check() ?? (await notReady(url, folder, token)), {
    timeout: 60_000,
    every: 100,
  })
  return url
}

async function notReady(url: string, folder: string, token: string): Promise<string | undefined> {
  try {
    const ca = await readFile(join(folder, 'apiserver.crt'), 'utf8')
    const { status, body } = await call({ url, ca, token }, '/readyz?verbose', {})
    return status === 200 ? undefined : String(body)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

interface Connection {
  url: string
  token: string
  folder: string
  programs: string
  stop: () => Promise<void>
}

async function connect({ url, token, folder, programs, stop }: Connection): Promise<ApiServer> {
  // kube-apiserver makes a certificate of its own in --cert-dir; the authority that signed it stands behind it in the file.
  const ca = await readFile(join(folder, 'apiserver.crt'), 'utf8')
  const kubeconfig = async (user: string): Promise<string> => {
    const path = join(folder, `kubeconfig-${randomUUID()}`)
    await writeFile(path, kubeconfigFor({ url, ca, token: user }), { mode: 0o600 })
    return path
  }
  const kubeconfigPath = await kubeconfig(token)
  const request = (path: string, options: Request = {}) => call({ url, ca, token }, path, options)
  return {
    url,
    ca,
    token,
    kubeconfigPath,
    request,
    kubeconfig,
    stop,
    serviceAccountToken: (account) => serviceAccountToken(request, account),
    kubectl: (argv, options = {}) =>
      run([join(programs, 'kubectl'), `--kubeconfig=${options.kubeconfig ?? kubeconfigPath}`, ...argv], {
        timeout: 60_000,
        env: { ...process.env, HOME: folder },
        ...(options.input === undefined ? {} : { input: options.input }),
      }),
  }
}

async function serviceAccountToken(request: ApiServer['request'], account: ServiceAccount): Promise<string> {
  const { namespace, name, pod } = account
  const bound = pod && (await request(`/api/v1/namespaces/${namespace}/pods/${pod}`)).body
  const { status, body } = await request(`/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`, {
    method: 'POST',
    body: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        expirationSeconds: 3600,
        ...(bound && { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: pod, uid: bound.metadata.uid } }),
      },
    },
  })
  if (status !== 201) throw new Error(`no token for ${namespace}/${name}: ${body.message}`)
  return body.status.token
}

function kubeconfigFor({ url, ca, token }: { url: string; ca: string; token: string }): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name: 'test', cluster: { server: url, 'certificate-authority-data': Buffer.from(ca).toString('base64') } },
    ],
    users: [{ name: 'test', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    'current-context': 'test',
  })
}

type Target = Pick<ApiServer, 'url' | 'ca' | 'token'>

function call(target: Target, path: string, { method = 'GET', body, headers, token }: Request): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = httpsRequest(new URL(path, target.url), {
      method,
      ca: target.ca,
      headers: {
        authorization: `Bearer ${token ?? target.token}`,
        accept: 'application/json',
        'content-type': 'application/json',
        ...headers,
      },
    })
    sent.on('error', reject)
    sent.on('response', (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      answer.on('end', () => {
        const json = answer.headers['content-type']?.includes('json')
        resolve({ status: answer.statusCode ?? 0, body: json ? JSON.parse(text) : text })
      })
    })
    sent.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

/** Ports that nobody listens on now. Asked for together, so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1')
      await new Promise((resolve, reject) => server.once('listening', resolve).once('error', reject))
      return server
    }),
  )
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

/** The two programs. They get a signal from the kernel when this process dies, however it dies. */
class Processes {
  readonly #folder: string
  readonly #running: { name: string; child: ChildProcess; ended: Promise<void> }[] = []
  #failure: string | undefined
  #stopping = false
  constructor(folder: string) {
    this.#folder = folder
  }

  start(name: string, argv: readonly string[]): void {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...argv], {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: this.#folder,
    })
    let tail = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        tail = (tail + chunk.toString()).slice(-4000)
      })
    }
    const ended = new Promise<void>((resolve) => {
      child.on('error', (error) => {
        this.#failure ??= `cannot start ${name}: ${error.message}`
        resolve()
      })
      child.on('close', (code, signal) => {
        if (!this.#stopping) this.#failure ??= `${name} ended with ${code ?? signal}:\n${tail}`
        resolve()
      })
    })
    this.#running.push({ name, child, ended })
  }

  /** Throws when one of them has ended by itself. */
  check(): undefined {
    if (this.#failure) throw new Error(this.#failure)
  }

  async stop(): Promise<void> {
    this.#stopping = true
    // The API server first, and neither gets time to say goodbye: nothing of theirs is kept.
    for (const { child, ended } of this.#running.reverse()) {
      child.kill('SIGKILL')
      await ended
    }
  }
}

/** Folders of processes that were killed before they could remove them. */
async function removeLeftovers(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const [, pid] = new RegExp(`^${folderPrefix}(\\d+)-`).exec(name) ?? []
    if (pid && !isAlive(Number(pid))) await rm(join(tmpdir(), name), { recursive: true, force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
