import { list, map, obj, oneOf, type Schema, str } from '../schema.ts'
import * as rules from './rules.ts'

/** metav1.LabelSelector, with the sentences of its fields. */
export const labelSelector = (description: string): Schema =>
  obj(
    description,
    {
      matchLabels: map(
        'Labels that must be there, all of them.',
        str('The value of the label.', { maxLength: 63, 'x-kubernetes-validations': rules.labelValueRules }),
        { maxProperties: 16, 'x-kubernetes-validations': rules.labelsRules },
      ),
      matchExpressions: list(
        'Requirements on labels that must be met, all of them.',
        obj(
          'One requirement on a label.',
          {
            key: str('The label key that the requirement is about.', {
              maxLength: 317,
              'x-kubernetes-validations': rules.labelKeyRules,
            }),
            operator: oneOf('How the label relates to the values.', ['In', 'NotIn', 'Exists', 'DoesNotExist']),
            values: list(
              'The values for In and NotIn.',
              str('One value.', { maxLength: 63, 'x-kubernetes-validations': rules.labelValueRules }),
              { maxItems: 100 },
            ),
          },
          { required: ['key', 'operator'], 'x-kubernetes-validations': rules.requirementRules },
        ),
        { maxItems: 16 },
      ),
    },
    { 'x-kubernetes-map-type': 'atomic' },
  )
