// Commands in JavaScript: snakepit up js --adapter node:./examples/words.mjs
export const commands = {
  async count({ text, unit = 'words' }) {
    return { [unit]: unit === 'words' ? text.trim().split(/\s+/).length : text.length }
  },

  async *lines({ text }) {
    for (const line of text.split('\n')) yield line
  },
}
