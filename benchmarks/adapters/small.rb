# frozen_string_literal: true

class Small
  def add(a:, b:) = { sum: a + b }
end
