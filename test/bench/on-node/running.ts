/** `running SOCKET`: prints the ids of the containers that run in an engine, as a JSON list. */
import { ContainerState } from '../../../node-agent/cri/gen/runtime.ts'
import { RawCri } from './raw-cri.ts'

async function main(socket = ''): Promise<void> {
  const cri = new RawCri(socket)
  const { containers } = await cri.call('listContainers', {})
  cri.close()
  const running = containers.filter(({ state }) => state === ContainerState.CONTAINER_RUNNING)
  process.stdout.write(JSON.stringify(running.map(({ id }) => id)))
}

main(process.argv[2]).catch((error: Error) => {
  process.stderr.write(`running: ${error.message}\n`)
  process.exitCode = 1
})
