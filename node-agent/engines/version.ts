/** Pure: versions as profiles ask for them and as programs and packages say them. */

/** "2.3" asks for any 2.3.x; "1.6.20" for 1.6.20 in any build, such as 1.6.20~ds1. */
export function isVersion(found: string | undefined, wanted: string): boolean {
  const exact = wanted.replace(/^v/, '')
  return found === exact || (found?.startsWith(exact) === true && /[.~+-]/.test(found[exact.length]!))
}
