# frozen_string_literal: true

# What an adapter may use. Its public methods are the commands.
module Snakepit
  WORKER = Process.pid

  # Whether this is a child that a handler has forked.
  def self.forked? = Process.pid != WORKER

  # Not empty in a child of `fork`. That it is one is asked for at each item: this takes a tenth of the time.
  FORKS = []
  if Process.respond_to?(:_fork) # since Ruby 3.1
    Process.singleton_class.prepend(Module.new { def _fork = super.tap { |pid| FORKS << true if pid.zero? } })
  end

  # The child of a handler must not answer for the worker, whose stream it has inherited.
  def self.leave_if_forked(error = nil)
    return unless forked?

    warn(error.full_message(highlight: false)) if error
    $stdout.flush
    exit!(error ? 1 : 0)
  end

  # As if the signal had not been trapped.
  def self.end_by(signal)
    trap(signal, 'DEFAULT')
    Process.kill(signal, Process.pid)
  end

  # Optional base of an adapter: says which class of the file it is.
  class Adapter
    # Called once, before the first call.
    def initialize_worker; end

    # Called once, after the last call.
    def cleanup; end
  end

  # A handler's call was cancelled, by its caller or by its timeout. Not a StandardError, so that
  # `rescue => error` does not catch it; `ensure` runs.
  class Cancelled < Exception
  end
end

require_relative 'snakepit/errors'
