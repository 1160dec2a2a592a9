/** Text of the cluster inside Markdown. Pure. */

/** What Markdown gives a meaning to. A name such as kata_x keeps its underline: inside a word it has none. */
const meaning = /[\\`*[~]|<(?=[A-Za-z/!?])|&(?=[#A-Za-z])|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])/g

/** The beginning of a heading, an item, a quotation or a rule; of a numbered item what is before its point. */
const opening = /^(?=(?:#{1,6}|[-+])(?:\s|$)|>|[-=]+$)|^(\d+)(?=[.)](?:\s|$))/

/** One line that Markdown shows as it was written, wherever it stands: other people's text opens no heading and no tag. */
export const prose = (text: string): string =>
  text.replaceAll(/\s+/g, ' ').trim().replaceAll(meaning, '\\$&').replace(opening, '$1\\')

/** The same for a cell of a table. */
export const cell = (text: string): string => prose(text).replaceAll('|', '\\|')
