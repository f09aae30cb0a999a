// Tools of this worker that its own handlers call: they run at once, because the worker is busy with the caller.

import { Refusal, checked, isChunks } from './arguments.mjs'
import { CallFailedError, errorOf } from './errors.mjs'
import { read } from './json.mjs'
import { NoJsonForm, written } from './places.mjs'
import { trace } from './traces.mjs'

/** The answer, as another worker would have given it. Rejects with CallFailedError. */
export async function runOwn({ handler, shape }, name, args, context) {
  try {
    let value = await handler(checked(read(written(args)), name, shape), context)
    if (isChunks(value)) {
      const all = []
      for await (const chunk of value) all.push(chunk)
      value = all
    }
    return read(written(value ?? null))
  } catch (error) {
    throw told(error)
  }
}

function told(error) {
  if (error instanceof CallFailedError) return error
  if (error instanceof Refusal) return errorOf('invalid_arguments', error.message)
  if (error instanceof NoJsonForm) return errorOf('invalid_result', error.message)
  return errorOf('command_failed', error?.message ?? String(error), error?.name ?? typeof error, trace(error))
}
