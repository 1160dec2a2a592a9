/** Where programs come from and what becomes of the former engine: the same in a profile and in the order to a node. */
import { obj, oneOf, str } from '../schema.ts'
import * as rules from './rules.ts'

const url = (description: string, example: string) =>
  str(description, { maxLength: 2048, 'x-kubernetes-validations': rules.archiveUrlRules(example) })

const sha256 = str('The SHA-256 of the file behind the address, in lower-case hexadecimal.', {
  maxLength: 64,
  'x-kubernetes-validations': rules.sha256Rules,
})

const required = ['url', 'sha256']

export const engineSource = obj(
  'Where the engine comes from. Exactly one of the three. Absent: the same as preinstalled.',
  {
    package: obj(
      'The packages of the node’s own distribution (apt, dnf, zypper). A package that is held is changed all the same, and held again afterwards.',
      {},
    ),
    archive: obj(
      'A release archive in the upstream layout of the engine.',
      {
        url: url('An https address of the archive.', 'https://example.com/containerd.tar.gz'),
        sha256,
        cniPlugins: obj(
          'A release archive of the CNI plugins, for nodes whose own are too old or missing.',
          { url: url('An https address of the archive.', 'https://example.com/cni-plugins.tgz'), sha256 },
          { required },
        ),
      },
      { required },
    ),
    preinstalled: obj('The engine is on the node already; Drydock only configures it, and switches to it.', {}),
  },
  { 'x-kubernetes-validations': rules.engineSourceRules },
)

export const handlerArchive = obj(
  'The program of a runc or crun release, a single file. Absent: a program that is on the node already.',
  { url: url('An https address of the program.', 'https://example.com/runc.amd64'), sha256 },
  { required },
)

export const migration = obj('What happens when a node gets another engine.', {
  images: oneOf(
    'How images reach the store of the new engine: transfer carries those that the node’s pods need from the old one, pull fetches them from their registries before the kubelet starts again. Absent: the kubelet pulls what it needs.',
    ['transfer', 'pull'],
  ),
  previousEngine: oneOf(
    'What becomes of the former engine: keep leaves it running for others, disable stops it and keeps it from starting, purge also removes its store after the soak. Absent: disable, but refused as long as containers run on it that are not the kubelet’s.',
    ['keep', 'disable', 'purge'],
    { 'x-kubernetes-validations': rules.previousEngineRules },
  ),
})
