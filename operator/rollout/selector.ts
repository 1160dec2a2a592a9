import type { RuntimeProfileSpec } from '../../crds/types.gen.ts'

type Selector = RuntimeProfileSpec['nodeSelector']
type Labels = Readonly<Record<string, string>>

/** Whether the labels meet every requirement, by the rules of metav1.LabelSelector: an empty selector selects all. */
export function selects(selector: Selector, labels: Labels): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every((requirement) => meets(requirement, labels[requirement.key]))
  )
}

function meets(
  { operator, values = [] }: NonNullable<Selector['matchExpressions']>[number],
  value: string | undefined,
): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
  }
}

/** The selector as the query of a list has it. */
export function selectorText({ matchLabels = {}, matchExpressions = [] }: Selector): string {
  const texts = {
    In: (key: string, values: readonly string[]) => `${key} in (${values.join(',')})`,
    NotIn: (key: string, values: readonly string[]) => `${key} notin (${values.join(',')})`,
    Exists: (key: string) => key,
    DoesNotExist: (key: string) => `!${key}`,
  }
  return [
    ...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`),
    ...matchExpressions.map(({ key, operator, values = [] }) => texts[operator](key, values)),
  ].join(',')
}
