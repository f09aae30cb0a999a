// What tests/contract/test_state_doors.py asks of a worker in JavaScript.

const everywhere = ({ everywhere = false }) => ({ everywhere })

async function first(iterator, count) {
  const found = []
  for await (const one of iterator) if (found.push(one) >= count) break
  return found
}

const TOOLS = {
  add: ({ a, b = 1 }) => a + b,
  async *count({ n }) { for (let i = 0; i < n; i++) yield i },
  fail({ message }) { throw new RangeError(message) },
  async nested({ name }, ctx) { return ctx.session.get(name) },
}

const OPS = {
  id: (_, ctx) => ctx.session.id,
  metadata: (_, ctx) => ctx.metadata,
  get: ({ name }, { session }) => session.get(name),
  stale: async ({ name }, { session }) => (await session.describe(name)).stale,
  has: ({ name }, { session }) => session.has(name),
  set: ({ name, value, ...more }, { session }) => session.set(name, value, more),
  register: async ({ name, type, value, ...more }, { session }) => (await session.register(name, type, value, more)).version,
  delete: ({ name, ...more }, { session }) => session.delete(name, more),
  list: async ({ pattern }, { session }) => (await session.list(pattern)).map((one) => one.name),
  get_many: ({ names }, { session }) => session.getMany(names),
  async set_many({ values, ...more }, { session }) {
    const found = Object.entries(await session.setMany(values, more))
    return Object.fromEntries(found.map(([name, one]) => [name, one.error ? one.error.message : true]))
  },
  history: async ({ name }, { session }) => (await session.history(name)).map((one) => [one.event, one.version, one.value]),
  rollback: ({ name, version, ...more }, { session }) => session.rollback(name, version, more),
  depend: ({ name, on }, { session }) => session.depend(name, on),
  watch: async ({ pattern, count, ...more }, { session }) =>
    (await first(session.watch(pattern, more), count)).map((one) => [one.event, one.name, one.value]),
  program_put: async ({ id, data, create, ...more }, { session }) => (await session.programs.put(id, data, { create, ...everywhere(more) })).id,
  program_get: ({ id, ...more }, { session }) => session.programs.get(id, everywhere(more)),
  program_list: async ({ pattern, ...more }, { session }) => (await session.programs.list(pattern, everywhere(more))).map((one) => one.id),
  program_delete: ({ id, ...more }, { session }) => session.programs.delete(id, everywhere(more)),
  tools: async ({ pattern }, { session }) => (await session.tools(pattern)).map((one) => one.name),
  tool: async ({ name }, { session }) => (await session.tools(name))[0],
  offer: ({ name, ...more }, { session }) => session.registerTool(name, TOOLS[name], more),
  withdraw: ({ name }, { session }) => session.unregisterTool(name),
  call_tool: ({ name, args }, { session }) => session.callTool(name, args),
  stream_tool: async ({ name, args, count = Infinity }, { session }) => first(session.streamTool(name, args), count),
  call: ({ command, args, pool }, ctx) => ctx.call(command, args, { pool }),
  query: ({ query }, { session }) => session.query(query),
}

const ended = []
let last = []

export function sessionEnded(id) {
  ended.push(id)
}

export const commands = {
  /** Each step is [op, fields]; its outcome { value } or { error, message, type }. */
  async steps({ steps }, ctx) {
    const outcomes = []
    for (const [op, fields] of steps) {
      try {
        outcomes.push({ value: (await OPS[op](fields, ctx)) ?? null })
      } catch (error) {
        if (!error.kind) throw error
        outcomes.push({ error: error.kind, message: error.reason, type: error.type })
      }
    }
    return outcomes
  },
  ended: () => ended,
  twice: ({ number }) => 2 * number,
  raise({ message }) { throw new RangeError(message) },
  /** Waits for a change that does not come, asks again a second later, and notes why neither was answered. */
  async wait({ name }, ctx) {
    await ctx.session.set('begun', true)
    try {
      return await first(ctx.session.watch(name), 1)
    } catch (error) {
      await new Promise((done) => setTimeout(done, 1000))
      const again = await ctx.session.describe(name).catch((refused) => refused)
      last = [error.kind, again.kind]
      throw error
    }
  },
  last: () => last,
  async *forever({ name }, ctx) { yield* ctx.session.streamTool(name, { n: 1e9 }) },
}
