# frozen_string_literal: true

# What tests/contract calls, in Ruby.
class Adapter
  def initialize
    @kept = 0
  end

  def conformance = nil

  # Adds two numbers.
  def add(a:, b: 1) = { sum: a + b }
  def echo(args) = args
  def fail(message:) = raise(IndexError, message)
  def who = Process.pid
  def keep(value:) = @kept = value
  def kept = @kept

  def nap(seconds:)
    sleep(seconds)
    'slept'
  end

  def burn(seconds:)
    last = Process.clock_gettime(Process::CLOCK_MONOTONIC) + seconds
    nil while Process.clock_gettime(Process::CLOCK_MONOTONIC) < last
    'burnt'
  end

  def count(n:, pause: 0)
    n.times do |number|
      sleep(pause) if pause.positive?
      yield number
    end
  end

  def repeat(value:, n:)
    n.times do |number|
      yield number
      yield [value, number]
    end
  end

  def big(size:) = 'x' * size
  def leave = exit(3)
  def die = Process.kill(:KILL, Process.pid)
  def say(text:) = puts(text)
  def left(ctx:) = ctx.remaining
  def unfit = Float::NAN

  class RangeError < StandardError; end

  def odd(what:)
    circle = { a: [1, {}] }
    circle[:a][1][:back] = circle
    { nan: { scores: [1, 2, Float::NAN], n: nil }, infinity: [{ 'a b' => -Float::INFINITY }],
      object: { model: Object.new }, circle: circle, error: { e: RangeError.new('no') } }.fetch(what.to_sym)
  end

  def odds
    yield 1
    yield [Float::NAN]
  end

  def session(ctx:) = ctx.session

  def ask(command:, args:, pool:, ctx:)
    ctx.call(command, args, pool: pool)
  rescue Snakepit::CallFailed => error
    [error.kind, error.message]
  end
end
