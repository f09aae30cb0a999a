// Stack traces as the author of an adapter needs them: that one's lines, not ours.

import { spawnSync } from 'node:child_process'
import path from 'node:path'
import process from 'node:process'
import { fileURLToPath, pathToFileURL } from 'node:url'

const OURS = new URL('.', import.meta.url).href
const FOLDER = fileURLToPath(OURS)
const CHECK_MS = 10_000

/** The stack without the frames of the bridge and of Node below the adapter's. */
export function trace(error) {
  const lines = String(error?.stack ?? '').split('\n').filter((line) => !/^\s+at /.test(line) || !(line.includes(OURS) || line.includes(FOLDER)))
  while (lines.length > 1 && /^\s+at .*\(?node:/.test(lines[lines.length - 1])) lines.pop()
  return lines.join('\n')
}

/** Where a syntax error is, { where, text }: only another Node says that, when the error ends it. Null when it does not. */
export function syntaxError(file) {
  if (process.versions.bun || process.versions.deno) return null
  const again = `import(${JSON.stringify(pathToFileURL(file).href)})`
  for (const words of [['--check', file], ['--input-type=module', '--eval', again]]) {
    const { stderr } = spawnSync(process.execPath, words, { encoding: 'utf8', timeout: CHECK_MS, stdio: ['ignore', 'ignore', 'pipe'] })
    const text = (stderr ?? '').split(/\n\s+at /)[0].trim()
    const found = /^(?:file:\/\/)?(\/.*):(\d+)$/m.exec(text)
    if (found) return { where: `${path.basename(decodeURI(found[1]))}, line ${found[2]}`, text }
  }
  return null
}
