// Lines and answers of bulk work mostly look alike. For those that do, functions are made that read and write them: a
// third of the time that JSON.parse and JSON.stringify take. What they do not know they leave to these, and agree with
// them in all else.

const MOST = 4 // functions of a kind: each costs memory, and time when it is made
const PATIENCE = 8 // lines or answers that none knows before another one is made
const MOST_NAMES = 32
const LONGEST = 1024 // characters between values
const SHORT = 12 // a part of a longer text would keep the whole in memory
const FEW = 64
const MOST_DIGITS = 15 // that a Number holds
const NAME = /\s*("(?:[^"\\]|\\.)*")\s*:\s*/y
const SCALAR = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null/y
const POWERS = Array.from({ length: MOST_DIGITS + 1 }, (_, at) => 10 ** at)
const found = { end: 0 } // where the value that was read last ends

/** What has been learned for one command. */
export class Known {
  #readers = []
  #writers = []
  #unread = 0
  #unwritten = 0

  /** Arguments that begin here in a text, as JSON.parse gives them, and have been found to fit. Undefined for others. */
  read(text, at) {
    for (const reader of this.#readers) {
      const args = reader(text, at)
      if (args !== undefined && text.charCodeAt(found.end) === 10) return args
    }
    return undefined
  }

  /** Behind what was read last. */
  get end() {
    return found.end
  }

  /** These arguments of this line, an object, could not be read so, and fit. */
  learn(line, args) {
    if (++this.#unread % PATIENCE === 0 && this.#readers.length < MOST) add(this.#readers, readerFor(line, args))
  }

  /** The JSON of an answer; undefined for those that `written` has to look at. */
  write(value) {
    switch (typeof value) {
      case 'number': return value - value === 0 ? String(value) : undefined
      case 'string': return quoted(value)
      case 'object': break
      default: return undefined
    }
    for (const writer of this.#writers) {
      const text = writer(value)
      if (text !== undefined) return text
    }
    return undefined
  }

  /** This answer could not be written so. */
  learnAnswer(value) {
    if (++this.#unwritten % PATIENCE === 0 && this.#writers.length < MOST) add(this.#writers, writerFor(value))
  }
}

function add(all, made) {
  if (made !== null) all.push(made)
}

/** A function of a text and a place in it; null when the arguments are not flat. */
export function readerFor(line, args) {
  const names = Object.keys(args)
  const pieces = piecesOf(line)
  // A name that comes twice, or that stands for something else in the source of an object.
  if (pieces === null || pieces.length !== names.length + 1 || names.length > MOST_NAMES || Object.hasOwn(args, '__proto__')) return null
  if (pieces.map((one) => one.before).join('').length > LONGEST) return null
  let code = ''
  pieces.forEach(({ before }, at) => {
    const tests = Array.from(before, (_, offset) => `text.charCodeAt(at + ${offset}) !== ${before.charCodeAt(offset)}`)
    code += `if (${tests.join(' || ')}) return undefined\n`
    if (at === names.length) code += `found.end = at + ${before.length}\n`
    else code += `const v${at} = scalar(text, at + ${before.length})\nif (v${at} === undefined) return undefined\nat = found.end\n`
  })
  const members = pieces.slice(0, -1).map(({ name }, at) => `${JSON.stringify(name)}: v${at}`)
  return compiled(['found', 'scalar'], `return (text, at) => {\n${code}return { ${members.join(', ')} }\n}`, [found, scalar])
}

/** What stands before each value of a flat object, with its name, and behind the last one. */
function piecesOf(line) {
  let at = line.indexOf('{') + 1
  if (at === 0 || line.slice(0, at).trim() !== '{') return null
  let before = line.slice(0, at)
  const pieces = []
  for (;;) {
    NAME.lastIndex = at
    const name = NAME.exec(line)
    if (name === null) return null
    SCALAR.lastIndex = NAME.lastIndex
    if (!SCALAR.test(line)) return null
    pieces.push({ before: before + name[0], name: JSON.parse(name[1]) })
    const rest = /\s*,|\s*\}\s*$/y
    rest.lastIndex = SCALAR.lastIndex
    const behind = rest.exec(line)
    if (behind === null) return null
    before = behind[0]
    at = rest.lastIndex
    if (at === line.length) return [...pieces, { before }]
  }
}

/** The value that begins here when it is a short one without anything unusual. */
function scalar(text, at) {
  const first = text.charCodeAt(at)
  if (first === 34) return textAt(text, at + 1)
  if (first === 45 || (first >= 48 && first <= 57)) return numberAt(text, at, first === 45)
  const word = first === 116 ? 'true' : first === 102 ? 'false' : 'null'
  if (!text.startsWith(word, at)) return undefined
  found.end = at + word.length
  return first === 116 ? true : first === 102 ? false : null
}

function textAt(text, start) {
  let at = start
  let one = text.charCodeAt(at)
  while (one !== 34 && one !== 92 && one >= 32) one = text.charCodeAt(++at)
  if (one !== 34) return undefined // NaN at the end, too
  found.end = at + 1
  return at - start > SHORT ? JSON.parse(text.slice(start - 1, at + 1)) : text.slice(start, at)
}

function numberAt(text, start, isNegative) {
  const first = isNegative ? start + 1 : start
  let at = first
  let number = 0
  let point = 0
  let one = text.charCodeAt(at)
  for (;; one = text.charCodeAt(++at)) {
    if (one >= 48 && one <= 57) number = number * 10 + one - 48
    else if (one === 46 && point === 0 && at > first) point = at + 1
    else break
  }
  const digits = at - first - (point ? 1 : 0)
  if (digits === 0 || digits > MOST_DIGITS || point === at || one === 101 || one === 69 || one === 46) return undefined
  if (text.charCodeAt(first) === 48 && at > first + 1 && point !== first + 2) return undefined // 01
  found.end = at
  // Both are exact, so the quotient is what the digits say, rounded once.
  if (point) number /= POWERS[at - point]
  return isNegative ? -number : number
}

/** A function of a value; null when it is not plain and flat. */
export function writerFor(value) {
  if (value === null || typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype) return null
  const names = Object.keys(value)
  if (names.length === 0 || names.length > MOST_NAMES || names.some((name) => name.length > LONGEST)) return null
  if (names.some((name) => part(value[name]) === undefined)) return null
  const members = names.map((name, at) => {
    const before = JSON.stringify(`${at ? ',' : '{'}${JSON.stringify(name)}:`)
    return `const v${at} = part(value[${JSON.stringify(name)}])\nif (v${at} === undefined) return undefined\ntext += ${before} + v${at}\n`
  })
  // The names in their order: no others, and none that is inherited.
  return compiled(['names', 'part', 'plain'], `return (value) => {
    if (value === null || Object.getPrototypeOf(value) !== plain || value.toJSON !== undefined) return undefined
    let at = 0
    for (const name in value) if (name !== names[at++]) return undefined
    if (at !== names.length) return undefined
    let text = ''
    ${members.join('')}
    return text + '}'
  }`, [names, part, Object.prototype])
}

function part(value) {
  switch (typeof value) {
    case 'number': return value - value === 0 ? value : undefined
    case 'string': return quoted(value)
    case 'boolean': return value
    case 'object': return value === null ? 'null' : undefined
    default: return undefined
  }
}

function quoted(text) {
  if (text.length > FEW) return JSON.stringify(text)
  for (let at = 0; at < text.length; at++) {
    const one = text.charCodeAt(at)
    if (one < 32 || one === 34 || one === 92 || (one >= 0xd800 && one <= 0xdfff)) return JSON.stringify(text)
  }
  return `"${text}"`
}

function compiled(names, code, values) {
  try {
    return new Function(...names, `'use strict'\n${code}`)(...values)
  } catch {
    return null // the process may forbid code from texts
  }
}
