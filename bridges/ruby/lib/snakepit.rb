# frozen_string_literal: true

# What an adapter may use. Its public methods are the commands.
module Snakepit
  WORKER = Process.pid

  # Whether this is a child that a handler has forked.
  def self.forked? = Process.pid != WORKER

  # The same, in a tenth of the time, for children of `fork`.
  if Process.respond_to?(:_fork) # since Ruby 3.1
    @child = false

    def self.child? = @child
    def self.child! = @child = true

    Process.singleton_class.prepend(Module.new { def _fork = super.tap { |pid| Snakepit.child! if pid.zero? } })
  else
    def self.child? = forked?
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
