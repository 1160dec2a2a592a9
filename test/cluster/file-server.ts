// Serves a folder: node file-server.ts ADDRESS PORT FOLDER [CERTIFICATE KEY]. Over HTTPS when it has a certificate.
//
// Below /truncated/ an answer ends half way, as when the connection breaks; below /stalled/ it stops half way and the
// connection stays, as with a mirror that has died.
import { createReadStream, readFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { join, normalize } from 'node:path'

const faults = /^\/(truncated|stalled)(?=\/)/

async function answer(folder: string, url: string, response: ServerResponse): Promise<void> {
  const asked = normalize(`/${decodeURIComponent(new URL(url, 'http://here').pathname)}`)
  const fault = faults.exec(asked)?.[1]
  const path = join(folder, asked.replace(faults, ''))
  const found = await stat(path).catch(() => undefined)
  if (!found?.isFile()) {
    response.writeHead(404).end()
    return
  }
  response.writeHead(200, { 'content-length': found.size, 'last-modified': found.mtime.toUTCString() })
  if (!fault) {
    createReadStream(path).pipe(response)
    return
  }
  const half = createReadStream(path, { end: Math.floor(found.size / 2) })
  half.pipe(response, { end: false })
  if (fault === 'truncated') half.on('end', () => response.destroy())
}

const [address = '', port = '', folder = '', certificate, key] = process.argv.slice(2)
const listener = (request: IncomingMessage, response: ServerResponse) => {
  answer(folder, request.url ?? '/', response).catch(() => response.destroy())
}
const server =
  certificate && key
    ? createSecureServer({ cert: readFileSync(certificate), key: readFileSync(key) }, listener)
    : createServer(listener)
server.listen(Number(port), address)
