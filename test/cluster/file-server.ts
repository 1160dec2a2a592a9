// Serves a folder over HTTP: node file-server.ts ADDRESS PORT FOLDER. The local apt repository needs no more.
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import { join, normalize } from 'node:path'

async function answer(folder: string, url: string, response: ServerResponse): Promise<void> {
  const path = join(folder, normalize(`/${decodeURIComponent(new URL(url, 'http://here').pathname)}`))
  const found = await stat(path).catch(() => undefined)
  if (!found?.isFile()) {
    response.writeHead(404).end()
    return
  }
  response.writeHead(200, { 'content-length': found.size, 'last-modified': found.mtime.toUTCString() })
  createReadStream(path).pipe(response)
}

const [address = '', port = '', folder = ''] = process.argv.slice(2)
createServer((request, response) => {
  answer(folder, request.url ?? '/', response).catch(() => response.destroy())
}).listen(Number(port), address)
