// Tools in JavaScript: a file to be served, and a worker that uses those of others.
let called = 0

/** Makes it loud. */
function shout({ text, mark = '!' }) {
  called += 1
  return { text: text.toUpperCase() + mark, called, pid: process.pid }
}

async function* countTo({ n }) {
  for (let i = 1; i <= n; i += 1) yield i
}

function fail() {
  throw new RangeError('out of range')
}

async function nap({ seconds }, { signal }) {
  return new Promise((done, refuse) => {
    const timer = setTimeout(() => done('rested'), seconds * 1000)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      refuse(signal.reason)
    })
  })
}

async function use({ tool, args }, { session }) {
  try {
    return await session.callTool(tool, args)
  } catch (error) {
    return [error.constructor.name, error.kind, error.reason]
  }
}

export const commands = { shout, countTo, fail, nap, use }
