package snakepit

import (
	"encoding/json"
	"reflect"
	"unsafe"
)

// quick runs a handler for a line, without encoding/json where that is possible. It appends the JSON of the answer.
type quick func(ctx *Context, line, out []byte) ([]byte, outcome)

// outcome is how far it came.
type outcome struct {
	state state
	value any
	err   error // of the handler
}

type state int

const (
	answered  state = iota
	untouched       // the handler was not begun: the line is for encoding/json
	returned        // the value is for encoding/json
	failed
)

// quickOf is what makes a quick for a block with these fixed arguments; that is nil when they are nothing for it.
func quickOf[A, R any](args *arguments, function func(*Context, A) (R, error)) func(fixed []byte) quick {
	in := readerOf(reflect.TypeOf((*A)(nil)).Elem(), args)
	if in == nil {
		return nil
	}
	out := shapeOf(reflect.TypeOf((*R)(nil)).Elem())
	return func(fixed []byte) quick {
		var begin A
		if args.defaults != nil && json.Unmarshal(args.defaults, &begin) != nil {
			return nil
		}
		there, isRead := in.read(fixed, unsafe.Pointer(&begin), 0)
		if !isRead {
			return nil
		}
		return func(ctx *Context, line, text []byte) ([]byte, outcome) {
			found := begin
			if now, isRead := in.read(line, unsafe.Pointer(&found), there); !isRead || now&in.required != in.required {
				return text, outcome{state: untouched}
			}
			value, err := function(ctx, found)
			if err != nil {
				return text, outcome{state: failed, err: err}
			}
			before := len(text)
			var isWritten bool
			if out != nil {
				text, isWritten = out.append(text, unsafe.Pointer(&value))
			} else {
				text, isWritten = appendAny(text, value, deepestAny)
			}
			if !isWritten {
				return text[:before], outcome{state: returned, value: value}
			}
			return append(text, '\n'), outcome{}
		}
	}
}
