// What tests/contract/test_state_doors.py asks of a worker in Go.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"snakepit"
)

type none struct{}

type adding struct {
	A int `json:"a"`
	B int `json:"b" default:"1"`
}

type counting struct {
	N int `json:"n"`
}

type message struct {
	Message string `json:"message"`
}

type named struct {
	Name string `json:"name"`
}

// RangeError is what `fail` returns.
type RangeError struct{ message string }

func (e RangeError) Error() string { return e.message }

func count(_ *snakepit.Context, in counting, emit func(any) error) error {
	for n := 0; n < in.N; n++ {
		if err := emit(n); err != nil {
			return err
		}
	}
	return nil
}

func fail(_ *snakepit.Context, in message) (any, error) { return nil, RangeError{in.Message} }

var tools = map[string]snakepit.Offer{
	"add": snakepit.Tool("add", func(_ *snakepit.Context, in adding) (int, error) {
		return in.A + in.B, nil
	}, "Adds."),
	"count": snakepit.StreamTool("count", count),
	"fail":  snakepit.Tool("fail", fail),
	"nested": snakepit.Tool("nested", func(ctx *snakepit.Context, in named) (found any, err error) {
		return found, ctx.Session().Get(in.Name, &found)
	}),
}

// step is [op, fields].
type step struct {
	op     string
	fields fields
}

func (s *step) UnmarshalJSON(data []byte) error {
	reader := json.NewDecoder(bytes.NewReader(data))
	reader.UseNumber()
	return reader.Decode(&[]any{&s.op, &s.fields})
}

// fields of all ops.
type fields struct {
	Name, Type, Pattern, ID, Command, Pool string
	Value, Data, Args                      any
	Values                                 map[string]any
	Names, On                              []string
	Query                                  map[string]any
	Version, Expect, After                 *int64
	Count                                  int
	Create, Replace, Atomic, Everywhere    *bool
	Constraints, Metadata                  map[string]any
}

func (f fields) options() (found []snakepit.Option) {
	if f.Expect != nil {
		found = append(found, snakepit.Expect(*f.Expect))
	}
	if f.Create != nil && !*f.Create {
		found = append(found, snakepit.Existing())
	}
	if f.Create != nil && *f.Create {
		found = append(found, snakepit.New())
	}
	if f.Atomic != nil {
		found = append(found, snakepit.Atomic())
	}
	if f.Replace != nil {
		found = append(found, snakepit.Replace())
	}
	if f.Everywhere != nil {
		found = append(found, snakepit.Everywhere())
	}
	if f.Constraints != nil {
		found = append(found, snakepit.Constraints(f.Constraints))
	}
	if f.Metadata != nil {
		found = append(found, snakepit.Metadata(f.Metadata))
	}
	return found
}

type steps struct {
	Steps []step `json:"steps"`
}

func run(ctx *snakepit.Context, in steps) (any, error) {
	outcomes := []map[string]any{}
	for _, one := range in.Steps {
		value, err := ops[one.op](ctx, ctx.Session(), one.fields)
		var failed *snakepit.CallError
		switch {
		case errors.As(err, &failed):
			outcomes = append(outcomes, map[string]any{"error": failed.Kind, "message": failed.Message, "type": failed.Type})
		case err != nil:
			return nil, fmt.Errorf("%s: %w", one.op, err)
		default:
			outcomes = append(outcomes, map[string]any{"value": value})
		}
	}
	return outcomes, nil
}

var ops = map[string]func(*snakepit.Context, *snakepit.Session, fields) (any, error){
	"metadata": func(ctx *snakepit.Context, _ *snakepit.Session, _ fields) (any, error) { return ctx.Metadata(), nil },
	"get": func(_ *snakepit.Context, s *snakepit.Session, f fields) (found any, err error) {
		err = s.Get(f.Name, &found)
		return found, err
	},
	"stale": func(_ *snakepit.Context, s *snakepit.Session, f fields) (any, error) {
		found, err := s.Describe(f.Name)
		return found.Stale, err
	},
	"has": func(_ *snakepit.Context, s *snakepit.Session, f fields) (any, error) { return s.Has(f.Name) },
	"set": func(_ *snakepit.Context, s *snakepit.Session, f fields) (any, error) {
		return s.Set(f.Name, f.Value, f.options()...)
	},
	"register": func(_ *snakepit.Context, s *snakepit.Session, f fields) (any, error) {
		found, err := s.Register(f.Name, f.Type, f.Value, f.options()...)
		return found.Version, err
	},
	"delete": func(_ *snakepit.Context, s *snakepit.Session, f fields) (any, error) { return nil, s.Delete(f.Name) },
	"list": func(_ *snakepit.Context, s *snakepit.Session, f fields) (any, error) {
		found, err := s.List(f.Pattern)
		return each(found, func(one snakepit.Variable) string { return one.Name }), err
	},
	"get_many": func(_ *snakepit.Context, s *snakepit.Session, f fields) (any, error) {
		found, err := s.GetMany(f.Names...)
		values := map[string]any{}
		for name, one := range found {
			values[name] = one.Value
		}
		return values, err
	},
	"set_many": setMany,
	"history": func(_ *snakepit.Context, s *snakepit.Session, f fields) (any, error) {
		found, err := s.History(f.Name)
		return each(found, func(one snakepit.Change) []any { return []any{one.Event, one.Version, one.Value} }), err
	},
	"rollback": func(_ *snakepit.Context, s *snakepit.Session, f fields) (any, error) {
		return s.Rollback(f.Name, *f.Version)
	},
	"depend": func(_ *snakepit.Context, s *snakepit.Session, f fields) (any, error) {
		return f.On, s.Depend(f.Name, f.On...)
	},
	"watch": watch,
	"program_put": func(_ *snakepit.Context, s *snakepit.Session, f fields) (any, error) {
		found, err := s.PutProgram(f.ID, f.Data, f.options()...)
		return found.ID, err
	},
	"program_get": func(_ *snakepit.Context, s *snakepit.Session, f fields) (found any, err error) {
		err = s.GetProgram(f.ID, &found, f.options()...)
		return found, err
	},
	"program_list": func(_ *snakepit.Context, s *snakepit.Session, f fields) (any, error) {
		found, err := s.ListPrograms(f.Pattern, f.options()...)
		return each(found, func(one snakepit.Program) string { return one.ID }), err
	},
	"program_delete": func(_ *snakepit.Context, s *snakepit.Session, f fields) (any, error) {
		return nil, s.DeleteProgram(f.ID, f.options()...)
	},
	"tools": func(_ *snakepit.Context, s *snakepit.Session, f fields) (any, error) {
		if f.Pattern == "" {
			f.Pattern = "*"
		}
		found, err := s.Tools(f.Pattern)
		return each(found, func(one snakepit.ToolInfo) string { return one.Name }), err
	},
	"tool": func(_ *snakepit.Context, s *snakepit.Session, f fields) (any, error) {
		found, err := s.Tools(f.Name)
		return each(found, func(one snakepit.ToolInfo) any { return one })[0], err
	},
	"offer": func(_ *snakepit.Context, s *snakepit.Session, f fields) (any, error) {
		return f.Name, s.RegisterTool(tools[f.Name], f.options()...)
	},
	"withdraw": func(_ *snakepit.Context, s *snakepit.Session, f fields) (any, error) {
		return nil, s.UnregisterTool(f.Name)
	},
	"call_tool": func(_ *snakepit.Context, s *snakepit.Session, f fields) (found any, err error) {
		err = s.CallTool(f.Name, f.Args, &found)
		return found, err
	},
	"stream_tool": func(_ *snakepit.Context, s *snakepit.Session, f fields) (any, error) {
		found := []json.RawMessage{}
		err := s.StreamTool(f.Name, f.Args, func(one json.RawMessage) error {
			if found = append(found, one); len(found) == f.Count {
				return snakepit.Stop
			}
			return nil
		})
		return found, err
	},
	"call": func(ctx *snakepit.Context, _ *snakepit.Session, f fields) (found any, err error) {
		err = ctx.Call(f.Pool, f.Command, f.Args, &found)
		return found, err
	},
	"query": func(_ *snakepit.Context, s *snakepit.Session, f fields) (any, error) {
		return nil, s.Query(f.Query, nil)
	},
}

func setMany(_ *snakepit.Context, s *snakepit.Session, f fields) (any, error) {
	found, err := s.SetMany(f.Values, f.options()...)
	told := map[string]any{}
	for name, one := range found {
		told[name] = true
		if one.Err != nil {
			told[name] = one.Err.Message
		}
	}
	return told, err
}

func watch(_ *snakepit.Context, s *snakepit.Session, f fields) (any, error) {
	options := []snakepit.Option{}
	if f.Version != nil {
		options = append(options, snakepit.FromVersion(*f.Version))
	}
	if f.After != nil {
		options = append(options, snakepit.After(*f.After))
	}
	found := [][]any{}
	err := s.Watch(f.Pattern, func(one snakepit.Change) error {
		if found = append(found, []any{one.Event, one.Name, one.Value}); len(found) == f.Count {
			return snakepit.Stop
		}
		return nil
	}, options...)
	return found, err
}

func each[A, B any](all []A, make func(A) B) []B {
	found := []B{}
	for _, one := range all {
		found = append(found, make(one))
	}
	return found
}

var (
	lock  sync.Mutex
	ended = []string{}
	last  = []string{}
)

func told(err error) string {
	if kind := snakepit.KindOf(err); kind != "" || err == nil {
		return kind
	}
	return "cancelled"
}

func main() {
	snakepit.SessionEnded = func(id string) {
		lock.Lock()
		defer lock.Unlock()
		ended = append(ended, id)
	}
	snakepit.Command("steps", run, "Each step is [op, fields]; its outcome {value} or {error, message, type}.")
	snakepit.Command("ended", func(*snakepit.Context, none) ([]string, error) {
		lock.Lock()
		defer lock.Unlock()
		return append([]string{}, ended...), nil
	})
	snakepit.Command("last", func(*snakepit.Context, none) ([]string, error) { return last, nil })
	snakepit.Command("raise", fail)
	snakepit.Command("wait", func(ctx *snakepit.Context, in named) (any, error) {
		if _, err := ctx.Session().Set("begun", true); err != nil {
			return nil, err
		}
		err := ctx.Session().Watch(in.Name, func(snakepit.Change) error { return snakepit.Stop })
		time.Sleep(time.Second)
		_, again := ctx.Session().Describe(in.Name)
		last = []string{told(err), told(again)}
		return nil, err
	}, "Waits for a change that does not come, asks again a second later, and notes why neither was answered.")
	snakepit.Stream("forever", func(ctx *snakepit.Context, in named, emit func(any) error) error {
		return ctx.Session().StreamTool(in.Name, counting{1e9}, func(one json.RawMessage) error { return emit(one) })
	})
	snakepit.Serve()
}
