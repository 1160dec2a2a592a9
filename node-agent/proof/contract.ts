/** What the proof and the program in its container (container.ts) agree on. */

/** In the pod's own network namespace, so that it collides with nothing. */
export const proofPort = 8080

/** The one line of the container's log. */
export const readyLine = (token: string): string => `drydock proof ${token} is listening`

/** The same of a program that does not listen. */
export const stayLine = (token: string): string => `drydock proof ${token} is running`

/** Program in the image: `serve TOKEN`, `stay TOKEN`, and `token`, which prints the token of process 1. */
export const proofProgram: readonly string[] = ['/usr/local/bin/node', '/app/proof.cjs']
