export const commands = {
  add({ a, b }) { return { sum: a + b } },
}
