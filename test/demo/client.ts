/**
 * A client that keeps calling a URL, twenty times a second over new connections, until its standard input ends. Then it
 * prints one JSON line: `{calls, failed, longestGapMs, errors}`. It runs inside the cluster's network.
 */
import { get } from 'node:http'

const url = process.argv[2]
if (url === undefined) throw new Error('usage: client.ts URL')

const result = { calls: 0, failed: 0, longestGapMs: 0, errors: [] as string[] }
let lastAnswer = performance.now()

const answered = (failure?: string) => {
  result.calls += 1
  const now = performance.now()
  if (failure === undefined) {
    result.longestGapMs = Math.max(result.longestGapMs, Math.round(now - lastAnswer))
    lastAnswer = now
    return
  }
  result.failed += 1
  if (result.errors.length < 5) result.errors.push(failure)
}

const call = () => {
  const request = get(url, { agent: false, timeout: 2000 }, (response) => {
    response.resume()
    response.on('end', () => answered(response.statusCode === 200 ? undefined : `HTTP ${response.statusCode}`))
  })
  request.on('timeout', () => request.destroy(new Error('no answer within 2 s')))
  request.on('error', (error) => answered(error.message))
}

const timer = setInterval(call, 50)
process.stdin.resume().on('end', () => {
  clearInterval(timer)
  // The calls under way count: they answer or time out first.
  setTimeout(() => console.log(JSON.stringify(result)), 2100)
})
