/** Judges the RuntimeProfiles of one file as the API server would. Pure. */
import {
  type Document,
  type DocumentOptions,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParseOptions,
  parseAllDocuments,
  type ScalarTag,
  type SchemaOptions,
} from 'yaml'
import { type Validate, withoutNulls } from '../../crds/validate.ts'
import { locate } from './locate.ts'

export interface Verdict {
  /** `FILE:LINE: field: sentence`, one each. */
  readonly problems: readonly string[]
  /** `FILE:LINE: …` of documents that are something else. */
  readonly skipped: readonly string[]
  /** How many RuntimeProfiles there are, right or wrong. */
  readonly profiles: number
  /** Their contents, as far as they can be read. */
  readonly objects: readonly unknown[]
}

export interface Source {
  /** As the person wrote it; `-` for standard input. */
  readonly name: string
  readonly text: string
}

/** kubectl reads YAML 1.1 words as booleans too: a label value `on` or `yes` without quotes is none. */
const words: ScalarTag = {
  default: true,
  tag: 'tag:yaml.org,2002:bool',
  test: /^(?:[yYnN]|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF)$/,
  resolve: (text) => /^(?:y|yes|on)$/i.test(text),
}

const asKubectl: SchemaOptions & DocumentOptions & ParseOptions = {
  merge: true,
  customTags: (tags) => [...tags, words],
  prettyErrors: false,
}

export const check = ({ name, text }: Source, validate: Validate): Verdict => {
  const counter = new LineCounter()
  const at = (offset: number): string => `${name}:${counter.linePos(offset).line}`
  const documents = parseAllDocuments(text, { ...asKubectl, lineCounter: counter }) as Document.Parsed[]
  const broken = documents.flatMap(({ errors }) => errors)
  // A broken document is only half understood: what its fields would say is not to be trusted.
  if (broken.length > 0) {
    const problems = broken.map(({ pos, message }) => `${at(pos[0])}: not valid YAML: ${sentence(message)}`)
    return { problems, skipped: [], profiles: 0, objects: [] }
  }
  const objects = documents.flatMap((document) => objectsOf(document.contents).map((node) => ({ document, node })))
  const mine = objects.filter(({ node }) => kindOf(node) === 'RuntimeProfile')
  return {
    problems: mine.flatMap(({ document, node }) =>
      validate(node.toJS(document)).map(
        ({ field, message }) => `${at(locate(node, field))}: ${field === '' ? 'object' : field}: ${message}`,
      ),
    ),
    skipped: objects
      .filter((object) => !mine.includes(object))
      .map(({ node }) => `${at(node.range?.[0] ?? 0)}: skipped: ${title(node)} is no RuntimeProfile`),
    profiles: mine.length,
    objects: mine.map(({ document, node }) => withoutNulls(node.toJS(document))),
  }
}

/** The objects of a document: itself, or the items of a List as `kubectl get -o yaml` prints it. Empty ones are none. */
const objectsOf = (contents: Node | null): readonly Node[] => {
  if (contents === null || (isScalar(contents) && contents.value === null)) return []
  const items = isMap(contents) && kindOf(contents) === 'List' ? contents.get('items') : undefined
  return isSeq(items) ? items.items.filter(isNode) : [contents]
}

const kindOf = (object: Node): unknown => (isMap(object) ? object.get('kind') : undefined)

const title = (object: Node): string => {
  if (!isMap(object)) return 'a document without fields'
  const name = object.getIn(['metadata', 'name'])
  return [kindOf(object) ?? 'an object without kind', name].filter((part) => part !== undefined).join(' ')
}

const sentence = (message: string): string => message.replaceAll(/\s+/g, ' ')
