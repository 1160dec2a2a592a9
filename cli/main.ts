/** `drydock`, also as `kubectl drydock`: looks at what the operator and the agents do. It changes nothing. */
import { Command, Option } from 'commander'
import { KubeClient } from '../kube/client.ts'
import { kubeconfigTransport } from '../kube/kubeconfig.ts'
import { plan } from './commands/plan.ts'
import { report } from './commands/report.ts'
import { status } from './commands/status.ts'

const program = new Command('drydock')
  .description('Looks at the container runtime of the nodes of a cluster, as Drydock keeps it')
  .option('--kubeconfig <path>', 'kubeconfig file (default: $KUBECONFIG, then ~/.kube/config)')

/** Waits until a pipe has taken everything: the process ends right after. */
const print = (text: string) => new Promise<void>((resolve) => process.stdout.write(text, () => resolve()))

const client = () => new KubeClient(kubeconfigTransport(program.opts<{ kubeconfig?: string }>().kubeconfig))

program
  .command('status')
  .description('each profile with the sentence that says where it is, each node with its phase')
  .action(async () => print(await status(client())))
program
  .command('plan [node]')
  .description('what the current order changes on each node, as a diff')
  .action(async (node?: string) => print(await plan(client(), node)))
program
  .command('report [name]')
  .description('a MigrationReport, by default the newest')
  .addOption(new Option('-o, --output <format>', 'format').choices(['md', 'json']).default('md'))
  .action(async (name: string | undefined, { output }: { output: 'md' | 'json' }) =>
    print(await report(client(), name, output)),
  )

const main = async () => {
  try {
    await program.parseAsync()
    // Kept-alive connections would hold the process for their idle time.
    process.exit()
  } catch (error) {
    console.error(`drydock: ${error instanceof Error ? error.message : String(error)}`)
    process.exit(1)
  }
}
void main()
