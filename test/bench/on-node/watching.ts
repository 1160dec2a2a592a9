/** What a program prints first that watches a node: from then on it misses nothing. */
export const watching = 'watching\n'
