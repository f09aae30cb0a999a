# frozen_string_literal: true

require 'json'
require 'ripper'

module Snakepit
  # What a Ruby file says about its methods that `Method#parameters` does not: the comment above, the defaults of
  # keywords, and whether the body yields.
  class Source
    Facts = Struct.new(:summary, :defaults, :yields)
    NOTHING = Facts.new('', {}, false).freeze

    def initialize(path)
      text = File.read(path, encoding: Encoding::UTF_8)
      @lines = text.lines
      @methods = {}
      walk(Ripper.sexp(text))
    rescue SystemCallError, ArgumentError
      @methods ||= {}
    end

    # Facts of the method that is defined at this line.
    def at(line)
      @methods[line] || NOTHING
    end

    private

    def walk(node)
      return unless node.is_a?(Array)

      note(node) if node[0] == :def
      node.each { |part| walk(part) }
    end

    def note(node)
      _, (_, _, (line,)), head, body = node
      params = head.is_a?(Array) && head[0] == :paren ? head[1] : head
      keywords = params.is_a?(Array) && params[0] == :params ? Array(params[5]) : []
      defaults = keywords.to_h { |(_, label), value| [label.delete_suffix(':').to_sym, value && literal(value)] }
      @methods[line] = Facts.new(comment(line), defaults.compact, yields?(body))
    end

    def yields?(node)
      return false unless node.is_a?(Array)
      return true if %i[yield yield0].include?(node[0])
      return false if %i[def defs].include?(node[0])

      node.any? { |part| yields?(part) }
    end

    # The first paragraph of the comment above a line.
    def comment(line)
      above = @lines[0, line - 1].reverse.take_while { |text| text.match?(/\A\s*#/) }.reverse
      above.map { |text| text.sub(/\A\s*#\s?/, '').strip }.take_while { |text| !text.empty? }.join(' ')
    end

    # JSON of a literal; nil for what is none.
    def literal(node)
      case node
      in [:@int | :@float, text, *] then JSON.generate(JSON.parse(text.delete('_')))
      in [:unary, :-@, inner] then (text = literal(inner)) && "-#{text}"
      in [:string_literal, [:string_content]] then '""'
      in [:string_literal, [:string_content, [:@tstring_content, text, *]]] then JSON.generate(text)
      in [:var_ref, [:@kw, ('true' | 'false') => word, *]] then word
      in [:var_ref, [:@kw, 'nil', *]] then 'null'
      in [:array, nil] then '[]'
      in [:hash, nil] then '{}'
      else nil
      end
    rescue JSON::JSONError
      nil
    end
  end
end
