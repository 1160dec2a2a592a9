/** Set by the bundler. */
declare const DRYDOCK_VERSION: string | undefined

/** The version of this program; run from its sources it has none. */
export const version = (): string => (typeof DRYDOCK_VERSION === 'undefined' ? 'from-source' : DRYDOCK_VERSION)
