// What a function's first parameter takes apart: `({ a, b = 1, ...rest }) => …`. The language itself reads the pattern:
// the source up to some bracket is a parameter list when it compiles as one, and taking an object apart that notes what
// it is asked for tells the names. Nothing outside of the pattern is run: every name in it means a stand-in.

const ATTEMPTS = 500 // brackets that are tried in one function
const NOTHING = { parameters: [], open: true }

/** { parameters: [{ name, required, defaultJson }], open }; open: it may take more than that. */
export function parametersOf(handler) {
  try {
    const pattern = patternOf(Function.prototype.toString.call(handler))
    return pattern === null ? NOTHING : described(pattern)
  } catch {
    return NOTHING // unknown, so nothing is refused
  }
}

/** The text of the first parameter when it is an object pattern, else null. */
function patternOf(source) {
  if (/^(async\s+)?[\w$]+\s*=>/.test(source)) return null
  const list = shortest(source, '(', ')', (text) => `(function ${text} {})`)
  if (list === null) return null
  const inner = list.slice(1).replace(/^(\s|\/\*[^]*?\*\/|\/\/.*\n)*/, '')
  return inner[0] === '{' ? shortest(inner, '{', '}', (text) => `(function (${text}) {})`) : null
}

/** The first part of a text, from one bracket to another, that compiles when it is put so. */
function shortest(text, first, last, put) {
  let attempts = 0
  for (let start = text.indexOf(first); start >= 0; start = text.indexOf(first, start + 1)) {
    for (let end = text.indexOf(last, start); end >= 0; end = text.indexOf(last, end + 1)) {
      if (++attempts > ATTEMPTS) return null
      const part = text.slice(start, end + 1)
      if (compiles(put(part))) return part
    }
  }
  return null
}

function compiles(code) {
  try {
    new Function(code)
    return true
  } catch (error) {
    if (error instanceof SyntaxError) return false
    throw error
  }
}

function described(pattern) {
  const takeApart = new Function('scope', `with (scope) { (${pattern} = arguments[1]) }`)
  const names = new Map() // → whether a pattern follows
  let open = false
  const scope = (set) => new Proxy({}, {
    has: (_, key) => key !== 'arguments',
    get: (_, key) => (key === Symbol.unscopables ? undefined : standIn()),
    set: (_, key, value) => { set(value); return true },
  })
  takeApart(scope(() => {}), new Proxy({}, {
    get: (_, key) => {
      names.set(key, false)
      return standIn(() => names.set(key, true))
    },
    ownKeys: () => { open = true; return [] },
  }))
  const parameters = [...names].map(([name, deep]) => {
    let given
    let current
    try {
      takeApart(scope((value) => { if (current === name) given = value }), new Proxy({}, {
        get: (_, key) => {
          current = key
          return key === name ? undefined : standIn()
        },
        ownKeys: () => { current = null; return [] },
      }))
    } catch {
      return { name, required: true, defaultJson: '' } // a pattern without a default has nothing to take apart
    }
    return deep ? { name, required: false, defaultJson: '' } : { name, required: given === undefined, defaultJson: json(given) }
  })
  return { parameters, open }
}

const marks = new WeakSet()

/** Stands for any value: can be called, taken apart, and asked for anything. */
function standIn(asked = () => {}) {
  const one = new Proxy(function () {}, {
    get: (_, key) => {
      asked()
      if (key === Symbol.toPrimitive) return () => ''
      if (key === Symbol.iterator) return function* () { for (let n = 0; n < 100; n++) yield standIn() }
      return standIn()
    },
    has: () => true,
    ownKeys: () => { asked(); return ['prototype'] },
    apply: () => standIn(),
    construct: () => standIn(),
  })
  marks.add(one)
  return one
}

/** Of a default that is a literal; empty for others. */
function json(value) {
  let strange = false
  const text = JSON.stringify(value, (_, one) => {
    strange ||= typeof one === 'function' || marks.has(one)
    return one
  })
  return strange || text === undefined ? '' : text
}
