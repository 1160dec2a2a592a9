import { access } from 'node:fs/promises'
import { dirname } from 'node:path'
import t from 'tap'
import { startApiServer } from './server.ts'

t.test('the API server of the tests', async (t) => {
  const server = await startApiServer({ log: (line) => t.comment(line) })
  t.teardown(() => server.stop())
  const post = async (path: string, body: unknown) => {
    const answer = await server.request(path, { method: 'POST', body })
    t.equal(answer.status, 201, answer.body.message)
  }
  const name = 'courier'
  await post('/api/v1/namespaces', { metadata: { name: 'drydock' } })
  await post('/api/v1/namespaces/drydock/serviceaccounts', { metadata: { name } })
  await post('/api/v1/nodes', { metadata: { name: 'worker-1' } })
  const spec = { serviceAccountName: name, nodeName: 'worker-1', containers: [{ name, image: 'none' }] }
  await post('/api/v1/namespaces/drydock/pods', { metadata: { name: 'courier-1' }, spec })

  t.test('a token bound to a pod carries its node', async (t) => {
    const token = await server.serviceAccountToken({ namespace: 'drydock', name, pod: 'courier-1' })
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' }
    const { body } = await server.request('/apis/authentication.k8s.io/v1/selfsubjectreviews', {
      method: 'POST',
      token,
      body: review,
    })
    t.equal(body.status.userInfo.username, 'system:serviceaccount:drydock:courier')
    t.strictSame(body.status.userInfo.extra['authentication.kubernetes.io/node-name'], ['worker-1'])
  })

  t.test('RBAC is on', async (t) => {
    const token = await server.serviceAccountToken({ namespace: 'drydock', name })
    t.equal((await server.request('/api/v1/nodes', { token })).status, 403)
    const kubeconfig = await server.kubeconfig(token)
    t.match(await server.kubectl(['get', 'nodes'], { kubeconfig }), { code: 1, stderr: /forbidden/ })
    t.match(await server.kubectl(['get', 'nodes', '-o', 'name']), { code: 0, stdout: 'node/worker-1\n' })
  })

  t.test('nothing of it is left behind', async (t) => {
    await server.stop()
    await t.rejects(server.request('/readyz'), { code: 'ECONNREFUSED' })
    await t.rejects(access(dirname(server.kubeconfigPath)), { code: 'ENOENT' })
  })
})
