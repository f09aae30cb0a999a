# frozen_string_literal: true

# ruby worker.rb --adapter FILE[:Class] [--cwd DIR]     started by snakepit; by hand it says what it would offer

$LOAD_PATH.unshift(File.join(__dir__, 'lib'))
require 'snakepit'
require 'snakepit/worker'

# What is left is the adapter's, and `gets` reads standard input.
options = ARGV.each_slice(2).to_h { |name, value| [name.delete_prefix('--'), value] }
ARGV.clear
abort('usage: ruby worker.rb --adapter FILE[:Class] [--cwd DIR]') unless options['adapter']
Snakepit::Worker.new(options['adapter'], options['cwd'] || Dir.pwd).run
