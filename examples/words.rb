# Commands in Ruby: snakepit up rb --adapter ruby:./examples/words.rb
class Words
  # How many words a text has, or characters.
  def count(text:, unit: 'words')
    { unit => unit == 'words' ? text.split.size : text.size }
  end

  # The lines of a text, one after another.
  def lines(text:)
    text.each_line(chomp: true) { |line| yield line }
  end
end
