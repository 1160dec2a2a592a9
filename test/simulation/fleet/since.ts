/** Something that holds for a node, and since when. */
export class Since {
  readonly #values = new Map<string, { value: boolean; sinceMs: number }>()

  set(name: string, value: boolean, nowMs: number): void {
    const known = this.#values.get(name)
    if (known?.value === value) return
    this.#values.set(name, { value, sinceMs: known ? nowMs : Number.NEGATIVE_INFINITY })
  }

  surely(name: string, value: boolean, beforeMs: number): boolean {
    const known = this.#values.get(name)
    return known?.value === value && known.sinceMs < beforeMs
  }

  forget(name: string): void {
    this.#values.delete(name)
  }
}
