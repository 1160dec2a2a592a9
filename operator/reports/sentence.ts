/** Characters of a sentence in a status or a report, as their schemas bound it. */
const longest = 4096

/** A sentence that quotes another may become longer than the API takes, which would then refuse the whole write. */
export function cut(sentence: string): string {
  if (sentence.length <= longest) return sentence
  // Half a character would come back from the API as another one.
  return `${sentence.slice(0, longest - 1).replace(/[\uD800-\uDBFF]$/, '')}…`
}
