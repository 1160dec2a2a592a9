/** `npm run help`: lists every command with a line each. */
import { commands } from './commands.ts'

const width = Math.max(...Object.keys(commands).map((name) => name.length))
console.log('Commands (npm run NAME; arguments after --):\n')
for (const [name, text] of Object.entries(commands)) console.log(`  ${name.padEnd(width)}  ${text}`)
