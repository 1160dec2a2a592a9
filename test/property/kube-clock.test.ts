import fc from 'fast-check'
import t from 'tap'
import { rfc3339 } from '../../kube/clock.ts'

t.test('an instant is written as the language itself writes it', async () => {
  const instant = fc.date({ min: new Date(0), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true })
  fc.assert(fc.property(instant, (date) => rfc3339(date) === date.toISOString()))
})
