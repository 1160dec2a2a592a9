/** Colours, where the reader is a terminal. */
import { styleText } from 'node:util'

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'
export type Paint = (style: Style, text: string) => string

export const plain: Paint = (_style, text) => text
export const coloured: Paint = (style, text) => styleText(style, text, { validateStream: false })

/** Text of the cluster without control characters: what others write must not move the reader's cursor. */
export const printable = (text: string): string => text.replaceAll(/[^\P{Cc}\n\t]/gu, ' ')
