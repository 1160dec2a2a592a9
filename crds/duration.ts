/** The duration strings of the API, such as `90s`, `10m` or `1h30m`. */

const form = /^(?=\d)(?:(?<hours>\d{1,5})h)?(?:(?<minutes>\d{1,5})m)?(?:(?<seconds>\d{1,5})s)?$/

/** Milliseconds of a duration as the API accepts it. Throws RangeError with a sentence that says what to write. */
export const parseDuration = (text: string): number => {
  const { hours = '0', minutes = '0', seconds = '0' } = form.exec(text)?.groups ?? refuse(text)
  return ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000
}

const refuse = (text: string): never => {
  throw new RangeError(`"${text.slice(0, 40)}" is not a duration; write one such as 90s, 10m or 1h30m`)
}
