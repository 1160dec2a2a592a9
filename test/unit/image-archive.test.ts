import { spawnSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import { extract } from 'tar-stream'
import { type Architecture, architectures, hostArchitecture, names } from '../../images/architecture.ts'
import { archiveOf } from '../../images/archive.ts'
import { baseFor } from '../../images/base.ts'
import { agentPrograms, bundle } from '../../images/bundle.ts'
import { layerOf, sha256, tarOf } from '../../images/layer.ts'
import { Cache } from '../cluster/cache.ts'
import { Progress } from '../cluster/progress.ts'
import { settingsFrom } from '../cluster/settings.ts'

const root = resolve(import.meta.dirname, '../..')
const cache = new Cache(join(settingsFrom(process.env).cache, 'images'), new Progress((line) => t.comment(line)))

interface Found {
  mode: number
  bytes: Buffer
}

/** Files of a tar by path; `undefined` bytes never occur, folders are left out. */
async function untar(archive: Buffer): Promise<Map<string, Found>> {
  const tar = extract()
  tar.end(archive)
  const files = new Map<string, Found>()
  for await (const entry of tar) {
    const chunks: Buffer[] = []
    for await (const chunk of entry) chunks.push(chunk as Buffer)
    const { name, type, mode = 0 } = entry.header
    if (type === 'file') files.set(name, { mode, bytes: Buffer.concat(chunks) })
  }
  return files
}

async function unpack(files: Map<string, Found>, folder: string): Promise<void> {
  for (const [path, { mode, bytes }] of files) {
    await mkdir(join(folder, path, '..'), { recursive: true })
    await writeFile(join(folder, path), bytes, { mode })
  }
}

const courier = await bundle(agentPrograms[0]!, root, '1.2.3')
const imageOf = async (architecture: Architecture) => {
  const base = await baseFor(architecture, cache, root)
  const own = await layerOf([{ path: 'app/courier.cjs', mode: 0o644, bytes: courier.code }])
  const image = {
    name: 'drydock.dev/agent',
    tag: '1.2.3',
    architecture,
    description: 'd',
    layers: [base.layer, own],
    entrypoint: ['/usr/local/bin/node'],
    command: ['/app/courier.cjs'],
    contents: base.contents,
  }
  return { base, own, archive: await archiveOf(image) }
}

t.test('a tar has the same bytes whatever the order of its entries, of root and from 1970', async (t) => {
  const entries = ['b/c', 'a', 'b/a'].map((path) => ({ path, mode: 0o644, bytes: Buffer.from(path) }))
  const tar = await tarOf(entries)
  t.ok(tar.equals(await tarOf(entries.toReversed())))
  const listed: object[] = []
  const reader = extract()
  reader.end(tar)
  for await (const entry of reader) {
    const { name, uid, gid, mtime, type } = entry.header
    listed.push({ name, uid, gid, mtime: mtime?.getTime(), type })
    entry.resume()
  }
  const of = (name: string, type: string) => ({ name, uid: 0, gid: 0, mtime: 0, type })
  t.strictSame(listed, [of('a', 'file'), of('b/', 'directory'), of('b/a', 'file'), of('b/c', 'file')])
  await t.rejects(layerOf([...entries, ...entries]), { message: 'two entries of a layer have the same path' })
})

t.test('a program without its entry file is named', async (t) => {
  await t.rejects(bundle({ name: 'x', entry: 'node-agent/x/main.ts' }, root, '1'), {
    message: 'there is no node-agent/x/main.ts, from which x.cjs is made',
  })
})

for (const architecture of architectures) {
  t.test(`an image for ${architecture}`, async (t) => {
    const { base, own, archive } = await imageOf(architecture)
    const files = await untar(archive)
    const json = (path: string) => JSON.parse(String(files.get(path)?.bytes))
    const blob = (digest: string) => files.get(`blobs/${digest.replace(':', '/')}`)?.bytes as Buffer

    t.test('is the same a second time, byte for byte', async (t) => {
      t.ok((await imageOf(architecture)).archive.equals(archive))
    })

    t.test('is an image layout whose digests are true', async (t) => {
      t.strictSame(json('oci-layout'), { imageLayoutVersion: '1.0.0' })
      const [descriptor] = json('index.json').manifests
      t.match(descriptor.annotations, {
        'io.containerd.image.name': 'drydock.dev/agent:1.2.3',
        'org.opencontainers.image.ref.name': '1.2.3',
      })
      for (const [path, { bytes }] of files) {
        if (path.startsWith('blobs/')) t.equal(`blobs/${sha256(bytes).replace(':', '/')}`, path)
      }
      const manifest = JSON.parse(String(blob(descriptor.digest)))
      const config = JSON.parse(String(blob(manifest.config.digest)))
      t.equal(config.architecture, architecture)
      t.equal(config.config.User, '65532:65532')
      t.strictSame(config.config.Entrypoint, ['/usr/local/bin/node'])
      const diffIds = manifest.layers.map(({ digest }: { digest: string }) => sha256(gunzipSync(blob(digest))))
      t.strictSame(config.rootfs.diff_ids, diffIds)
      t.strictSame(diffIds, [base.layer.diffId, own.diffId])
      const [docker] = json('manifest.json')
      t.strictSame(docker.RepoTags, ['drydock.dev/agent:1.2.3'])
      t.strictSame(
        docker.Layers.map((path: string) => files.has(path)),
        [true, true],
      )
    })

    t.test('holds Node, its loader and libraries for that machine, and no shell', async (t) => {
      const { loader, folder } = names[architecture].libraries
      const content = await untar(gunzipSync(base.layer.blob))
      const programs = ['usr/local/bin/node', loader.slice(1)]
      const libraries = ['libc.so.6', 'libdl.so.2', 'libgcc_s.so.1', 'libm.so.6', 'libpthread.so.0', 'libstdc++.so.6']
      const expected = [
        ...programs,
        ...libraries.map((name) => `${folder.slice(1)}/${name}`),
        'etc/group',
        'etc/passwd',
      ]
      t.strictSame([...content.keys()].sort(), expected.sort())
      // ELF header: e_machine, little endian.
      const machine = { amd64: 0x3e, arm64: 0xb7 }[architecture]
      for (const path of expected.filter((name) => !name.startsWith('etc/'))) {
        const { bytes, mode } = content.get(path)!
        t.equal(bytes.readUInt16LE(18), machine, path)
        t.equal(mode, 0o755)
      }
      t.ok(content.get('usr/local/bin/node')?.bytes.includes(loader), 'the binary asks for that loader')
    })
  })
}

t.test('the programs run in it as nobody, with nothing else around them', async (t) => {
  const { base } = await imageOf(hostArchitecture())
  const folder = await mkdtemp(join(tmpdir(), 'drydock-image-'))
  t.teardown(() => rm(folder, { recursive: true }))
  await chmod(folder, 0o755)
  await unpack(await untar(gunzipSync(base.layer.blob)), folder)
  await mkdir(join(folder, 'app'))
  await writeFile(join(folder, 'app/courier.cjs'), courier.code)
  await writeFile(join(folder, 'chroot'), base.chroot, { mode: 0o755 })
  // The test runner puts options for Node into the environment of every child.
  const clean = (...argv: string[]) => spawnSync('env', ['-i', ...argv], { encoding: 'utf8' })
  const inside = (...argv: string[]) => clean('/usr/sbin/chroot', '--userspec=65532:65532', folder, ...argv)

  t.test('as the kernel starts them', async (t) => {
    const { status, stdout, stderr } = inside('/usr/local/bin/node', '/app/courier.cjs', '--help')
    t.equal(status, 0, stderr)
    t.match(stdout, 'drydock courier')
  })
  t.test('and say what they lack', async (t) => {
    const { status, stderr } = inside('/usr/local/bin/node', '/app/courier.cjs')
    t.equal(status, 1)
    t.equal(stderr, 'drydock courier: --node is missing: name the node that this pod is on\n')
  })
  t.test('chroot too', async (t) => t.match(inside('/chroot', '--version').stdout, 'chroot (GNU coreutils)'))
  t.test('and with their own loader from any folder, as on a host', async (t) => {
    const { loader, folder: libraries } = names[hostArchitecture()].libraries
    const argv = [
      '--library-path',
      join(folder, libraries),
      join(folder, 'usr/local/bin/node'),
      '-p',
      'process.version',
    ]
    const { status, stdout, stderr } = clean(join(folder, loader), ...argv)
    t.equal(status, 0, stderr)
    t.equal(stdout.trim(), `v${base.contents['node']}`)
  })
})
