/** HTML that cannot be broken out of: whatever is put into a template is escaped, unless it is such HTML itself. */

export class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

type Part = string | number | Markup | readonly Markup[] | undefined

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** For text and for attributes in double quotes. XML, and so SVG, has no way to write control characters. */
export const escapeText = (text: string): string =>
  text.replaceAll(/[^\P{Cc}\n\t]/gu, '\uFFFD').replaceAll(/[&<>"']/g, (character) => entities[character] ?? character)

const render = (part: Part): string => {
  if (part === undefined) return ''
  if (part instanceof Markup) return part.text
  if (typeof part === 'object') return part.map(({ text }) => text).join('')
  return escapeText(String(part))
}

/** Values may stand between tags and inside quoted attributes; nowhere else does escaping protect. */
export const html = (strings: TemplateStringsArray, ...parts: Part[]): Markup =>
  new Markup(strings.reduce((text, string, index) => `${text}${render(parts[index - 1])}${string}`))
